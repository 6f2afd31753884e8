import { screen, waitFor, within } from "@testing-library/react";
import { expect, test } from "vitest";
import type { Replay } from "../api/replays";
import { json } from "../tests/gateway";
import { show } from "../tests/show";

const READY: Replay = {
  replay_id: "r1",
  kind: "reprocess",
  state: "ready",
  selection: {
    agent_id: "billing",
    task_id: null,
    action: null,
    statuses: ["failed", "timed_out"],
    since: null,
    until: null,
    partitions: [],
  },
  deadlines: "drop",
  replays: false,
  rate_per_s: 50,
  created_by: "local",
  created_at: "2026-03-01T12:00:00Z",
  started_at: null,
  ended_at: null,
  progress: { done: 1200, total: 1200, unit: "records", rate_per_s: null, seconds_left: null },
  counts: { tasks: 120, rows: [{ action: "invoice", outcome: null, tasks: 120 }], passed_over: 2 },
  remarks: ["what was before is gone: the log begins at 3:17"],
  error: null,
  published: null,
};
const RUNNING: Replay = {
  ...READY,
  state: "running",
  started_at: "2026-03-01T12:01:00Z",
  progress: { done: 30, total: 120, unit: "tasks", rate_per_s: 49.8, seconds_left: 75 },
  published: 30,
};

async function showReplays(path: string, first: Replay) {
  const shown = await show(path);
  let replay = first;
  const next: Record<string, Replay> = { apply: RUNNING, stop: { ...RUNNING, state: "stopped" } };
  shown.gateway.onGet = ({ url }, response) =>
    json(response, 200, url === "/api/replays" ? { replays: [replay] } : replay);
  shown.gateway.onPost = ({ url }, response) => {
    replay = next[url.split("/").at(-1) ?? ""] ?? replay;
    json(response, 202, replay);
  };
  const posts = () => shown.gateway.asked.filter(({ method }) => method === "POST");
  return { ...shown, posts };
}

test("an inspection asks for what was chosen, and no more than an inspection may say", async () => {
  const { user, posts } = await showReplays("/replay", { ...READY, kind: "inspect" });
  const form = within(await screen.findByRole("form", { name: "New replay" }));
  await user.type(form.getByLabelText(/^Agent ID/), "billing");
  await user.click(form.getByRole("button", { name: "failed" }));
  await user.selectOptions(form.getByRole("combobox"), "");
  await user.click(form.getByRole("button", { name: "Count" }));
  await screen.findByRole("heading", { name: "A replay" });
  expect(location.search).toBe("?replay=r1");
  expect(JSON.parse(posts()[0]?.body ?? "")).toEqual({ kind: "inspect", agent_id: "billing", statuses: ["failed"] });
});

test("a task and stretches of partitions are asked for as they are typed, and checked", async () => {
  const { user, posts } = await showReplays("/replay", { ...READY, kind: "inspect" });
  const form = within(await screen.findByRole("form", { name: "New replay" }));
  await user.type(form.getByLabelText(/^Task ID/), "task-7");
  await user.selectOptions(form.getByRole("combobox"), "");
  const add = form.getByRole("button", { name: "Add a partition" });
  const count = form.getByRole("button", { name: "Count" });
  const row = (number: number) => within(form.getByRole("group", { name: `Stretch ${number}` }));
  await user.click(add);
  expect(document.activeElement).toBe(row(1).getByLabelText("Partition"));
  await user.keyboard("7{Tab}1200{Tab}1200");
  expect(row(1).getByText("It ends before it begins.")).toBeTruthy();
  expect(row(1).getByLabelText("Partition").getAttribute("aria-invalid")).toBe("true");
  expect(count.getAttribute("aria-disabled")).toBe("true");
  await user.keyboard("0");
  expect(count.getAttribute("aria-disabled")).toBe("false");
  await user.click(add);
  await user.keyboard("07");
  expect(row(2).getByText("Partition 7 is there twice.")).toBeTruthy();
  await user.keyboard("{Backspace}{Backspace}8");
  await user.click(add);
  await user.click(add);
  await user.type(row(4).getByLabelText("From offset"), "1");
  expect(row(4).getByText("Which partition?")).toBeTruthy();
  await user.click(form.getByRole("button", { name: "Remove stretch 4" }));
  expect(document.activeElement).toBe(add);
  await user.click(count); // the third row is empty: it means nothing
  await screen.findByRole("heading", { name: "A replay" });
  expect(JSON.parse(posts()[0]?.body ?? "")).toEqual({
    kind: "inspect",
    task_id: "task-7",
    partitions: [
      { partition: 7, begin: 1200, end: 12000 },
      { partition: 8, begin: null, end: null },
    ],
  });
});

test("a reprocess has a rate that is one, and says that it publishes nothing yet", async () => {
  const { user, posts } = await showReplays("/replay", READY);
  const form = within(await screen.findByRole("form", { name: "New replay" }));
  await user.click(form.getByLabelText("Reprocess"));
  const rate = form.getByLabelText(/^Tasks a second/);
  await user.clear(rate);
  await user.type(rate, "fast");
  expect(form.getByRole("button", { name: "Count" }).getAttribute("aria-disabled")).toBe("true");
  await user.clear(rate);
  expect(form.getByText("Nothing is published by this.")).toBeTruthy();
  await user.click(form.getByRole("button", { name: "Count" }));
  await screen.findByRole("heading", { name: "A replay" });
  const asked = JSON.parse(posts()[0]?.body ?? "");
  expect(asked).toMatchObject({ kind: "reprocess", deadlines: "drop", rate_per_s: null });
  expect(Date.now() - Date.parse(asked.since)).toBeGreaterThanOrEqual(3_600_000);
});

test("what was counted is published when asked, with its progress, and can be stopped and gone on with", async () => {
  const { user, posts } = await showReplays("/replay?replay=r1", READY);
  await screen.findByText("agent billing, failed or timed out");
  expect(screen.getByText(/the log begins at 3:17/)).toBeTruthy();
  expect(screen.getByText("2 tasks of other replays left out.")).toBeTruthy();
  expect(posts()).toEqual([]);
  await user.click(screen.getByRole("button", { name: "Publish 120 new tasks" }));
  await screen.findByText("30 of 120 tasks · 50/s · about 1 min 15 s left");
  const bar = screen.getByRole<HTMLProgressElement>("progressbar", { name: "Progress" });
  expect([bar.value, bar.max]).toEqual([30, 120]);
  await user.click(screen.getByRole("button", { name: "Stop" }));
  await user.click(await screen.findByRole("button", { name: "Go on" }));
  await screen.findByRole("button", { name: "Stop" });
  expect(posts().map(({ url }) => url)).toEqual(["apply", "stop", "apply"].map((act) => `/api/replays/r1/${act}`));
});

test("the list leads to each; a refusal of the gateway is told", async () => {
  const { user, gateway } = await showReplays("/replay", RUNNING);
  await screen.findByText("1 at work");
  const row = within(screen.getByRole("region", { name: "Replays" }));
  expect(row.getByRole("link", { name: "reprocess" }).getAttribute("href")).toBe("/replay?replay=r1");
  gateway.onPost = (_, response) => json(response, 429, { detail: "this gateway runs 2 replays already", status: 429 });
  await user.click(screen.getByRole("button", { name: "Count" }));
  await waitFor(() => expect(screen.getByRole("alert").textContent).toBe("this gateway runs 2 replays already"));
});
