/** What the view knows of tasks, and what can be done with one. */

import { findMember } from "../text/json";
import { ask, gateway } from "./client";
import type { components } from "./schema";

export type TaskSummary = components["schemas"]["TaskSummary"];
export type TaskState = TaskSummary["state"];
export type TaskPage = components["schemas"]["TaskPage"];
export type TaskRecords = components["schemas"]["TaskRecords"];
export type TaskRecord = components["schemas"]["TaskRecord"];
export type RecordHeader = components["schemas"]["RecordHeader"];
export type RecordText = components["schemas"]["RecordText"];
export type CancelAccepted = components["schemas"]["CancelAccepted"];

/** A task, as its id alone does not name it: several agents may have one of that id. */
export interface TaskName {
  taskId: string;
  agentId: string;
}

/** Which tasks are wanted; what is not given leaves nothing out. Moments in ISO 8601. */
export interface TaskFilter {
  agent?: string | undefined;
  action?: string | undefined;
  states?: readonly TaskState[];
  since?: string | undefined;
  until?: string | undefined;
  text?: string | undefined;
  /** Another task that these come from. */
  of?: { link: TaskLink; task: TaskName };
}

/** How a task comes from another. */
export type TaskLink = "parent" | "replay_of" | "redrive_of";

/** A task with what was asked and answered, as texts: no digit of a number is lost. */
export interface WholeTask {
  summary: TaskSummary;
  /** JSON; of a foreign program perhaps some other text. Null where there is none yet. */
  payload: string | null;
  result: string | null;
  /** The last progress. */
  progress: string | null;
}

/** Every state that can be filtered by, in the order of a filter. */
export const STATES: readonly TaskState[] = [
  "queued",
  "in_progress",
  "completed",
  "failed",
  "rejected",
  "cancelled",
  "expired",
  "timed_out",
];

/** Whether a task has no outcome yet. */
export const isOpen = (state: TaskState) => state === "queued" || state === "in_progress" || state === "unasked";

const keys = new WeakMap<TaskSummary, string>();

/** What tells a task from all others. Lists ask for it often, so it is made once. */
export function keyOf(task: TaskSummary): string {
  const known = keys.get(task) ?? JSON.stringify([task.agent_id, task.task_id]);
  keys.set(task, known);
  return known;
}

interface Paging {
  cursor?: string | null;
  limit: number;
  signal?: AbortSignal;
}

/** A page of tasks, newest first. */
export function listTasks(filter: TaskFilter, { cursor, limit, signal }: Paging): Promise<TaskPage> {
  const { agent, action, states = [], since, until, text, of } = filter;
  const query = {
    ...(agent ? { agent_id: agent } : {}),
    ...(action ? { action } : {}),
    ...(states.length > 0 ? { state: [...states] } : {}),
    ...(since ? { since } : {}),
    ...(until ? { until } : {}),
    ...(text ? { text } : {}),
    ...(of ? { [`${of.link}_task_id`]: of.task.taskId, [`${of.link}_agent_id`]: of.task.agentId } : {}),
    ...(cursor ? { cursor } : {}),
    limit,
  };
  return ask(gateway().GET("/api/tasks", { params: { query }, ...(signal ? { signal } : {}) }));
}

/** One task; with a position, as it is once the view has what stands there. */
export async function getTask(
  { taskId, agentId }: TaskName,
  { position, signal }: { position?: string | undefined; signal?: AbortSignal },
): Promise<WholeTask> {
  const text = await ask(
    gateway().GET("/api/tasks/{task_id}", {
      params: { path: { task_id: taskId }, query: { agent_id: agentId, ...(position ? { position } : {}) } },
      parseAs: "text",
      ...(signal ? { signal } : {}),
    }),
  );
  const { payload, result, progress, ...summary } = JSON.parse(text) as components["schemas"]["WholeTask"];
  const show = (name: string, value: unknown) =>
    value === null || value === undefined ? null : typeof value === "string" ? value : findMember(text, name);
  return {
    summary,
    payload: show("payload", payload),
    result: show("result", result),
    progress: show("progress", progress),
  };
}

/** The records of a task as they stand in the log. */
export function getRecords({ taskId, agentId }: TaskName, signal: AbortSignal): Promise<TaskRecords> {
  const params = { path: { task_id: taskId }, query: { agent_id: agentId } };
  return ask(gateway().GET("/api/tasks/{task_id}/records", { params, signal }));
}

/** Say that a task is of no more use. Its outcome tells what came of that. */
export function cancelTask({ taskId, agentId }: TaskName, reason: string): Promise<CancelAccepted> {
  return ask(
    gateway().POST("/api/tasks/{task_id}/cancel", {
      params: { path: { task_id: taskId } },
      body: { agent_id: agentId, reason },
    }),
  );
}
