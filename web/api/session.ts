/** Who asks: the API key that goes with every call, and whether the gateway wants one. No React in it. */

import { read, write } from "../app/storage";
import { GatewayAway, toProblem } from "./problems";

const NAME = "key";
const listeners = new Set<() => void>();
/** For a browser that forbids storage. */
let kept: string | null = null;
/** What the gateway said when it last knew nobody; null since it knows who asks. */
let refusal: string | null = null;

/** The key of this tab: it ends with the tab, and no other tab or later visit finds it. */
export const getKey = (): string | null => read(() => sessionStorage, NAME) ?? kept;

/** Why the gateway wants to know who asks; null while it does not. */
export const getRefusal = (): string | null => refusal;

/** Be told of either. */
export function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/**
 * From now on ask with this key.
 *
 * @throws GatewayProblem the gateway does not take it, and says why; GatewayAway: it does not answer. Nothing changed.
 */
export async function signIn(key: string): Promise<void> {
  const request = new Request(`${location.origin}/api/me`, { headers: { authorization: `Bearer ${key}` } });
  const response = await fetch(request).catch((cause: unknown) => {
    throw new GatewayAway({ cause });
  });
  if (!response.ok) throw toProblem(await response.json().catch(() => null), response.status);
  keep(key, null);
}

/** Forget the key. */
export function signOut(): void {
  keep(null, "you have signed out");
}

/** Ask the gateway as whoever has signed in; like fetch. */
export async function send(request: Request): Promise<Response> {
  const key = getKey();
  if (key !== null) request.headers.set("authorization", `Bearer ${key}`);
  const response = await fetch(request);
  if (key === getKey()) note(response.status === 401 ? await explain(response.clone()) : null);
  return response;
}

function keep(key: string | null, next: string | null): void {
  write(() => sessionStorage, NAME, key);
  kept = read(() => sessionStorage, NAME) === key ? null : key;
  refusal = next;
  tell();
}

function note(next: string | null): void {
  // a first 401 is no fault of anybody's: nothing need be said of it but that a key is wanted
  const told = next !== null && getKey() === null ? (refusal ?? "") : next;
  if (told === refusal) return;
  refusal = told;
  tell();
}

function tell(): void {
  for (const listener of listeners) listener();
}

async function explain(response: Response): Promise<string> {
  return toProblem(await response.json().catch(() => null), response.status).message;
}
