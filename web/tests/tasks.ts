/** Tasks as the gateway's view gives them. */

import type { ServerResponse } from "node:http";
import type { TaskRecord, TaskSummary } from "../api/tasks";
import { type Asked, type FakeGateway, json } from "./gateway";

export const BEGAN = Date.parse("2030-01-01T12:00:00Z");
const at = (ms: number) => new Date(BEGAN + ms).toISOString();

/** One that completed: it waited 100 ms and ran 400 ms. Each number is another, a second younger than the one before. */
export function makeTask(number: number, changes: Partial<TaskSummary> = {}): TaskSummary {
  const base = number * 1000;
  return {
    task_id: `task-${number}`,
    agent_id: "agent_1",
    action: "test",
    state: "completed",
    requested_at: at(base),
    started_at: at(base + 100),
    answered_at: at(base + 500),
    progress_at: null,
    cancel_requested_at: null,
    deadline: null,
    wait_ms: 100,
    run_ms: 400,
    attempt: 1,
    error: null,
    cancel_reason: null,
    duplicates: 0,
    superseded: 0,
    parent: null,
    replay_of: null,
    redrive_of: null,
    positions: {
      request: `mabos.tasks.requests:4:${number}`,
      progress: null,
      response: `mabos.tasks.responses:4:${number}`,
    },
    ...changes,
  };
}

/** What a task has while it waits. */
export const QUEUED: Partial<TaskSummary> = {
  state: "queued",
  started_at: null,
  answered_at: null,
  wait_ms: null,
  run_ms: null,
  attempt: null,
  positions: { request: "mabos.tasks.requests:4:1", progress: null, response: null },
};

/** The query of a request. */
export const queryOf = ({ url }: Asked) => new URL(url, "http://gateway").searchParams;

/** Lists of the gateway, asked for by whoever looks at them. */
export const askedLists = (gateway: FakeGateway) => gateway.asked.filter(({ url }) => /^\/api\/tasks(\?|$)/.test(url));

/** Have the gateway give a page that depends on the query; the list's `since` of a look for news, too. */
export function giveLists(
  gateway: FakeGateway,
  give: (query: URLSearchParams) => { tasks: TaskSummary[]; cursor?: string; searched_to?: string },
): void {
  const before = gateway.onGet;
  gateway.onGet = (asked, response) => {
    if (!/^\/api\/tasks(\?|$)/.test(asked.url)) return before(asked, response);
    json(response, 200, { cursor: null, searched_to: null, ...give(queryOf(asked)) });
  };
}

/** A record of the log, with a header of each kind. */
export const RECORD: TaskRecord = {
  position: "mabos.tasks.requests:4:1",
  stored_at: "2030-01-01T12:00:01Z",
  key: { value: "agent_1", encoding: "utf-8" },
  headers: [
    { name: "traceparent", value: "00-0af7", encoding: "utf-8" },
    { name: "raw", value: "AP8=", encoding: "base64" },
  ],
  size_bytes: 74,
  schema_id: 1,
  schema_version: 3,
};

/** Have the gateway tell the records of a task. */
export function giveRecords(gateway: FakeGateway, status: number, body: unknown): void {
  const before = gateway.onGet;
  gateway.onGet = (asked, response) =>
    /^\/api\/tasks\/[^/]+\/records\?/.test(asked.url) ? json(response, status, body) : before(asked, response);
}

/** Have the gateway know one task; its payload and result are JSON as it stands there. */
export function giveTask(
  gateway: FakeGateway,
  give: () => { task: TaskSummary; payload?: string; result?: string },
): void {
  const before = gateway.onGet;
  gateway.onGet = (asked, response: ServerResponse) => {
    if (!/^\/api\/tasks\/[^/]+\?/.test(asked.url)) return before(asked, response);
    const { task, payload = '{"action": "test"}', result = "null" } = give();
    const text = `${JSON.stringify(task).slice(0, -1)}, "payload": ${payload}, "result": ${result}, "progress": null}`;
    response.writeHead(200, { "content-type": "application/json" }).end(text);
  };
}
