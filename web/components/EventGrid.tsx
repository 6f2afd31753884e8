import { type FocusEvent, type KeyboardEvent, type RefObject, useEffect, useRef, useState } from "react";
import { flushSync } from "react-dom";
import type { LiveView, Row } from "../app/liveLog";
import { findMember } from "../text/json";
import { Moment } from "./Moment";
import { StatusTag } from "./StatusTag";
import { ROW_PX, useWindow } from "./useWindow";

const COLUMNS = ["Time", "Status", "Agent", "Task", "Attempt", "Result"];

interface EventGridProps {
  view: LiveView;
  selected: number | null;
  onSelect: (row: Row) => void;
  /** Told when somebody begins or ends to read: has scrolled away from the top, or has the focus in the rows. */
  onReading: (isReading: boolean) => void;
}

/** Responses as rows, newest first; only those in sight are in the document, so their number does not matter. */
export function EventGrid({ view, selected, onSelect, onReading }: EventGridProps) {
  const scroller = useRef<HTMLDivElement>(null);
  const count = view.rows.length;
  const rowAt = (index: number) => view.rows[count - 1 - index];
  const [active, setActive] = useState<number | null>(null);
  const activeIndex = active === null ? -1 : count - 1 - view.rows.findIndex(({ number }) => number === active);
  const stop = rowAt(activeIndex) ? activeIndex : 0;
  const { indexes, pageRows, show } = useWindow(scroller, count, stop);
  const reading = useReading(scroller, onReading);
  const go = (index: number) => {
    const target = Math.min(Math.max(index, 0), count - 1);
    const row = rowAt(target);
    if (row === undefined) return;
    // at once: with its old row gone from the document the focus would be nowhere, and the next key lost
    flushSync(() => setActive(row.number));
    show(target);
    scroller.current?.querySelector<HTMLElement>(`[data-row="${row.number}"]`)?.focus({ preventScroll: true });
  };
  const onKeyDown = (event: KeyboardEvent) => {
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
    else if ((event.key === "Enter" || event.key === " ") && row) onSelect(row);
    else return;
    event.preventDefault();
  };
  return (
    <div className="grid" role="grid" aria-label="Responses" aria-rowcount={count + 1} onKeyDown={onKeyDown}>
      <div className="grid-head" role="row" aria-rowindex={1}>
        {COLUMNS.map((name) => (
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
            return (
              <GridRow
                key={row.number}
                row={row}
                index={index}
                isSelected={row.number === selected}
                isStop={index === stop}
                onFocus={() => setActive(row.number)}
                onSelect={() => onSelect(row)}
              />
            );
          })}
        </div>
      </div>
    </div>
  );
}

interface GridRowProps {
  row: Row;
  index: number;
  isSelected: boolean;
  /** Whether Tab stops here: one row of all does. */
  isStop: boolean;
  onFocus: () => void;
  onSelect: () => void;
}

function GridRow({ row, index, isSelected, isStop, onFocus, onSelect }: GridRowProps) {
  const { response } = row;
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the grid has the keys of all its rows
    <div
      role="row"
      className="grid-row"
      data-row={row.number}
      tabIndex={isStop ? 0 : -1}
      aria-rowindex={index + 2}
      aria-selected={isSelected}
      style={{ transform: `translateY(${index * ROW_PX}px)` }}
      onFocus={onFocus}
      onClick={onSelect}
    >
      <span role="gridcell">
        <Moment at={row.arrivedAt} />
      </span>
      <span role="gridcell">
        <StatusTag status={response.status} />
      </span>
      <span role="gridcell" className="cut" title={response.agent_id}>
        {response.agent_id}
      </span>
      <span role="gridcell" className="cut code" title={response.task_id}>
        {response.task_id}
      </span>
      <span role="gridcell">{response.attempt}</span>
      <span role="gridcell" className="cut code">
        {summarize(row)}
      </span>
    </div>
  );
}

const summaries = new WeakMap<Row, string>();

/** One line: why it failed, or the beginning of its result. Results may be large, so each is looked at once. */
function summarize(row: Row): string {
  const known = summaries.get(row);
  if (known !== undefined) return known;
  const { error } = row.response;
  const result = error ? `${error.code}: ${error.message}` : (findMember(row.text, "result") ?? "");
  const summary = result === "{}" ? "" : result.slice(0, 300);
  summaries.set(row, summary);
  return summary;
}

function useReading(scroller: RefObject<HTMLDivElement | null>, onReading: (isReading: boolean) => void) {
  const [isScrolled, setScrolled] = useState(false);
  const [hasFocus, setFocus] = useState(false);
  const isReading = isScrolled || hasFocus;
  useEffect(() => onReading(isReading), [isReading, onReading]);
  return {
    onScroll: () => setScrolled((scroller.current?.scrollTop ?? 0) > ROW_PX / 4),
    onFocus: () => setFocus(true),
    onBlur: (event: FocusEvent) => setFocus(event.currentTarget.contains(event.relatedTarget)),
  };
}
