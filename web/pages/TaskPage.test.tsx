import { screen, waitFor, within } from "@testing-library/react";
import { expect, test } from "vitest";
import type { TaskRecords } from "../api/tasks";
import { asEvent, json } from "../tests/gateway";
import { show } from "../tests/show";
import { giveLists, giveRecords, giveTask, makeTask, QUEUED, queryOf, RECORD } from "../tests/tasks";

const NO_RECORDS: TaskRecords = { request: null, response: null, gone: ["response"] };
const region = (name: string) => within(screen.getByRole("region", { name }));
const steps = () =>
  region("Timeline")
    .getAllByRole("listitem")
    .map((item) => item.textContent);

/** The page of a task, before a gateway that a test has prepared. */
async function open(
  give: Parameters<typeof giveTask>[1],
  {
    path = "/tasks/agent_1/task-1",
    children = [] as ReturnType<typeof makeTask>[],
    records = undefined as TaskRecords | undefined,
  } = {},
) {
  const shown = await show(path, (gateway) => {
    giveLists(gateway, (query) => ({ tasks: query.has("parent_task_id") ? children : [] }));
    giveTask(gateway, give);
    if (records) giveRecords(gateway, 200, records);
  });
  await screen.findByRole("region", { name: "Timeline" });
  return shown;
}

test("a task tells when it waited and ran, what was asked and answered, where it stands, and what it led to", async () => {
  const parent = { task_id: "mother", agent_id: "house" };
  await open(
    () => ({ task: makeTask(1, { parent, attempt: 2, duplicates: 1 }), result: '{"n": 90071992547409931234567890}' }),
    { children: [makeTask(7, { agent_id: "other" })] },
  );
  expect(steps().map((text) => text?.replace(/(now|\d+ \w+ ago)$/, ""))).toEqual([
    "queued",
    "started attempt 2+100 ms",
    "completed+500 ms",
  ]);
  expect(region("Timeline").getByText(/Waited 100 ms/)).toBeTruthy();
  expect(region("Timeline").getByText(/Ran 400 ms/)).toBeTruthy();
  expect(screen.getAllByLabelText("Result")[0]?.textContent).toContain("90071992547409931234567890");
  expect(region("Task").getByText("mabos.tasks.responses:4:1")).toBeTruthy();
  expect(region("Task").getByText(/1 times more/)).toBeTruthy();
  expect(region("Task").getByRole("link", { name: "mother" }).getAttribute("href")).toBe("/tasks/house/mother");
  const children = await screen.findByRole("region", { name: "Sent by its handler" });
  expect(within(children).getByRole("link").getAttribute("href")).toBe("/tasks/other/task-7");
  expect(screen.queryByRole("button", { name: "Cancel" })).toBeNull();
});

test("its records are told as they stand in the log: headers, key, schema", async () => {
  const { gateway } = await open(() => ({ task: makeTask(1) }), { records: { ...NO_RECORDS, request: RECORD } });
  const request = within(await screen.findByRole("region", { name: "Request" }));
  expect(request.getByText("id 1, version 3")).toBeTruthy();
  const rows = within(request.getByRole("table")).getAllByRole("row");
  expect(rows.map((row) => row.textContent)).toEqual(["HeaderValue", "traceparent00-0af7", "rawAP8=base64"]);
  expect(screen.getByRole("region", { name: "Outcome" }).textContent).toContain("The log no more has it");
  const asked = gateway.asked.find(({ url }) => url.includes("/records"));
  expect(asked?.url).toBe("/api/tasks/task-1/records?agent_id=agent_1");
});

test("records that retention took are said to be gone; a registry and a log that do not tell, too", async () => {
  const old = { ...RECORD, schema_version: null, headers: [], key: null };
  await open(() => ({ task: makeTask(1, QUEUED) }), { records: { ...NO_RECORDS, request: old } });
  const request = within(await screen.findByRole("region", { name: "Request" }));
  expect(request.getByText("id 1, version not known")).toBeTruthy();
  expect(request.getAllByText("none")).toHaveLength(2);
  expect(screen.queryByRole("region", { name: "Outcome" })).toBeNull();
});

test("one whose records are all gone says so, and an error is no reason to hide the rest", async () => {
  const { gateway, user } = await open(() => ({ task: makeTask(1) }));
  const records = within(await screen.findByRole("region", { name: "Records" }));
  await user.click(await records.findByRole("button", { name: "Try again" }));
  expect(await records.findByText(/All else on this page/)).toBeTruthy();
  giveRecords(gateway, 410, { detail: "the log no more has them" });
  await user.click(await records.findByRole("button", { name: "Try again" }));
  expect(await records.findByText(/none of its records any more/)).toBeTruthy();
});

test("one without an outcome is followed, and read again as soon as there is one", async () => {
  let task = makeTask(1, QUEUED);
  const { gateway } = await open(() => ({ task, result: task.answered_at ? '{"done": 2}' : "null" }));
  await screen.findByText(/Waiting for/);
  await waitFor(() => expect(gateway.askedStreams.at(-1)?.url).toContain("/api/tasks/task-1/events?agent_id=agent_1"));
  await waitFor(() => expect(gateway.streams).toHaveLength(1));
  gateway.say(
    asEvent(5, { task_id: "task-1", status: "in_progress", started_at: task.requested_at, result: { done: 1 } }),
  );
  await screen.findByText(/Running for/);
  expect(screen.getAllByLabelText("Progress")[0]?.textContent).toContain("done: 1");
  task = makeTask(1);
  gateway.say(asEvent(6, { task_id: "task-1", status: "completed", result: { done: 2 } }));
  await screen.findByText(/Ran 400 ms/);
  const last = gateway.asked.filter(({ url }) => url.startsWith("/api/tasks/task-1?")).at(-1);
  expect(queryOf(last as never).get("position")).toBe("mabos.tasks.responses:4:6"); // of the outcome: not before the view has it
});

