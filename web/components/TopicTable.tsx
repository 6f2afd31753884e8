import type { Topic } from "../api/operations";
import { countOf, showCount } from "../text/numbers";
import { showDuration } from "../text/time";
import { type Column, Table } from "./Table";

const COLUMNS: readonly Column<Topic>[] = [
  { name: "Topic", show: ({ name }) => <code>{name}</code> },
  { name: "State", show: (topic) => <TopicState topic={topic} /> },
  { name: "Records", isNumber: true, show: ({ records }) => (records === null ? "–" : showCount(records)) },
  { name: "Partitions", isNumber: true, show: ({ partitions }) => showCount(partitions) },
  { name: "Copies", isNumber: true, show: ({ replicas }) => showCount(replicas) },
  {
    name: "Kept for",
    isNumber: true,
    show: ({ retention_ms }) => (retention_ms === null ? "ever" : showDuration(retention_ms)),
  },
];

/** The topics of the queue, and below them what is not as wanted. */
export function TopicTable({ topics }: { topics: readonly Topic[] }) {
  const drifted = topics.filter(({ exists, drift }) => !exists || drift.length > 0);
  return (
    <>
      <Table name="Topics" columns={COLUMNS} rows={topics} toKey={({ name }) => name} />
      {drifted.length > 0 && (
        <div className="drift">
          <ul>
            {drifted.map(({ name, exists, drift }) => (
              <li key={name}>
                <code>{name}</code> {exists ? drift.join("; ") : "is not there"}
              </li>
            ))}
          </ul>
          <p className="quiet">
            <code>mabos topics apply</code> mends what is safe to mend.
          </p>
        </div>
      )}
    </>
  );
}

function TopicState({ topic }: { topic: Topic }) {
  const { exists, in_sync, lagging_partitions, leaderless_partitions, drift } = topic;
  if (!exists) return <span className="tag tag-failed">✕ missing</span>;
  if (leaderless_partitions > 0) {
    return <span className="tag tag-failed">✕ {countOf(leaderless_partitions, "partition")} without a leader</span>;
  }
  if (!in_sync) {
    return <span className="tag tag-expired">! copies behind in {countOf(lagging_partitions, "partition")}</span>;
  }
  if (drift.length > 0) return <span className="tag tag-expired">! not as wanted</span>;
  return <span className="tag tag-completed">✓ in sync</span>;
}
