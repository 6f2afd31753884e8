import type { LiveView, Row } from "../app/liveLog";
import { findMember } from "../text/json";
import { Moment } from "./Moment";
import { type Column, RowGrid } from "./RowGrid";
import { StatusTag } from "./StatusTag";

const COLUMNS: readonly Column<Row>[] = [
  { name: "Time", render: ({ arrivedAt }) => <Moment at={arrivedAt} /> },
  { name: "Status", render: ({ response }) => <StatusTag status={response.status} /> },
  { name: "Agent", title: ({ response }) => response.agent_id, render: ({ response }) => response.agent_id },
  {
    name: "Task",
    className: "code",
    title: ({ response }) => response.task_id,
    render: ({ response }) => response.task_id,
  },
  { name: "Attempt", render: ({ response }) => response.attempt },
  { name: "Result", className: "code", render: summarize },
];

interface EventGridProps {
  view: LiveView;
  selected: number | null;
  onSelect: (row: Row) => void;
  /** Told when somebody begins or ends to read: has scrolled away from the top, or has the focus in the rows. */
  onReading: (isReading: boolean) => void;
}

/** Responses as rows, newest first. */
export function EventGrid({ view, selected, onSelect, onReading }: EventGridProps) {
  const count = view.rows.length;
  return (
    <RowGrid
      label="Responses"
      columns={COLUMNS}
      count={count}
      rowAt={(index) => view.rows[count - 1 - index]}
      keyOf={({ number }) => String(number)}
      indexOf={(key) => count - 1 - view.rows.findIndex(({ number }) => number === Number(key))}
      selected={selected === null ? null : String(selected)}
      onOpen={onSelect}
      onReading={onReading}
    />
  );
}

const summaries = new WeakMap<Row, string>();

/** One line: why it failed, or the beginning of its result. Results may be large, so each is looked at once. */
function summarize(row: Row): string {
  const known = summaries.get(row);
  if (known !== undefined) return known;
  const { error } = row.response;
  const result = error ? `${error.code}: ${error.message}` : (findMember(row.text, "result") ?? "");
  const summary = result === "{}" ? "" : result.slice(0, 300);
  summaries.set(row, summary);
  return summary;
}
