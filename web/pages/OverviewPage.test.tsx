import { fireEvent, screen, within } from "@testing-library/react";
import { expect, test } from "vitest";
import { json } from "../tests/gateway";
import { show } from "../tests/show";
import { agent, traffic } from "../tests/traffic";

const MINUTE_MS = 60_000;

async function showOverview(path = "/overview") {
  const shown = await show(path);
  const minute = Math.floor(Date.now() / MINUTE_MS) * MINUTE_MS;
  const durations = { wait: { p50_ms: 4, p95_ms: 250, p99_ms: 2400 } };
  const before = traffic({ completed: 30, failed: 2 }, durations);
  shown.gateway.onGet = ({ url }, response) => {
    if (url.startsWith("/api/stats")) {
      const stretches = [
        { begin: new Date(minute - 2 * MINUTE_MS).toISOString(), ...traffic(), queued: 7, oldest_waiting_s: 90.5 },
        { begin: new Date(minute - MINUTE_MS).toISOString(), ...before, queued: 0, oldest_waiting_s: 0 },
      ];
      json(response, 200, { total: { ...before, requested: 36 }, stretches });
    } else {
      const oldest_waiting_at = new Date(Date.now() - 65_000).toISOString();
      const agents = [agent("idle"), agent("busy", { ...before, waiting: 4, oldest_waiting_at })];
      json(response, 200, { agents });
    }
  };
  return shown;
}

const linkOf = (name: string) => screen.getByRole("link", { name }).getAttribute("href");

test("its numbers lead to the tasks that they count", async () => {
  const { gateway } = await showOverview();
  await screen.findByRole("link", { name: "36" });
  expect(linkOf("36")).toBe("/tasks?since=1h");
  const tile = screen.getByText("Failures", { selector: "dt" }).parentElement as HTMLElement;
  expect(within(tile).getByRole("link", { name: "2" }).getAttribute("href")).toBe(
    "/tasks?since=1h&state=failed%2Crejected%2Cexpired%2Ctimed_out",
  );
  expect(within(tile).getByText("6.3 % of the answers")).toBeTruthy();
  await screen.findAllByRole("link", { name: "busy" });
  const oldest = screen.getByText("Oldest waiting").parentElement as HTMLElement;
  expect(within(oldest).getByRole("link").textContent).toMatch(/^1 min \d+ s$/);
  expect(within(oldest).getByRole("link").getAttribute("href")).toBe("/tasks?agent=busy&state=queued%2Cin_progress");
  expect(screen.queryByRole("link", { name: "idle" })).toBeNull();
  const asked = new URL(gateway.asked.find(({ url }) => url.startsWith("/api/stats"))?.url ?? "", "http://gateway");
  expect(asked.searchParams.get("unit")).toBe("minute");
});

test("a chart tells each stretch to the keyboard and to a screen reader, and has a table", async () => {
  const { user } = await showOverview();
  await screen.findByRole("link", { name: "36" });
  const chart = screen.getByRole("region", { name: "Outcomes" });
  const cursor = within(chart).getByRole<HTMLInputElement>("slider", { name: /^Outcomes, tasks a minute/ });
  expect(cursor.getAttribute("aria-valuetext")).toContain("the last hour: completed 30");
  fireEvent.change(cursor, { target: { value: "58" } }); // as an arrow key does
  expect(cursor.getAttribute("aria-valuetext")).toMatch(/^\d\d:\d\d to \d\d:\d\d: completed 30, .*failed 2$/);
  const link = within(chart).getByRole("link", { name: "2" }).getAttribute("href");
  expect(link).toMatch(/^\/tasks\?state=failed&since=.*&until=/);
  fireEvent.change(cursor, { target: { value: "10" } });
  expect(cursor.getAttribute("aria-valuetext")).toContain("completed 0");
  await user.click(within(chart).getByText("As a table", { exact: false }));
  const rows = within(await within(chart).findByRole("table")).getAllByRole("row");
  expect(rows).toHaveLength(2);
  expect(rows[1]?.textContent).toContain("30");
});

test("what waited is told over time, and leads to the tasks that were asked since the oldest of it", async () => {
  await showOverview();
  await screen.findByRole("link", { name: "36" });
  const age = within(screen.getByRole("region", { name: "Backlog age" }));
  const most = age.getByRole("link", { name: "1 min 31 s" });
  const search = new URL(most.getAttribute("href") ?? "", location.href).searchParams;
  const [since, until] = ["since", "until"].map((name) => Date.parse(search.get(name) ?? ""));
  expect((until ?? 0) - (since ?? 0)).toBe(MINUTE_MS + 90_500); // its minute, and as long before as it had waited
  const backlog = within(screen.getByRole("region", { name: "Backlog" }));
  expect(backlog.getByRole("link", { name: "7" }).getAttribute("href")).toBe(most.getAttribute("href"));
  const cursor = age.getByRole<HTMLInputElement>("slider", { name: /^Backlog age, how long the oldest had waited/ });
  fireEvent.change(cursor, { target: { value: "58" } });
  expect(cursor.getAttribute("aria-valuetext")).toContain("at most 0 ms");
  fireEvent.change(cursor, { target: { value: "10" } });
  expect(cursor.getAttribute("aria-valuetext")).toContain("at most –"); // not sampled is not nothing
});

test("the window is in the address, and figures of another one are not shown for it", async () => {
  const { user, gateway } = await showOverview();
  await screen.findByRole("link", { name: "36" });
  gateway.onGet = () => undefined;
  await user.click(screen.getByLabelText("7 d"));
  expect(location.search).toBe("?window=7d");
  expect(screen.queryByRole("link", { name: "36" })).toBeNull();
});

test("nothing at all says so, and leads on", async () => {
  const { gateway } = await showOverview("/overview?window=24h");
  gateway.onGet = ({ url }, response) =>
    json(response, 200, url.startsWith("/api/stats") ? { total: traffic(), stretches: [] } : { agents: [] });
  expect(await screen.findAllByText(/Nothing was asked or answered in this time/)).toHaveLength(3);
  expect(screen.getAllByText("What waits was not sampled in this time.")).toHaveLength(2);
  expect(await screen.findByText("No task waits.")).toBeTruthy();
  expect(screen.getByText("Nothing failed in this time.")).toBeTruthy();
});

test("a view that is away is told, and asked again", async () => {
  const { gateway, user } = await showOverview();
  await screen.findByRole("link", { name: "36" });
  const working = gateway.onGet;
  gateway.onGet = (_, response) => json(response, 503, { detail: "the database is away", status: 503 });
  await user.click(screen.getByRole("button", { name: "Ask now" }));
  const alert = await screen.findByRole("alert");
  expect(alert.textContent).toContain("The figures cannot be renewed: the database is away.");
  expect(screen.getByRole("link", { name: "36" })).toBeTruthy(); // what was known stays
  gateway.onGet = working;
  await user.click(screen.getByRole("button", { name: "Ask now" }));
  await screen.findByText(/^As of/);
  await expect.poll(() => screen.queryByRole("alert")).toBeNull();
});
