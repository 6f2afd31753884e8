/** What happened to a task, in order. Pure. */

import type { TaskState, TaskSummary } from "../api/tasks";

export interface Step {
  name: string;
  kind: "plain" | "good" | "bad" | "busy";
  /** ms since 1970. */
  at: number;
  /** Since it was requested, in ms; never negative: two clocks tell. */
  afterMs: number;
  detail?: string | undefined;
  /** Of an outcome: which. */
  state?: TaskState;
}

/** The steps by time. `startedAt` is what the live stream knows of, before the view does. */
export function toSteps(task: TaskSummary, startedAt: string | null): Step[] {
  const began = Date.parse(task.requested_at);
  const step = (name: string, moment: string | null, kind: Step["kind"], more: Partial<Step> = {}): Step[] => {
    if (moment === null) return [];
    const at = Date.parse(moment);
    return [{ name, kind, at, afterMs: Math.max(0, at - began), ...more }];
  };
  const started = task.started_at ?? startedAt;
  const attempt = task.attempt !== null && task.attempt > 1 ? `attempt ${task.attempt}` : undefined;
  const steps = [
    ...step("started", started, "busy", { detail: attempt }),
    ...step("last progress", task.progress_at, "busy"),
    ...step("cancel asked for", task.cancel_requested_at, "bad", { detail: task.cancel_reason || undefined }),
    ...step("outcome", task.answered_at, task.state === "completed" ? "good" : "bad", {
      state: task.state,
      detail: task.error === null || task.error.code === task.state ? undefined : task.error.code,
    }),
    ...(task.answered_at === null ? step("deadline", task.deadline, "plain") : []),
  ];
  steps.sort((one, other) => one.at - other.at || rank(one) - rank(other));
  return [...step(task.state === "unasked" ? "first heard of" : "queued", task.requested_at, "plain"), ...steps];
}

/** How long it waited, and then ran, in ms; `now` where it still does. Null where neither can be said. */
export function toBars(
  task: TaskSummary,
  startedAt: string | null,
  now: number | null,
): { waitMs: number; runMs: number | null } | null {
  if (task.state === "unasked" || task.positions.request === null) return null;
  const requested = Date.parse(task.requested_at);
  const started = task.started_at ?? startedAt;
  const ended = task.answered_at === null ? now : Date.parse(task.answered_at);
  if (started === null) return ended === null ? null : { waitMs: Math.max(0, ended - requested), runMs: null };
  const at = Date.parse(started);
  return { waitMs: Math.max(0, at - requested), runMs: ended === null ? null : Math.max(0, ended - at) };
}

const rank = ({ state }: Step) => (state === undefined ? 0 : 1);
