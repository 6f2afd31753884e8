import { type FocusEvent, type PointerEvent, type ReactNode, useId, useRef, useState } from "react";
import type { TasksSearch } from "../app/taskSearch";
import type { Axis } from "../text/scales";
import { markStretches, nameStretch, nameWindow, type Stretch, type WindowName } from "../text/windows";
import { ChartPlot, LEFT, type Series, type Shape } from "./ChartPlot";
import { ChartTable } from "./ChartTable";
import { TaskLink } from "./TaskLink";
import { useWidth } from "./useWidth";

export interface ChartProps {
  title: string;
  /** What its values are, such as "tasks a minute". */
  unit: string;
  shape: Shape;
  window: WindowName;
  stretches: readonly Stretch[];
  series: readonly Series[];
  toAxis: (greatest: number) => Axis;
  show: (value: number | null) => string;
  /** Which tasks a value comes from; of the whole window without a stretch. */
  toSearch: (key: string, stretch: Stretch | null) => TasksSearch;
  /** Said in its middle, where there is nothing to see. */
  note?: ReactNode;
}

/** Values over time: pointed at, or gone through with the arrow keys, a stretch tells its own below. */
export function Chart(props: ChartProps) {
  const { title, unit, shape, window, stretches, series, toAxis, show, toSearch, note } = props;
  const place = useRef<HTMLDivElement>(null);
  const width = useWidth(place, 640);
  const [pointed, setPointed] = useState<number | null>(null);
  const heading = useId();
  const count = stretches.length;
  const at = pointed === null || pointed >= count ? null : pointed;
  const stretch = at === null ? null : (stretches[at] ?? null);
  const when = stretch ? nameStretch(window, stretch) : nameWindow(window);
  const read = ({ values, total }: Series) => (at === null ? total : (values[at] ?? null));
  const said = series.map((one) => `${one.name} ${show(read(one))}`).join(", ");
  const onPointerMove = (event: PointerEvent<HTMLElement>) => {
    const x = event.clientX - event.currentTarget.getBoundingClientRect().left - LEFT;
    const index = Math.floor((x / (width - LEFT)) * count);
    setPointed(index < 0 || index >= count ? null : index);
  };
  const onBlur = (event: FocusEvent<HTMLElement>) => {
    if (!event.currentTarget.contains(event.relatedTarget)) setPointed(null);
  };
  return (
    <section
      className="card chart"
      aria-labelledby={heading}
      onBlur={onBlur}
      onPointerLeave={(event) => event.pointerType === "mouse" && setPointed(null)}
    >
      <header className="card-head">
        <h2 id={heading}>{title}</h2>
        <span className="quiet">{unit}</span>
      </header>
      <div className="chart-place" ref={place} onPointerMove={onPointerMove} onPointerDown={onPointerMove}>
        <input
          type="range"
          className="chart-cursor"
          aria-label={`${title}, ${unit}: a moment`}
          aria-valuetext={`${when}: ${said}`}
          min={0}
          max={Math.max(0, count - 1)}
          value={at ?? Math.max(0, count - 1)}
          onChange={(event) => setPointed(Number(event.target.value))}
          onFocus={() => setPointed((before) => before ?? count - 1)}
          onKeyDown={(event) => event.key === "Escape" && setPointed(null)}
        />
        <ChartPlot
          {...{ width, shape, series, count, at }}
          axis={toAxis(findGreatest(series, shape, count))}
          marks={markStretches(window, stretches)}
        />
        {note && (
          <p className="chart-note">
            <span>{note}</span>
          </p>
        )}
      </div>
      <div className="readout">
        <p className="quiet">
          {capitalize(when)}
          {at !== null && at === count - 1 && ", so far"}
        </p>
        <ul>
          {series.map((one) => {
            const value = read(one);
            return (
              <li key={one.key}>
                <span className={`swatch swatch-${shape} ink-${one.key}`} aria-hidden="true" />
                {one.name}{" "}
                {value ? <TaskLink search={toSearch(one.key, stretch)}>{show(value)}</TaskLink> : <b>{show(value)}</b>}
              </li>
            );
          })}
        </ul>
      </div>
      <ChartTable {...{ title, unit, window, stretches, series, show }} />
    </section>
  );
}

/** How high the axis must reach. */
function findGreatest(series: readonly Series[], shape: Shape, count: number): number {
  if (shape === "lines") return Math.max(0, ...series.flatMap(({ values }) => values.map((value) => value ?? 0)));
  const heights = Array.from({ length: count }, (_, index) =>
    series.reduce((sum, { values }) => sum + (values[index] ?? 0), 0),
  );
  return Math.max(0, ...heights);
}

function capitalize(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
