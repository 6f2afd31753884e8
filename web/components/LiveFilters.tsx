import { useEffect, useRef, useState } from "react";
import { STATUSES, type Status } from "../api/responses";
import { useShortcut } from "../app/shortcuts";
import { nameStatus } from "./StatusTag";

/** Typing rests for so long before a filter is applied. */
const REST_MS = 350;

/** Filters as the address bar has them. */
export interface LiveSearch {
  agent?: string;
  /** Statuses, comma separated. */
  status?: string;
}

interface LiveFiltersProps {
  agent: string;
  statuses: readonly Status[];
  onChange: (search: LiveSearch) => void;
}

/** Which responses are shown. */
export function LiveFilters({ agent, statuses, onChange }: LiveFiltersProps) {
  const [typed, setTyped] = useState(agent);
  const input = useRef<HTMLInputElement>(null);
  const latest = useRef(onChange);
  latest.current = (search) => onChange(search);
  useShortcut("/", "Filter by agent (Live)", () => input.current?.focus());
  useEffect(() => setTyped(agent), [agent]);
  useEffect(() => {
    if (typed === agent) return;
    const timer = setTimeout(() => latest.current(toSearch(typed, statuses)), REST_MS);
    return () => clearTimeout(timer);
  }, [typed, agent, statuses]);
  const toggle = (status: Status) => {
    const next = statuses.includes(status) ? statuses.filter((one) => one !== status) : [...statuses, status];
    onChange(toSearch(typed, next));
  };
  const showAll = () => {
    setTyped("");
    onChange({});
  };
  return (
    <search className="filters">
      <input
        ref={input}
        className="input"
        type="search"
        aria-label="Agent ID"
        placeholder="Agent ID"
        value={typed}
        onChange={(event) => setTyped(event.target.value)}
        autoComplete="off"
        spellCheck={false}
      />
      {STATUSES.map((status) => (
        <button
          key={status}
          type="button"
          className="chip"
          aria-pressed={statuses.includes(status)}
          onClick={() => toggle(status)}
        >
          {nameStatus(status)}
        </button>
      ))}
      {(typed !== "" || statuses.length > 0) && (
        <button type="button" className="link" onClick={showAll}>
          Show all
        </button>
      )}
    </search>
  );
}

/** The statuses that a text names, in their usual order; words that are none are left out. */
export function parseStatuses(text: string): Status[] {
  const named = new Set(text.split(","));
  return STATUSES.filter((status) => named.has(status));
}

function toSearch(agent: string, statuses: readonly Status[]): LiveSearch {
  const status = STATUSES.filter((one) => statuses.includes(one)).join(",");
  return { ...(agent === "" ? {} : { agent }), ...(status === "" ? {} : { status }) };
}
