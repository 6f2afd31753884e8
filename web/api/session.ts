/** Who asks: the API key that goes with every call, and whether the gateway wants one. No React in it. */

import { read, write } from "../app/storage";

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

/** From now on ask with this key, which the gateway has taken. */
export function signIn(key: string): void {
  keep(key, null);
}

/** Forget the key. */
export function signOut(): void {
  keep(null, "You have signed out.");
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
  kept = key;
  write(() => sessionStorage, NAME, key);
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
  const body: unknown = await response.json().catch(() => null);
  const detail = typeof body === "object" && body !== null && "detail" in body ? body.detail : null;
  return typeof detail === "string" ? `Refused: ${detail}.` : "The gateway does not know this key.";
}
