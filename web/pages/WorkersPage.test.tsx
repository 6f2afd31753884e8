import { screen, within } from "@testing-library/react";
import { expect, test } from "vitest";
import type { Topic, WorkerPartition, Workers } from "../api/operations";
import { json } from "../tests/gateway";
import { show } from "../tests/show";

const partition = (number: number, lag = 0): WorkerPartition => ({
  partition: number,
  lag,
  committed: 10,
  end: 10 + lag,
  expired: 0,
});
const EMPTY: Workers = {
  group: null,
  state: "absent",
  protocol: null,
  members: [],
  unassigned: [partition(0), partition(1)],
  lag: 0,
  others: [],
};
const BUSY: Workers = {
  ...EMPTY,
  group: "mabos",
  state: "stable",
  protocol: "consumer",
  members: [
    { member_id: "one", client_id: "worker-a", host: "10.0.0.7", partitions: [partition(1, 3)], lag: 3 },
    { member_id: "two", client_id: "worker-b", host: "10.0.0.8", partitions: [], lag: 0 },
  ],
  unassigned: [partition(0, 2)],
  lag: 5,
  others: ["second"],
};
const TOPIC: Topic = {
  name: "mabos.tasks.requests",
  exists: true,
  partitions: 12,
  replicas: 3,
  records: 1042,
  retention_ms: 604_800_000,
  cleanup_policy: "delete",
  in_sync: true,
  lagging_partitions: 0,
  leaderless_partitions: 0,
  drift: [],
};

async function showWorkers(workers: Workers, topics: Topic[] = [TOPIC]) {
  const shown = await show("/workers");
  shown.gateway.onGet = ({ url }, response) =>
    json(response, 200, url.startsWith("/api/topics") ? { topics } : { ...workers, asked: url });
  return shown;
}

const rowsOf = (name: string) =>
  within(screen.getByRole("region", { name }))
    .getAllByRole("row")
    .map(({ textContent }) => textContent);

test("members, their partitions and what waits are shown; a partition that nobody has stands out", async () => {
  const { user, gateway } = await showWorkers(BUSY);
  await screen.findByText("none: stands by");
  const [, first, second] = rowsOf("Partitions");
  expect(first).toContain("! nobody");
  expect(second).toContain("worker-a on 10.0.0.7 (one)");
  expect(screen.getByText("Without a worker").parentElement?.textContent).toContain("of 2 partitions");
  await user.click(screen.getByRole("link", { name: "second" }));
  await expect.poll(() => gateway.asked.some(({ url }) => url === "/api/workers?group=second")).toBe(true);
});

test("what changes hands while the page is open is told", async () => {
  const { user, gateway } = await showWorkers(BUSY);
  await screen.findByText(/^None since \d\d:\d\d:\d\d, when this page was opened\.$/);
  const [worker] = BUSY.members;
  const now = { ...BUSY, members: [{ ...worker, partitions: [partition(0), partition(1)] }], unassigned: [] };
  gateway.onGet = (_, response) => json(response, 200, now);
  await user.click(screen.getByRole("button", { name: "Ask now" }));
  await screen.findByRole("region", { name: "Rebalances" });
  const [, told] = rowsOf("Rebalances");
  expect(told).toContain("worker-b on 10.0.0.8 (two) went");
  expect(told).toContain("0: from nobody to worker-a on 10.0.0.7 (one)");
});

test("an empty group is explained with the command that starts a worker", async () => {
  await showWorkers({ ...EMPTY, lag: 4 });
  await screen.findByText(/No worker has been here yet, and 4 tasks wait\./);
  expect(screen.getByText("mabos worker run my_agents:agents")).toBeTruthy();
  expect(screen.getByRole("button", { name: "Copy the command" })).toBeTruthy();
});

test("topics say whether all their copies are there, and what is not as wanted", async () => {
  const drift = ["retention.ms is 1000, wanted 604800000"];
  const away = { ...TOPIC, name: "mabos.tasks.responses", exists: false, in_sync: false, records: null };
  await showWorkers(EMPTY, [TOPIC, { ...TOPIC, name: "mabos.tasks.controls", drift }, away]);
  await screen.findByText("✓ in sync");
  const rows = rowsOf("Topics");
  expect(rows[1]).toBe("mabos.tasks.requests✓ in sync1,0421237 d");
  expect(rows[2]).toContain("! not as wanted");
  expect(rows[3]).toContain("✕ missing");
  expect(screen.getByText(/retention.ms is 1000/)).toBeTruthy();
  expect(screen.getByText("mabos topics apply")).toBeTruthy();
});
