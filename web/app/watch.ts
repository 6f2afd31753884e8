/** What changes among the workers while somebody looks at them. */

import type { UseQueryResult } from "@tanstack/react-query";
import { useEffect, useReducer } from "react";
import type { Workers } from "../api/operations";
import { type Watch, watchWorkers } from "../text/rebalances";

type Asked = Pick<UseQueryResult<Workers>, "data" | "dataUpdatedAt" | "isPlaceholderData">;

interface Look {
  workers: Workers;
  at: number;
}

/** The watch over a group, from its first answer on; undefined before. */
export function useWatch({ data, dataUpdatedAt, isPlaceholderData }: Asked): Watch | undefined {
  const [watch, look] = useReducer(
    (watch: Watch | undefined, { workers, at }: Look) => watchWorkers(watch, workers, at),
    undefined,
  );
  useEffect(() => {
    if (data !== undefined && !isPlaceholderData) look({ workers: data, at: dataUpdatedAt });
  }, [data, dataUpdatedAt, isPlaceholderData]);
  return watch;
}
