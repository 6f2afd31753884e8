import { useEffect, useRef, useState } from "react";

/** A screen reader hears of news no more often than this. */
const SAY_EVERY_MS = 5000;

interface LiveNewsProps {
  held: number;
  shown: number;
  isPaused: boolean;
  onLetIn: () => void;
}

/** How many rows there are, and how many wait until the reader wants them. */
export function LiveNews({ held, shown, isPaused, onLetIn }: LiveNewsProps) {
  const said = useSlowly(held > 0 ? `${held.toLocaleString()} new` : "");
  return (
    <div className="news">
      <span className="quiet">
        {shown.toLocaleString()} {shown === 1 ? "response" : "responses"}
      </span>
      {held > 0 && (
        <button type="button" className="button button-small button-news" onClick={onLetIn}>
          {held.toLocaleString()} new: show
        </button>
      )}
      {held > 0 && <span className="quiet">{isPaused ? "held while paused" : "held while you read"}</span>}
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
