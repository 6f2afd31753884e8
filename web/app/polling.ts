/** What is asked for again and again while somebody looks at it; a tab that is hidden asks for nothing. */

import { keepPreviousData, type QueryKey, type UseQueryResult, useQuery } from "@tanstack/react-query";
import { useEffect } from "react";
import { GatewayAway } from "../api/problems";
import { useGatewayLook } from "./gateway";

/** A first answer of what failed is tried for no later than this. */
const SOON_MS = 5000;

interface Polled<T> {
  key: QueryKey;
  read: (signal: AbortSignal) => Promise<T>;
  everyMs: number;
  isWanted?: boolean;
}

/** The newest answer; while a new one is on its way, or failed, the one before stays. */
export function usePolled<T>({ key, read, everyMs, isWanted = true }: Polled<T>): UseQueryResult<T> {
  const lookAtGateway = useGatewayLook();
  const query = useQuery({
    queryKey: key,
    queryFn: ({ signal }) => read(signal),
    refetchInterval: ({ state }) => (state.status === "error" ? Math.min(SOON_MS, everyMs) : everyMs),
    placeholderData: keepPreviousData,
    networkMode: "always", // the gateway of this machine is there without any network
    enabled: isWanted,
  });
  useEffect(() => {
    if (query.error instanceof GatewayAway) lookAtGateway();
  }, [query.error, lookAtGateway]);
  return query;
}
