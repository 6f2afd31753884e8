/** Replays: tasks of the past, counted or published again. */

import { ask, gateway } from "./client";
import type { components } from "./schema";

export type Replay = components["schemas"]["Replay"];
export type NewReplay = components["schemas"]["NewReplay"];
export type ReplayOutcome = NewReplay["statuses"][number];

/** Every outcome that can be asked for, in the order of a filter. */
export const REPLAY_OUTCOMES: readonly ReplayOutcome[] = [
  "completed",
  "failed",
  "rejected",
  "cancelled",
  "expired",
  "timed_out",
  "unanswered",
];

/** Whether it is at work. */
export const isActive = ({ state }: Replay) => state === "counting" || state === "running";

/** Whether it can go on where it ended. */
export const canGoOn = ({ kind, state, counts }: Replay) =>
  kind === "reprocess" && counts !== null && (state === "stopped" || state === "failed" || state === "interrupted");

/** Replays, newest first. */
export async function readReplays(signal: AbortSignal): Promise<readonly Replay[]> {
  return (await ask(gateway().GET("/api/replays", { signal }))).replays;
}

/** One replay. */
export function readReplay(replay_id: string, signal: AbortSignal): Promise<Replay> {
  return ask(gateway().GET("/api/replays/{replay_id}", { params: { path: { replay_id } }, signal }));
}

/** What is asked for; a reprocess has more to say than an inspection. */
export type ReplayWish = Pick<NewReplay, "kind"> & Partial<NewReplay>;

/** Begin one. A reprocess counts, and publishes nothing before it is applied. */
export function createReplay(wish: ReplayWish): Promise<Replay> {
  // what is left out has its default there: an inspection may not even name what is a reprocess's
  return ask(gateway().POST("/api/replays", { body: wish as NewReplay }));
}

/** Publish what it has counted, or go on with that. */
export function applyReplay(replay_id: string): Promise<Replay> {
  return ask(gateway().POST("/api/replays/{replay_id}/apply", { params: { path: { replay_id } } }));
}

/** Have it end. */
export function stopReplay(replay_id: string): Promise<Replay> {
  return ask(gateway().POST("/api/replays/{replay_id}/stop", { params: { path: { replay_id } } }));
}
