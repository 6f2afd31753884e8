/** Create tasks. */

import { ask, gateway } from "./client";
import { toProblem } from "./problems";
import type { components } from "./schema";

export type TaskAccepted = components["schemas"]["TaskAccepted"];
type NewTask = components["schemas"]["NewTask"];

/** JSON that goes out as it was typed: a number beyond 2^53 stays what it is. */
export class JsonText {
  constructor(readonly text: string) {}
}

/** A task for one agent; its payload an object, or the text of one. */
export type TaskRequest = Omit<NewTask, "payload" | "type"> & { payload: NewTask["payload"] | JsonText };

/**
 * Publish a task; resolves once the broker has it.
 *
 * An empty task_id counts as none: the gateway gives one.
 *
 * @throws GatewayProblem the gateway refused, and says why; GatewayAway: it did not answer, so the task may be stored.
 */
export async function createTask(taskRequest: TaskRequest): Promise<TaskAccepted> {
  const { payload, task_id, ...rest } = taskRequest;
  const named = task_id ? { task_id, ...rest } : rest;
  const text = payload instanceof JsonText ? payload.text : JSON.stringify(payload);
  const answer = await ask(
    gateway().POST("/api/tasks", {
      body: { type: "TaskRequest", ...named, payload: {} }, // for its type: the next line is what goes out
      bodySerializer: () => `${JSON.stringify(named).slice(0, -1)},"payload":${text}}`,
    }),
  );
  // an outcome instead is for whoever says that he waits, which a page that follows the task has no need of
  if (!("message" in answer)) throw toProblem(undefined, 200);
  return answer;
}
