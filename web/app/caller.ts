/** Who is signed in, as the gateway knows it. */

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback, useSyncExternalStore } from "react";
import { ask, gateway } from "../api/client";
import { getKey, getRefusal, signIn, signOut, subscribe } from "../api/session";

/** Why the gateway wants to know who asks; null while it does not. */
export function useRefusal(): string | null {
  return useSyncExternalStore(subscribe, getRefusal);
}

/** The caller, while a key is there; an open gateway knows nobody by name. */
export function useCaller() {
  const key = useSyncExternalStore(subscribe, getKey);
  const { data } = useQuery({
    queryKey: ["caller"],
    queryFn: ({ signal }) => ask(gateway().GET("/api/me", { signal })),
    enabled: key !== null,
    staleTime: Number.POSITIVE_INFINITY,
  });
  return key === null ? undefined : data;
}

/** Sign in and out. What one caller has seen is not shown to the next. */
export function useSession() {
  const client = useQueryClient();
  return {
    signIn: useCallback((key: string) => signIn(key).then(() => client.clear()), [client]),
    signOut: useCallback(() => {
      signOut();
      client.clear();
    }, [client]),
  };
}
