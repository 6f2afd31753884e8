import type { Rebalance, Watch } from "../text/rebalances";
import { showClock } from "../text/time";
import { Moment } from "./Moment";
import { type Column, Table } from "./Table";

const COLUMNS: readonly Column<Rebalance>[] = [
  { name: "When", show: ({ at }) => <Moment at={at} /> },
  { name: "What", show: (rebalance) => tell(rebalance).map((line) => <div key={line}>{line}</div>) },
];

/** Workers that came and went, and the partitions that changed hands, while the page was open. */
export function RebalanceTable({ watch }: { watch: Watch }) {
  if (watch.rebalances.length === 0) {
    return <p className="empty">None since {showClock(watch.since).slice(0, 8)}, when this page was opened.</p>;
  }
  return <Table name="Rebalances" columns={COLUMNS} rows={watch.rebalances} toKey={({ at }) => at} />;
}

function tell({ joined, left, moves }: Rebalance): string[] {
  return [
    ...joined.map((worker) => `${worker} came`),
    ...left.map((worker) => `${worker} went`),
    ...moves.map(
      ({ partitions, from, to }) => `${partitions.join(", ")}: from ${from ?? "nobody"} to ${to ?? "nobody"}`,
    ),
  ];
}
