import { type Axis, toHeight } from "../text/scales";

/** What a chart shows of one kind, in the order of the stretches; null where nothing was measured. */
export interface Series {
  /** Also the name of its colour. */
  key: string;
  name: string;
  values: readonly (number | null)[];
  /** Over the whole window. */
  total: number | null;
}

export type Shape = "bars" | "lines";

export const PLOT_HEIGHT = 164;
export const LEFT = 60;
const TOP = 10;
const RIGHT = 6;
const BOTTOM = 24;
/** A failure among thousands must be seen, too. */
const LEAST_PX = 2;
/** Room for a mark of the time axis. */
const MARK_PX = 52;

interface ChartPlotProps {
  width: number;
  shape: Shape;
  series: readonly Series[];
  count: number;
  axis: Axis;
  marks: readonly { index: number; label: string }[];
  /** Which stretch is pointed at. */
  at: number | null;
}

/** Axes and values, as a picture; whoever cannot see it has the table. */
export function ChartPlot({ width, shape, series, count, axis, marks, at }: ChartPlotProps) {
  const step = (width - LEFT - RIGHT) / count;
  const bottom = TOP + PLOT_HEIGHT;
  const every = Math.max(1, Math.ceil(MARK_PX / (((width - LEFT) / count) * markGap(marks, count))));
  return (
    <svg className="plot" width={width} height={bottom + BOTTOM} aria-hidden="true">
      {axis.marks.map(({ value, label }) => {
        const y = bottom - toHeight(value, axis, PLOT_HEIGHT);
        return (
          <g key={value}>
            <line className={value === 0 ? "plot-base" : "plot-line"} x1={LEFT} x2={width - RIGHT} y1={y} y2={y} />
            <text className="plot-text" x={LEFT - 8} y={y + 4} textAnchor="end">
              {label}
            </text>
          </g>
        );
      })}
      {marks.map(({ index, label }, number) =>
        number % every === 0 ? (
          <g key={index}>
            <line className="plot-base" x1={LEFT + index * step} x2={LEFT + index * step} y1={bottom} y2={bottom + 4} />
            <text className="plot-text" x={LEFT + index * step} y={bottom + 18} textAnchor={anchor(index, count)}>
              {label}
            </text>
          </g>
        ) : null,
      )}
      {at !== null && <rect className="plot-cursor" x={LEFT + at * step} y={TOP} width={step} height={PLOT_HEIGHT} />}
      {shape === "bars" ? (
        <Bars series={series} count={count} axis={axis} step={step} />
      ) : (
        series.map((one) => <Line key={one.key} one={one} axis={axis} step={step} at={at} />)
      )}
    </svg>
  );
}

interface BarsProps {
  series: readonly Series[];
  count: number;
  axis: Axis;
  step: number;
}

/** One upon another, the first series at the bottom. */
function Bars({ series, count, axis, step }: BarsProps) {
  const gap = step > 8 ? 3 : step > 4 ? 1 : 0;
  const heights = new Array<number>(count).fill(0);
  return series.map(({ key, values }) => (
    <g key={key} className={`ink-${key}`}>
      {values.map((value, index) => {
        if (!value) return null;
        const height = Math.max(LEAST_PX, toHeight(value, axis, PLOT_HEIGHT));
        heights[index] = (heights[index] ?? 0) + height;
        return (
          <rect
            // biome-ignore lint/suspicious/noArrayIndexKey: its place in time is what it is
            key={index}
            className="plot-bar"
            x={LEFT + index * step + gap / 2}
            y={TOP + PLOT_HEIGHT - (heights[index] ?? 0)}
            width={Math.max(1, step - gap)}
            height={height}
          />
        );
      })}
    </g>
  ));
}

/** A line from stretch to stretch, broken where nothing was measured. */
function Line({ one, axis, step, at }: { one: Series; axis: Axis; step: number; at: number | null }) {
  const toPoint = (value: number, index: number) => ({
    x: LEFT + (index + 0.5) * step,
    y: TOP + PLOT_HEIGHT - toHeight(value, axis, PLOT_HEIGHT),
  });
  let path = "";
  const alone: { x: number; y: number }[] = [];
  for (const [index, value] of one.values.entries()) {
    if (value === null) continue;
    const { x, y } = toPoint(value, index);
    const follows = typeof one.values[index - 1] === "number";
    path += `${follows ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`;
    if (!follows && typeof one.values[index + 1] !== "number") alone.push({ x, y });
  }
  const pointed = at === null ? null : (one.values[at] ?? null);
  const dots = at === null || pointed === null ? alone : [...alone, toPoint(pointed, at)];
  return (
    <g className={`ink-${one.key}`}>
      <path className="plot-path" d={path} />
      {dots.map(({ x, y }) => (
        <circle key={x} className="plot-dot" cx={x} cy={y} r={2.5} />
      ))}
    </g>
  );
}

/** How many stretches are between two marks. */
function markGap(marks: readonly { index: number }[], count: number): number {
  const [first, second] = marks;
  return first && second ? second.index - first.index : count;
}

/** A label at the edge does not stick out. */
function anchor(index: number, count: number): "start" | "middle" | "end" {
  if (index > count * 0.97) return "end";
  return index === 0 ? "start" : "middle";
}
