import type { ReactNode } from "react";

export interface Column<T> {
  name: string;
  /** What stands at its top, if not the name. */
  head?: ReactNode;
  isNumber?: boolean;
  /** The text that is told when it is pointed at, where the cell may cut it. */
  toTitle?: (row: T) => string;
  show: (row: T) => ReactNode;
}

interface TableProps<T> {
  /** What it lists, for screen readers. */
  name: string;
  columns: readonly Column<T>[];
  rows: readonly T[];
  toKey: (row: T) => string | number;
}

/** Rows with a header each, in a place that scrolls sideways where it is narrow. */
export function Table<T>({ name, columns, rows, toKey }: TableProps<T>) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so the keyboard must reach it
    <section className="table-place" tabIndex={0} aria-label={name}>
      <table className="table">
        <thead>
          <tr>
            {columns.map((column) => (
              <th key={column.name} scope="col" className={column.isNumber ? "number" : undefined}>
                {column.head ?? column.name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={toKey(row)}>
              {columns.map(({ name, isNumber, toTitle, show }, index) => {
                const Cell = index === 0 ? "th" : "td";
                return (
                  <Cell
                    key={name}
                    scope={index === 0 ? "row" : undefined}
                    className={isNumber ? "number" : toTitle ? "cut" : undefined}
                    title={toTitle?.(row)}
                  >
                    {show(row)}
                  </Cell>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
