/** What agents answer, as the gateway streams it. */

import type { components } from "./schema";
import { type Following, follow, type StreamState } from "./stream";

export type Status = components["schemas"]["Status"];

/** Every status, in the order of a filter. */
export const STATUSES: readonly Status[] = [
  "in_progress",
  "completed",
  "failed",
  "rejected",
  "cancelled",
  "expired",
  "timed_out",
];

/** A response of an agent: an outcome, or how far it is. */
export type TaskResponse = Omit<components["schemas"]["TaskOutcome"], "status"> & { status: Status };

/** A response as it came here. */
export interface Arrival {
  response: TaskResponse;
  /** As it was on the wire, its numbers unchanged. */
  text: string;
  /** topic:partition:offset. */
  position: string;
  /** ms since 1970, by the clock of this machine. */
  arrivedAt: number;
}

/** A task that was sent, and where it stands. */
export interface SentTask {
  taskId: string;
  agentId: string;
  /** topic:partition:offset of its request. */
  position: string;
}

interface Listening {
  signal: AbortSignal;
  onArrivals: (arrivals: Arrival[]) => void;
  onState: (state: StreamState) => void;
}

/** Whether a status ends a task. */
export const isTerminal = (status: Status) => status !== "in_progress";

/** Follow one task from its request to its outcome. */
export function followTask({ taskId, agentId, position }: SentTask, listening: Listening): Promise<void> {
  const query = new URLSearchParams({ agent_id: agentId, position });
  const url = `/api/tasks/${encodeURIComponent(taskId)}/events?${query}`;
  return follow({ ...toFollowing(url, listening), last: "outcome" });
}

/** Follow everything that agents answer from now on, or what is asked of it; an empty list is no filter. */
export function followAll(
  { agents, statuses }: { agents: readonly string[]; statuses: readonly Status[] },
  listening: Listening,
): Promise<void> {
  const query = new URLSearchParams([
    ...agents.map((agent) => ["agent_id", agent]),
    ...statuses.map((status) => ["status", status]),
  ]);
  return follow(toFollowing(`/api/events${query.size > 0 ? `?${query}` : ""}`, listening));
}

function toFollowing(path: string, { signal, onArrivals, onState }: Listening): Following {
  return {
    url: location.origin + path,
    signal,
    onState,
    onEvents: (events) => {
      const arrivedAt = Date.now();
      onArrivals(
        events.map(({ id, data }) => ({
          response: JSON.parse(data) as TaskResponse,
          text: data,
          position: id,
          arrivedAt,
        })),
      );
    },
  };
}