test("one that waits is cancelled with a reason", async () => {
  let task = makeTask(1, QUEUED);
  const { gateway, user } = await open(() => ({ task }));
  gateway.onPost = (_, response) => {
    task = { ...task, cancel_requested_at: "2030-01-01T12:00:05Z", cancel_reason: "asked twice" };
    json(response, 202, { task_id: "task-1", position: "mabos.tasks.controls:4:9" });
  };
  await user.click(await screen.findByRole("button", { name: "Cancel" }));
  await user.type(screen.getByLabelText(/^Reason/), "asked twice");
  await user.click(screen.getByRole("button", { name: "Cancel the task" }));
  await waitFor(() => expect(steps().some((text) => text?.startsWith("cancel asked for asked twice"))).toBe(true));
  const post = gateway.asked.find(({ method }) => method === "POST");
  expect([post?.url, post?.body]).toEqual([
    "/api/tasks/task-1/cancel",
    '{"agent_id":"agent_1","reason":"asked twice"}',
  ]);
  expect(screen.queryByRole("dialog")).toBeNull();
});

test("a cancel that is refused says why, and keeps the reason", async () => {
  const { gateway, user } = await open(() => ({ task: makeTask(1, QUEUED) }));
  gateway.onPost = (_, response) => json(response, 403, { detail: "key:x lacks the scope tasks:cancel" });
  await user.click(await screen.findByRole("button", { name: "Cancel" }));
  await user.type(screen.getByLabelText(/^Reason/), "why");
  await user.click(screen.getByRole("button", { name: "Cancel the task" }));
  expect(await screen.findByText("Not allowed: key:x lacks the scope tasks:cancel.")).toBeTruthy();
  expect(screen.getByLabelText<HTMLInputElement>(/^Reason/).value).toBe("why");
});

test("it is sent again with an edit, and the draft that stood there comes back", async () => {
  sessionStorage.setItem("mabos.draft", '{"taskId":"","agentId":"mine","payload":"{\\"half"}');
  const { user } = await open(() => ({ task: makeTask(1), payload: '{"action":"test","n":9007199254740993}' }));
  await user.click(await screen.findByRole("button", { name: "Edit and send again" }));
  await screen.findByRole("heading", { name: "Create a task" });
  expect(screen.getByLabelText<HTMLInputElement>("Agent ID").value).toBe("agent_1");
  expect(screen.getByLabelText<HTMLTextAreaElement>("Payload").value).toBe(
    '{\n  "action": "test",\n  "n": 9007199254740993\n}',
  );
  await user.click(screen.getByRole("button", { name: "Bring back my draft of before" }));
  expect(screen.getByLabelText<HTMLInputElement>("Agent ID").value).toBe("mine");
  expect(screen.queryByRole("button", { name: /Bring back/ })).toBeNull();
});

test("one that the view does not know is said, and looked for again", async () => {
  const { gateway, user } = await show("/tasks/agent_1/none", (one) => {
    one.onGet = (_, response) => json(response, 404, { detail: "the view has no such task" });
  });
  await screen.findByRole("heading", { name: "There is no such task" });
  giveTask(gateway, () => ({ task: makeTask(1) }));
  await user.click(screen.getByRole("button", { name: "Look again" }));
  await screen.findByRole("region", { name: "Timeline" });
});

test("while the database is away it says so, and comes by itself when it is back", async () => {
  const { gateway } = await show("/tasks/agent_1/task-1?position=mabos.tasks.requests:4:1", (one) => {
    one.onGet = (_, response) => json(response, 503, { detail: "the database does not answer" });
  });
  await screen.findByText("The database does not answer.");
  giveTask(gateway, () => ({ task: makeTask(1) }));
  await screen.findByRole("region", { name: "Timeline" });
  const [first] = gateway.asked.filter(({ url }) => url.startsWith("/api/tasks/task-1?"));
  expect(queryOf(first as never).get("position")).toBe("mabos.tasks.requests:4:1");
});

test("a tree opens and closes, gives long lists in parts, and text that is no JSON as it is", async () => {
  const long = JSON.stringify({ list: Array.from({ length: 250 }, (_, at) => at), deep: { a: { b: 1 } } });
  const { user } = await open(() => ({ task: makeTask(1), payload: JSON.stringify("no <json>"), result: long }));
  expect(screen.getAllByLabelText("Payload")[0]?.textContent).toContain("no <json>");
  const result = within(screen.getAllByRole("region", { name: "Result" })[0] as HTMLElement);
  expect(result.queryByText("b:")).toBeTruthy();
  expect(result.queryByText("99:")).toBeNull();
  await user.click(result.getByText("[ 250 elements ]"));
  expect(await result.findByText("99:")).toBeTruthy();
  await user.click(result.getByRole("button", { name: "150 more" }));
  expect(result.getByText("249:")).toBeTruthy();
  await user.click(result.getByLabelText("Raw"));
  expect(screen.getAllByLabelText("Result").at(-1)?.textContent).toContain('"deep": {\n    "a"');
});
