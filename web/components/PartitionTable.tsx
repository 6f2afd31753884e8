import type { WorkerPartition, Workers } from "../api/operations";
import { showCount } from "../text/numbers";
import { nameMember } from "../text/rebalances";
import { type Column, Table } from "./Table";

interface HeldPartition extends WorkerPartition {
  /** Who has it; null for nobody. */
  holder: string | null;
}

const COLUMNS: readonly Column<HeldPartition>[] = [
  { name: "Partition", show: ({ partition }) => partition },
  {
    name: "Worker",
    toTitle: ({ holder }) => holder ?? "",
    show: ({ holder }) => (holder === null ? <span className="tag tag-expired">! nobody</span> : holder),
  },
  { name: "Waiting", isNumber: true, show: ({ lag }) => (lag > 0 ? <b>{showCount(lag)}</b> : "0") },
  {
    name: "Done up to",
    isNumber: true,
    show: ({ committed }) => (committed === null ? "–" : showCount(committed)),
  },
  { name: "End", isNumber: true, show: ({ end }) => showCount(end) },
  { name: "Lost to age", isNumber: true, show: ({ expired }) => (expired > 0 ? <b>{showCount(expired)}</b> : "0") },
];

/** Every partition of the requests: who has it, and what waits there. */
export function PartitionTable({ workers }: { workers: Workers }) {
  const held = workers.members.flatMap((member) =>
    member.partitions.map((partition) => ({ ...partition, holder: nameMember(member) })),
  );
  const free = workers.unassigned.map((partition) => ({ ...partition, holder: null }));
  const rows = [...held, ...free].sort((one, other) => one.partition - other.partition);
  return <Table name="Partitions" columns={COLUMNS} rows={rows} toKey={({ partition }) => partition} />;
}
