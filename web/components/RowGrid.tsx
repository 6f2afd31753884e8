import {
  type FocusEvent,
  type KeyboardEvent,
  type MouseEvent,
  type ReactNode,
  type RefObject,
  useEffect,
  useLayoutEffect,
  useRef,
  useState,
} from "react";
import { flushSync } from "react-dom";
import { ROW_PX, useWindow } from "./useWindow";

export interface Column<R> {
  name: string;
  /** Beside "cut", of the cells. */
  className?: string;
  /** All of it, when pointed at. */
  title?: (row: R) => string;
  render: (row: R) => ReactNode;
}

export interface RowGridProps<R> {
  label: string;
  /** Beside "grid": it says how wide the columns are. */
  className?: string;
  columns: readonly Column<R>[];
  count: number;
  rowAt: (index: number) => R | undefined;
  /** What tells a row from all others, also when it has moved. */
  keyOf: (row: R) => string;
  /** Where the row of a key is now; -1 for nowhere. */
  indexOf: (key: string) => number;
  /** The key of the row that is open. */
  selected?: string | null;
  onOpen: (row: R) => void;
  /** Told when somebody begins or ends to read: has scrolled away from the top, or has the focus in the rows. */
  onReading?: (isReading: boolean) => void;
  /** Told when the last rows come in sight. */
  onNearEnd?: () => void;
  /** Where it was scrolled to when it was last there, and what is told where it is when it goes. */
  startTop?: number;
  onLeave?: (top: number) => void;
}

/** Rows of one height; only those in sight are in the document, so their number does not matter. */
export function RowGrid<R>(props: RowGridProps<R>) {
  const {
    label,
    className,
    columns,
    count,
    rowAt,
    keyOf,
    indexOf,
    selected = null,
    onOpen,
    onReading,
    onNearEnd,
  } = props;
  const scroller = useRef<HTMLDivElement>(null);
  const [active, setActive] = useState<string | null>(null);
  const activeIndex = active === null ? -1 : indexOf(active);
  const stop = activeIndex >= 0 && activeIndex < count ? activeIndex : 0;
  const { indexes, pageRows, end, show } = useWindow(scroller, count, stop);
  const reading = useReading(scroller, onReading);
  usePlace(scroller, props.startTop ?? 0, props.onLeave);
  const isNearEnd = count > 0 && end >= count;
  useEffect(() => {
    if (isNearEnd) onNearEnd?.();
  }, [isNearEnd, onNearEnd]);
  const go = (index: number) => {
    const target = Math.min(Math.max(index, 0), count - 1);
    const row = rowAt(target);
    if (row === undefined) return;
    // at once: with its old row gone from the document the focus would be nowhere, and the next key lost
    flushSync(() => setActive(keyOf(row)));
    show(target);
    scroller.current?.querySelector<HTMLElement>(`[aria-rowindex="${target + 2}"]`)?.focus({ preventScroll: true });
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const steps: Record<string, number> = {
      ArrowDown: stop + 1,
      ArrowUp: stop - 1,
      PageDown: stop + pageRows,
      PageUp: stop - pageRows,
      Home: 0,
      End: count - 1,
    };
    const target = steps[event.key];
    const row = rowAt(stop);
    if (target !== undefined) go(target);
    else if ((event.key === "Enter" || event.key === " ") && row) onOpen(row);
    else return;
    event.preventDefault();
  };
  return (
    <div
      className={className ? `grid ${className}` : "grid"}
      role="grid"
      aria-label={label}
      aria-rowcount={count + 1}
      onKeyDown={onKeyDown}
    >
      <div className="grid-head" role="row" aria-rowindex={1}>
        {columns.map(({ name }) => (
          <span key={name} role="columnheader">
            {name}
          </span>
        ))}
      </div>
      <div className="grid-body" role="rowgroup" ref={scroller} {...reading}>
        <div role="presentation" className="grid-length" style={{ height: count * ROW_PX }}>
          {indexes.map((index) => {
            const row = rowAt(index);
            if (row === undefined) return null;
            const key = keyOf(row);
            return (
              <GridRow
                key={key}
                rowKey={key}
                row={row}
                columns={columns}
                index={index}
                isSelected={key === selected}
                isStop={index === stop}
                onFocus={() => setActive(key)}
                onOpen={() => onOpen(row)}
              />
            );
          })}
        </div>
      </div>
    </div>
  );
}

interface GridRowProps<R> {
  row: R;
  rowKey: string;
  columns: readonly Column<R>[];
  index: number;
  isSelected: boolean;
  /** Whether Tab stops here: one row of all does. */
  isStop: boolean;
  onFocus: () => void;
  onOpen: () => void;
}

function GridRow<R>({ row, rowKey, columns, index, isSelected, isStop, onFocus, onOpen }: GridRowProps<R>) {
  const onClick = (event: MouseEvent) => {
    // a link in the row does what links do: it may be opened in another tab
    if (!(event.target instanceof Element && event.target.closest("a"))) onOpen();
  };
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the grid has the keys of all its rows
    <div
      role="row"
      className="grid-row"
      data-row={rowKey}
      tabIndex={isStop ? 0 : -1}
      aria-rowindex={index + 2}
      aria-selected={isSelected}
      style={{ transform: `translateY(${index * ROW_PX}px)` }}
      onFocus={onFocus}
      onClick={onClick}
    >
      {columns.map(({ name, className, title, render }) => (
        <span key={name} role="gridcell" className={className ? `cut ${className}` : "cut"} title={title?.(row)}>
          {render(row)}
        </span>
      ))}
    </div>
  );
}

function useReading(scroller: RefObject<HTMLDivElement | null>, onReading?: (isReading: boolean) => void) {
  const [isScrolled, setScrolled] = useState(false);
  const [hasFocus, setFocus] = useState(false);
  const isReading = isScrolled || hasFocus;
  useEffect(() => onReading?.(isReading), [isReading, onReading]);
  return {
    onScroll: () => setScrolled((scroller.current?.scrollTop ?? 0) > ROW_PX / 4),
    onFocus: () => setFocus(true),
    onBlur: (event: FocusEvent) => setFocus(event.currentTarget.contains(event.relatedTarget)),
  };
}

/** Begin where one was, and tell where one is when the list goes. */
function usePlace(scroller: RefObject<HTMLDivElement | null>, startTop: number, onLeave?: (top: number) => void) {
  const first = useRef(startTop);
  const leave = useRef(onLeave);
  leave.current = onLeave;
  useLayoutEffect(() => {
    const element = scroller.current;
    if (element === null) return;
    if (first.current > 0) element.scrollTop = first.current;
    return () => leave.current?.(element.scrollTop);
  }, [scroller]);
}
