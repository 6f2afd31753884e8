/** The gateway's API, typed by its own OpenAPI description (`make web-client` writes schema.ts). */

import createClient from "openapi-fetch";
import { GatewayAway, toProblem } from "./problems";
import type { paths } from "./schema";
import { send } from "./session";

/** A client of the gateway that served this page, asking as whoever has signed in. */
export const gateway = () => createClient<paths>({ baseUrl: location.origin, fetch: send });

/**
 * What a call gives when it is answered as asked.
 *
 * @throws GatewayProblem the gateway refused, and says why; GatewayAway: it did not answer.
 */
export async function ask<T>(call: Promise<{ data?: T; error?: unknown; response: Response }>): Promise<T> {
  const { data, error, response } = await call.catch((cause: unknown) => {
    throw new GatewayAway({ cause });
  });
  if (!response.ok || data === undefined) throw toProblem(error, response.status);
  return data;
}
