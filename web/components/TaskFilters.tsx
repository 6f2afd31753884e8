import { useEffect, useRef, useState } from "react";
import { STATES, type TaskState } from "../api/tasks";
import { useShortcut } from "../app/shortcuts";
import { parseStates, pickTasksSearch, type TasksSearch } from "../app/taskSearch";
import { SpanField } from "./SpanField";
import { nameStatus } from "./StatusTag";

/** Typing rests for so long before a filter is applied. */
const REST_MS = 350;
const TYPED = ["agent", "action", "text"] as const;
const NAMES = { agent: "Agent ID", action: "Action", text: "Text" } as const;

interface TaskFiltersProps {
  search: TasksSearch;
  onChange: (search: TasksSearch) => void;
}

/** Which tasks are shown. */
export function TaskFilters({ search, onChange }: TaskFiltersProps) {
  const { typed, type, clear } = useTyped(search, onChange);
  const first = useRef<HTMLInputElement>(null);
  useShortcut("/", "Filter by agent (Tasks)", () => first.current?.focus());
  const states = parseStates(search.state ?? "");
  const change = (part: { [name in keyof TasksSearch]?: string | undefined }) =>
    onChange(pickTasksSearch({ ...search, ...typed, ...part }));
  const toggle = (state: TaskState) => {
    const next = STATES.filter((one) => (one === state) !== states.includes(one));
    change({ state: next.join(",") });
  };
  return (
    <search className="filters">
      {TYPED.map((name) => (
        <input
          key={name}
          ref={name === "agent" ? first : undefined}
          className={`input input-${name}`}
          type="search"
          aria-label={NAMES[name]}
          placeholder={name === "text" ? "Text in payload, result or error" : NAMES[name]}
          value={typed[name] ?? ""}
          onChange={(event) => type(name, event.target.value)}
          maxLength={name === "text" ? 200 : 255}
          autoComplete="off"
          spellCheck={false}
        />
      ))}
      <SpanField since={search.since} until={search.until} onChange={(span) => change({ until: undefined, ...span })} />
      <span className="chips">
        {STATES.map((state) => (
          <button
            key={state}
            type="button"
            className="chip"
            aria-pressed={states.includes(state)}
            onClick={() => toggle(state)}
          >
            {nameStatus(state)}
          </button>
        ))}
        {Object.values({ ...search, ...typed }).some(Boolean) && (
          <button
            type="button"
            className="link"
            onClick={() => {
              clear();
              onChange({});
            }}
          >
            Show all
          </button>
        )}
      </span>
    </search>
  );
}

type Typed = { [name in (typeof TYPED)[number]]?: string | undefined };

/** What is typed, which becomes a filter once typing rests. */
function useTyped(search: TasksSearch, onChange: (search: TasksSearch) => void) {
  const { agent, action, text } = search;
  const [typed, setTyped] = useState<Typed>({ agent, action, text });
  const latest = useRef(onChange);
  latest.current = (next) => onChange(next);
  useEffect(() => setTyped({ agent, action, text }), [agent, action, text]);
  useEffect(() => {
    if (TYPED.every((name) => (typed[name] ?? "") === (search[name] ?? ""))) return;
    const timer = setTimeout(() => latest.current(pickTasksSearch({ ...search, ...typed })), REST_MS);
    return () => clearTimeout(timer);
  }, [typed, search]);
  return {
    typed,
    type: (name: (typeof TYPED)[number], value: string) => setTyped((before) => ({ ...before, [name]: value })),
    clear: () => setTyped({}),
  };
}
