import { useEffect, useRef, useState } from "react";

/** A screen reader hears of news no more often than this. */
const SAY_EVERY_MS = 5000;

interface LiveNewsProps {
  held: number;
  /** Whether there are more new ones than could be counted. */
  isMore?: boolean;
  /** How many rows there are, in words. */
  shown: string;
  /** Why what is new waits. */
  reason: string;
  onLetIn: () => void;
}

/** How many rows there are, and how many wait until the reader wants them. */
export function LiveNews({ held, isMore = false, shown, reason, onLetIn }: LiveNewsProps) {
  const news = `${held.toLocaleString()}${isMore ? "+" : ""} new`;
  const said = useSlowly(held > 0 ? news : "");
  return (
    <div className="news">
      <span className="quiet">{shown}</span>
      {held > 0 && (
        <button type="button" className="button button-small button-news" onClick={onLetIn}>
          {news}: show
        </button>
      )}
      {held > 0 && <span className="quiet">{reason}</span>}
      <span className="sr-only" role="status">
        {said}
      </span>
    </div>
  );
}

/** A text that changes at most once per SAY_EVERY_MS. */
function useSlowly(text: string): string {
  const [said, setSaid] = useState(text);
  const at = useRef(0);
  useEffect(() => {
    const wait = Math.max(0, at.current + SAY_EVERY_MS - Date.now());
    const timer = setTimeout(() => {
      at.current = Date.now();
      setSaid(text);
    }, wait);
    return () => clearTimeout(timer);
  }, [text]);
  return said;
}
