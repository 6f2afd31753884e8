import { Link } from "@tanstack/react-router";
import type { WindowTraffic } from "../api/operations";
import type { TasksSearch } from "../app/taskSearch";
import { showCount, showMeasured } from "../text/numbers";
import { OUTCOMES } from "../text/outcomes";
import { countAxis, durationAxis } from "../text/scales";
import { cutWindow, type Stretch, type WindowName, windowUnit } from "../text/windows";
import { BacklogCharts } from "./BacklogCharts";
import { Chart } from "./Chart";
import type { Series } from "./ChartPlot";

interface TrafficChartsProps {
  window: WindowName;
  /** Undefined until it is known. */
  traffic: WindowTraffic | undefined;
}

const PERCENTILES = [
  { key: "p50", name: "p50", member: "p50_ms" },
  { key: "p95", name: "p95", member: "p95_ms" },
  { key: "p99", name: "p99", member: "p99_ms" },
] as const;

/** What was answered, what waited, and how long both took, over a window. */
export function TrafficCharts({ window, traffic }: TrafficChartsProps) {
  const stretches = traffic?.stretches ?? cutWindow(window, Date.now());
  const toSearch = (_: string, stretch: Stretch | null): TasksSearch => toTimes(window, stretch);
  const isEmpty = traffic !== undefined && traffic.total.requested === 0 && traffic.total.answered === 0;
  const note = traffic === undefined ? "Asking…" : isEmpty ? NOTHING : undefined;
  const shared = { window, stretches };
  return (
    <div className="charts">
      <Chart
        {...shared}
        title="Outcomes"
        unit={`tasks a ${windowUnit(window)}`}
        shape="bars"
        series={OUTCOMES.map(({ state, name }) => ({
          key: state,
          name,
          values: stretches.map((_, index) => traffic?.parts[index]?.outcomes[state] ?? 0),
          total: traffic ? (traffic.total.outcomes[state] ?? 0) : null,
        }))}
        toAxis={countAxis}
        show={(value) => (value === null ? "–" : showCount(value))}
        toSearch={(state, stretch) => ({ state, ...toTimes(window, stretch) })}
        note={note}
      />
      <BacklogCharts {...shared} traffic={traffic} />
      {(["wait", "run"] as const).map((kind) => (
        <Chart
          {...shared}
          key={kind}
          title={kind === "wait" ? "Wait" : "Run"}
          unit={kind === "wait" ? "from the request to the run" : "of the handler"}
          shape="lines"
          series={measure(kind, stretches, traffic)}
          toAxis={durationAxis}
          show={showMeasured}
          toSearch={toSearch}
          note={note}
        />
      ))}
    </div>
  );
}

const NOTHING = (
  <>
    Nothing was asked or answered in this time. <Link to="/create">Create a task</Link> to see it here.
  </>
);

function measure(kind: "wait" | "run", stretches: readonly Stretch[], traffic: WindowTraffic | undefined): Series[] {
  return PERCENTILES.map(({ key, name, member }) => ({
    key,
    name,
    values: stretches.map((_, index) => traffic?.parts[index]?.[kind][member] ?? null),
    total: traffic?.total[kind][member] ?? null,
  }));
}

/** The tasks of a stretch, or of the whole window. */
function toTimes(window: WindowName, stretch: Stretch | null): TasksSearch {
  if (stretch === null) return { since: window };
  return { since: new Date(stretch.from).toISOString(), until: new Date(stretch.to).toISOString() };
}
