/** Is the gateway there? Asked now and then, told in one place, and at once when something found it away. */

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback, useEffect, useRef, useState } from "react";

const KEY = ["gateway"];
const CALM_MS = 10_000;
const AWAY_MS = 1_500;
const PATIENCE_MS = 4_000;
const BACK_MS = 4_000;

/** Whether the gateway answers; undefined until the first look has ended. */
export function useGatewayAnswers(): boolean | undefined {
  const { data } = useQuery({
    queryKey: KEY,
    queryFn: look,
    refetchInterval: ({ state }) => (state.data === false ? AWAY_MS : CALM_MS),
    networkMode: "always", // the gateway of this machine is there without any network
  });
  return data;
}

/** Have it looked at now. */
export function useGatewayLook(): () => void {
  const client = useQueryClient();
  return useCallback(() => void client.invalidateQueries({ queryKey: KEY }), [client]);
}

/** Says at the page's foot, over what is there, that the gateway is away, and then that it is back. */
export function GatewayBanner() {
  const answers = useGatewayAnswers();
  const wasAway = useRef(false);
  const [isBack, setBack] = useState(false);
  useEffect(() => {
    if (answers === false) wasAway.current = true;
    if (answers !== true || !wasAway.current) return;
    wasAway.current = false;
    setBack(true);
    const timer = setTimeout(() => setBack(false), BACK_MS);
    return () => clearTimeout(timer);
  }, [answers]);
  return (
    <div className="banner-place" role="status">
      {answers === false && (
        <p className="banner banner-bad">
          <b>The gateway is away.</b> What you typed is kept; this page goes on when it is back.
        </p>
      )}
      {answers === true && isBack && <p className="banner banner-good">The gateway is back.</p>}
    </div>
  );
}

async function look({ signal }: { signal: AbortSignal }): Promise<boolean> {
  try {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(PATIENCE_MS)]);
    const response = await fetch(`${location.origin}/healthz`, { signal: limit, cache: "no-store" });
    return response.ok;
  } catch {
    return false;
  }
}
