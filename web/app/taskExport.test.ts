import { beforeEach, expect, test } from "vitest";
import { FakeGateway, json } from "../tests/gateway";
import { askedLists, giveLists, makeTask } from "../tests/tasks";
import { type ExportProgress, TaskExport } from "./taskExport";

let gateway: FakeGateway;
let told: ExportProgress[];
beforeEach(async () => {
  gateway = await FakeGateway.start();
  told = [];
});

const begin = (kind: "ndjson" | "csv") => new TaskExport({ agent: "a" }, kind, (progress) => told.push(progress), 1);
const read = (file: Blob) =>
  new Promise<string>((resolve) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result));
    reader.readAsText(file);
  });
const pages = () =>
  giveLists(gateway, (query) =>
    query.get("cursor") === "2"
      ? { tasks: [makeTask(1)] }
      : query.get("cursor") === "1"
        ? { tasks: [], cursor: "2", searched_to: "2030-01-01T12:00:02Z" }
        : { tasks: [makeTask(3), makeTask(2)], cursor: "1" },
  );

test("every page goes into the file, also beyond one at which a search stopped", async () => {
  pages();
  const job = begin("ndjson");
  await job.run(new AbortController().signal);
  const lines = (await read(job.file)).trimEnd().split("\n");
  expect(lines.map((line) => JSON.parse(line).task_id)).toEqual(["task-3", "task-2", "task-1"]);
  expect(told.map(({ tasks }) => tasks)).toEqual([2, 2, 3]);
  expect(told[1]?.backTo).toBe("2030-01-01T12:00:02Z");
  expect(job.isDone).toBe(true);
});

test("CSV has a head, and no cell that a spreadsheet takes for a formula", async () => {
  giveLists(gateway, () => ({ tasks: [makeTask(1, { action: '=HYPERLINK("x")', agent_id: "a,b" })] }));
  const job = begin("csv");
  await job.run(new AbortController().signal);
  const [head, line] = (await read(job.file)).split("\r\n");
  expect(head).toMatch(/^task_id,agent_id,action,state,requested_at/);
  expect(line).toMatch(/^task-1,"a,b","'=HYPERLINK\(""x""\)",completed,2030-01-01T12:00:01.000Z/);
});

test("it stops where it is told to, and goes on from there", async () => {
  pages();
  const halt = new AbortController();
  const job = new TaskExport({}, "ndjson", () => halt.abort(), 1);
  await job.run(halt.signal);
  expect([job.isDone, (await read(job.file)).trimEnd().split("\n").length]).toEqual([false, 2]);
  await job.run(new AbortController().signal);
  expect([job.isDone, (await read(job.file)).trimEnd().split("\n").length]).toEqual([true, 3]);
});

test("a gateway that is in trouble for a moment is asked again; one that refuses is not", async () => {
  pages();
  const give = gateway.onGet;
  let troubles = 2;
  gateway.onGet = (asked, response) =>
    troubles-- > 0 ? json(response, 503, { detail: "not now" }) : give(asked, response);
  await begin("ndjson").run(new AbortController().signal);
  expect(askedLists(gateway)).toHaveLength(5);
  gateway.onGet = (_, response) => json(response, 403, { detail: "key:x lacks the scope tasks:read" });
  await expect(begin("ndjson").run(new AbortController().signal)).rejects.toThrow("lacks the scope");
  expect(askedLists(gateway)).toHaveLength(6);
});
