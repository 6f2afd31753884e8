import type { UseQueryResult } from "@tanstack/react-query";
import { showClock } from "../text/time";

type Asked = Pick<UseQueryResult, "dataUpdatedAt" | "error" | "isFetching" | "refetch">;

/** How new the figures of a page are, in a line that is always there, and a button that asks now. */
export function Freshness({ query }: { query: Asked }) {
  const { dataUpdatedAt, error, isFetching } = query;
  const words =
    dataUpdatedAt > 0 ? `As of ${showClock(dataUpdatedAt).slice(0, 8)}` : error ? "No answer yet" : "Asking…";
  return (
    <div className="freshness">
      <span className={error ? "live-state live-away" : "live-state live-open"}>
        <span aria-hidden="true">●</span> {words}
      </span>
      <button
        type="button"
        className="button button-small"
        aria-disabled={isFetching}
        onClick={() => isFetching || void query.refetch()}
      >
        Ask now
      </button>
    </div>
  );
}
