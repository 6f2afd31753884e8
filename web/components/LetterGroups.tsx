import { Link } from "@tanstack/react-router";
import type { LetterGroup } from "../api/letters";
import type { LetterSearch } from "../text/letters";
import { showCount } from "../text/numbers";
import { Moment } from "./Moment";
import { type Column, Table } from "./Table";

/** What dead letters have in common; each cause leads to its letters. */
export function LetterGroups({ groups, search }: { groups: readonly LetterGroup[]; search: LetterSearch }) {
  const columns: readonly Column<LetterGroup>[] = [
    {
      name: "Cause",
      toTitle: ({ message }) => message,
      show: ({ cause_id, message, code }) => (
        <>
          <Link to="/dead-letters" search={{ ...search, cause: cause_id }}>
            {message || code}
          </Link>
          <br />
          <code className="quiet">{code}</code>
        </>
      ),
    },
    { name: "Action", show: ({ action }) => action ?? "–" },
    { name: "Letters", isNumber: true, show: ({ count }) => showCount(count) },
    { name: "Not redriven", isNumber: true, show: ({ waiting }) => showCount(waiting) },
    { name: "Agents", isNumber: true, show: ({ agents }) => showCount(agents) },
    { name: "First", show: ({ oldest_at }) => <Moment at={Date.parse(oldest_at)} /> },
    { name: "Last", show: ({ newest_at }) => <Moment at={Date.parse(newest_at)} /> },
  ];
  return (
    <div className="card card-wide">
      <Table name="Causes" columns={columns} rows={groups} toKey={({ cause_id }) => cause_id} />
    </div>
  );
}
