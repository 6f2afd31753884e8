import { useState } from "react";
import { nameStretch, type Stretch, type WindowName } from "../text/windows";
import type { Series } from "./ChartPlot";

interface ChartTableProps {
  title: string;
  unit: string;
  window: WindowName;
  stretches: readonly Stretch[];
  series: readonly Series[];
  show: (value: number | null) => string;
}

/** The values of a chart as a table, newest first; stretches without any are left out. */
export function ChartTable({ title, unit, window, stretches, series, show }: ChartTableProps) {
  const [isOpen, setOpen] = useState(false);
  const rows = stretches
    .map((stretch, index) => ({ stretch, values: series.map(({ values }) => values[index] ?? null) }))
    .filter(({ values }) => values.some((value) => value !== null && value > 0))
    .reverse();
  return (
    <details className="chart-table" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        As a table<span className="sr-only">: {title}</span>
      </summary>
      {isOpen && rows.length === 0 && <p className="empty">There are no values in this time.</p>}
      {isOpen && rows.length > 0 && (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so the keyboard must reach it
        <section className="table-place" tabIndex={0} aria-label={`${title} as a table`}>
          <table className="table">
            <caption className="sr-only">
              {title}, {unit}
            </caption>
            <thead>
              <tr>
                <th scope="col">Time</th>
                {series.map(({ key, name }) => (
                  <th key={key} scope="col" className="number">
                    {name}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {rows.map(({ stretch, values }) => (
                <tr key={stretch.from}>
                  <th scope="row">{nameStretch(window, stretch)}</th>
                  {values.map((value, index) => (
                    <td key={series[index]?.key} className="number">
                      {show(value)}
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      )}
    </details>
  );
}
