import type { WindowTraffic } from "../api/operations";
import type { TasksSearch } from "../app/taskSearch";
import { showCount, showMeasured } from "../text/numbers";
import { countAxis, durationAxis } from "../text/scales";
import type { Stretch, WindowName } from "../text/windows";
import { Chart } from "./Chart";

interface BacklogChartsProps {
  window: WindowName;
  stretches: readonly Stretch[];
  /** Undefined until it is known. */
  traffic: WindowTraffic | undefined;
}

/** How many tasks waited, and how long the oldest had: of each stretch the greatest that was seen. */
export function BacklogCharts({ window, stretches, traffic }: BacklogChartsProps) {
  const counts = stretches.map((_, index) => traffic?.parts[index]?.queued ?? null);
  const ages = stretches.map((_, index) => toMs(traffic?.parts[index]?.oldest_waiting_s ?? null));
  const isSampled = counts.some((count) => count !== null);
  const note = traffic === undefined ? "Asking…" : isSampled ? undefined : "What waits was not sampled in this time.";
  const toSearch = (values: readonly (number | null)[], stretch: Stretch | null): TasksSearch => {
    const index = stretch === null ? findGreatest(values) : stretches.indexOf(stretch);
    return toWaiting(stretches[index], ages[index] ?? 0);
  };
  const shared = { window, stretches, note, shape: "lines" } as const;
  return (
    <>
      <Chart
        {...shared}
        title="Backlog"
        unit="tasks queued at a moment"
        series={[{ key: "backlog", name: "at most", values: counts, total: counts[findGreatest(counts)] ?? null }]}
        toAxis={countAxis}
        show={(value) => (value === null ? "–" : showCount(value))}
        toSearch={(_, stretch) => toSearch(counts, stretch)}
      />
      <Chart
        {...shared}
        title="Backlog age"
        unit="how long the oldest had waited"
        series={[{ key: "age", name: "at most", values: ages, total: ages[findGreatest(ages)] ?? null }]}
        toAxis={durationAxis}
        show={showMeasured}
        toSearch={(_, stretch) => toSearch(ages, stretch)}
      />
    </>
  );
}

const toMs = (seconds: number | null) => (seconds === null ? null : seconds * 1000);

/** Where the greatest of some values is, the newest of several; -1 where there is none. */
function findGreatest(values: readonly (number | null)[]): number {
  return values.reduce<number>((at, value, index) => {
    return value !== null && value >= (values[at] ?? 0) ? index : at;
  }, -1);
}

/** The tasks asked in a stretch, or before it as long ago as the oldest had waited: among them are those that waited. */
function toWaiting(stretch: Stretch | undefined, ageMs: number): TasksSearch {
  if (stretch === undefined) return {};
  return {
    since: new Date(Math.floor(stretch.from - ageMs)).toISOString(),
    until: new Date(stretch.to).toISOString(),
  };
}
