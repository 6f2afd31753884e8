/** A stream that is followed: whenever it is lost, it is opened again behind its last event. */

import { toProblem } from "./problems";
import { send } from "./session";
import { readEvents, type ServerEvent } from "./sse";

/** What a stream is doing. */
export type StreamState =
  | { kind: "connecting" }
  | { kind: "open" }
  | { kind: "away"; detail: string }
  | { kind: "refused"; detail: string }
  | { kind: "ended" };

export interface Following {
  url: string;
  signal: AbortSignal;
  /** All that came at once. */
  onEvents: (events: ServerEvent[]) => void;
  onState: (state: StreamState) => void;
  /** The event after which the stream is over. */
  last?: string;
  /** Silence after which a connection counts as dead, in ms. */
  silenceMs?: number;
}

const FIRST_PAUSE_MS = 500;
const LAST_PAUSE_MS = 5_000;
/** The gateway says something every 15 s. */
const SILENCE_MS = 40_000;

/** Follow a stream until its last event, an answer without content, a refusal, or the signal. Never rejects. */
export async function follow(following: Following): Promise<void> {
  const { signal, onState } = following;
  let lastId = "";
  let pauseMs = FIRST_PAUSE_MS;
  onState({ kind: "connecting" });
  while (!signal.aborted) {
    const end = await readOnce(following, lastId, (id) => {
      lastId = id;
      pauseMs = FIRST_PAUSE_MS;
    });
    if (signal.aborted) return;
    onState(end);
    if (end.kind !== "away") return;
    await rest(pauseMs, signal);
    pauseMs = Math.min(pauseMs * 2, LAST_PAUSE_MS);
  }
}

async function readOnce(following: Following, lastId: string, onId: (id: string) => void): Promise<StreamState> {
  const { url, signal, onEvents, onState, last, silenceMs = SILENCE_MS } = following;
  const headers: Record<string, string> = { accept: "text/event-stream" };
  if (lastId !== "") headers["last-event-id"] = lastId;
  let detail = "the connection to the gateway is lost";
  try {
    const response = await send(new Request(url, { headers, signal, cache: "no-store" }));
    if (response.status === 204) return { kind: "ended" };
    if (!response.ok) return await explain(response);
    onState({ kind: "open" });
    for await (const events of readEvents(response, silenceMs)) {
      const news = events.filter(({ event }) => event !== "end");
      const id = news.at(-1)?.id;
      if (id) onId(id);
      if (news.length > 0) onEvents(news);
      if (news.some(({ event }) => event === last)) return { kind: "ended" };
      const end = events.find(({ event }) => event === "end");
      if (end !== undefined) detail = (JSON.parse(end.data) as { detail: string }).detail;
    }
  } catch {
    // whatever broke it, the remedy is the same: come back
  }
  return { kind: "away", detail };
}

async function explain(response: Response): Promise<StreamState> {
  const { message, status } = toProblem(await response.json().catch(() => undefined), response.status);
  return { kind: status >= 500 || status === 429 || status === 408 ? "away" : "refused", detail: message };
}

function rest(pauseMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, pauseMs);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
