import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { type Letter, type Redrive, readGroups, readLetters } from "../api/letters";
import { usePolled } from "../app/polling";
import { type LetterSearch, readRedriven, toFilter } from "../text/letters";
import { countOf, showCount } from "../text/numbers";
import { LetterGroups } from "./LetterGroups";
import { Moment } from "./Moment";
import { ReadTrouble } from "./ReadTrouble";
import { RedriveCard } from "./RedriveCard";
import { type Column, Table } from "./Table";

const EVERY_MS = 10_000;
const PAGE = 50;

/** The letters of one cause; some of them, or all that were not redriven yet, can be redriven. */
export function LetterList({ search }: { search: LetterSearch & { cause: string } }) {
  const [cursors, setCursors] = useState<readonly string[]>([]);
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const [redrive, setRedrive] = useState<Redrive | null>(null);
  const filter = toFilter(search);
  const cursor = cursors.at(-1) ?? null;
  const group = usePolled({
    key: ["letters", "groups", filter],
    read: (signal) => readGroups(filter, signal),
    everyMs: EVERY_MS,
  });
  const page = usePolled({
    key: ["letters", "page", filter, cursor],
    read: (signal) => readLetters(filter, { cursor, limit: PAGE }, signal),
    everyMs: EVERY_MS,
  });
  const letters = page.data?.letters ?? [];
  const picked = letters.filter(({ position }) => chosen.has(position));
  const waiting = group.data?.[0]?.waiting ?? 0;
  const choose = (positions: readonly string[], isChosen: boolean) => {
    const next = new Set(chosen);
    for (const position of positions) isChosen ? next.add(position) : next.delete(position);
    setChosen(next);
  };
  const all = {
    cause_id: search.cause,
    ...(search.agent === undefined ? {} : { agent_id: search.agent }),
  };
  return (
    <div className="stack">
      <ReadTrouble what="The letters" error={page.error ?? group.error} hasOlder={page.data !== undefined} />
      {group.data && group.data.length > 0 && <LetterGroups groups={group.data} search={search} />}
      {redrive && <RedriveCard redrive={redrive} onClose={() => setRedrive(null)} />}
      <section className="card">
        <header className="card-head">
          <h2>Letters</h2>
          <button
            type="button"
            className="button button-small"
            aria-disabled={picked.length === 0}
            onClick={() => picked.length > 0 && setRedrive({ positions: picked.map(({ position }) => position) })}
          >
            Redrive {picked.length > 0 ? countOf(picked.length, "chosen letter") : "what is chosen"}…
          </button>
          <button
            type="button"
            className="button button-small"
            aria-disabled={waiting === 0}
            onClick={() => waiting > 0 && setRedrive(all)}
          >
            Redrive all{waiting > 0 && ` ${showCount(waiting)}`}…
          </button>
        </header>
        {letters.length > 0 ? (
          <Table
            name="Letters"
            columns={toColumns(search, letters, chosen, choose)}
            rows={letters}
            toKey={({ position }) => position}
          />
        ) : (
          <p className="empty">{page.data ? nothing(search) : "Asking…"}</p>
        )}
      </section>
      {(cursors.length > 0 || page.data?.cursor) && (
        <nav className="pager" aria-label="Pages of the list">
          <button
            type="button"
            className="button button-small"
            aria-disabled={cursors.length === 0}
            onClick={() => setCursors(cursors.slice(0, -1))}
          >
            Newer
          </button>
          <button
            type="button"
            className="button button-small"
            aria-disabled={!page.data?.cursor}
            onClick={() => page.data?.cursor && setCursors([...cursors, page.data.cursor])}
          >
            Older
          </button>
        </nav>
      )}
    </div>
  );
}

function toColumns(
  search: LetterSearch,
  letters: readonly Letter[],
  chosen: ReadonlySet<string>,
  choose: (positions: readonly string[], isChosen: boolean) => void,
): Column<Letter>[] {
  const able = letters.filter(({ can_redrive }) => can_redrive).map(({ position }) => position);
  const areAll = able.length > 0 && able.every((position) => chosen.has(position));
  return [
    {
      name: "Letter",
      head: (
        <label className="pick">
          <input type="checkbox" checked={areAll} disabled={able.length === 0} onChange={() => choose(able, !areAll)} />{" "}
          <span className="sr-only">Choose every</span> Letter
        </label>
      ),
      show: ({ position, can_redrive, why_not }) => (
        <span className="pick">
          <input
            type="checkbox"
            aria-label={`Choose ${position}`}
            checked={chosen.has(position)}
            disabled={!can_redrive}
            title={why_not ?? undefined}
            onChange={(event) => choose([position], event.target.checked)}
          />{" "}
          <Link to="/dead-letters" search={{ ...search, letter: position }} className="code">
            {position.split(":").slice(-2).join(":")}
          </Link>
        </span>
      ),
    },
    { name: "Dead", show: ({ dead_at }) => <Moment at={Date.parse(dead_at)} /> },
    { name: "Agent", toTitle: ({ agent_id }) => agent_id ?? "", show: ({ agent_id }) => agent_id ?? "–" },
    {
      name: "Task",
      toTitle: ({ task_id }) => task_id ?? "",
      show: ({ task_id }) => (task_id === null ? "–" : <code>{task_id}</code>),
    },
    { name: "Message", toTitle: ({ message }) => message, show: ({ message }) => message },
    { name: "Attempts", isNumber: true, show: ({ attempts }) => attempts ?? "–" },
    {
      name: "Redriven",
      show: ({ redriven, can_redrive, why_not }) => {
        if (redriven[0]) return `as a task that is ${redriven[0].state.replace("_", " ")}`;
        return can_redrive ? "not yet" : <span title={why_not ?? undefined}>cannot be</span>;
      },
    },
  ];
}

function nothing(search: LetterSearch): string {
  const wanted = readRedriven(search.redriven);
  if (wanted === "no") return "None of this cause is left that was not redriven.";
  return wanted === "yes" ? "None of this cause was redriven." : "There is none of this cause.";
}
