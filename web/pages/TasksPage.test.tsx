import { fireEvent, screen, waitFor, within } from "@testing-library/react";
import { expect, test, vi } from "vitest";
import { json } from "../tests/gateway";
import { show } from "../tests/show";
import { askedLists, giveLists, makeTask, QUEUED, queryOf } from "../tests/tasks";

const rows = () => screen.queryAllByRole("row").slice(1); // the first has the names of the columns
const many = (from: number, to: number) => Array.from({ length: from - to }, (_, at) => makeTask(from - at));

/** The page before a gateway whose lists depend on the query. */
async function open(path: string, give: Parameters<typeof giveLists>[1]) {
  const shown = await show(path, (gateway) => giveLists(gateway, give));
  await screen.findByRole("heading", { name: "Tasks" });
  return shown;
}

test("tasks stand newest first, each in one line that leads to its page", async () => {
  await open("/tasks", () => ({
    tasks: [
      makeTask(2, { state: "failed", error: { code: "broken", message: "it broke", retryable: true } }),
      makeTask(1, { agent_id: "a/b", task_id: "ä ?" }),
    ],
  }));
  await waitFor(() => expect(rows()).toHaveLength(2));
  expect(rows()[0]?.textContent).toContain("broken: it broke");
  expect(rows()[1]?.textContent).toContain("100 ms");
  expect(screen.getByRole("link", { name: "ä ?" }).getAttribute("href")).toBe("/tasks/a%2Fb/%C3%A4%20%3F");
  expect(screen.getByText("That is all.")).toBeTruthy();
});

test("filters are in the address, and asked of the gateway; what was an hour ago is so for every page", async () => {
  const { gateway, user } = await open("/tasks?agent=a&state=failed,nonsense,timed_out&since=1h", () => ({
    tasks: [],
  }));
  await screen.findByText("No task is like that.");
  const query = queryOf(askedLists(gateway)[0] as never);
  expect(query.getAll("state")).toEqual(["failed", "timed_out"]);
  expect(query.get("agent_id")).toBe("a");
  expect(Date.now() - Date.parse(query.get("since") ?? "")).toBeLessThan(3_600_000 + 60_000);
  expect(Date.now() - Date.parse(query.get("since") ?? "")).toBeGreaterThanOrEqual(3_600_000);
  await user.click(screen.getByRole("button", { name: "rejected" }));
  await user.type(screen.getByLabelText("Text"), "x=1");
  await waitFor(() => expect(new URLSearchParams(location.search).get("text")).toBe("x=1"));
  expect(new URLSearchParams(location.search).get("state")).toBe("failed,rejected,timed_out");
  await user.selectOptions(screen.getByLabelText("Requested"), "Any time");
  await waitFor(() => expect(location.search).not.toContain("since"));
  await user.click(screen.getByRole("button", { name: "Show all" }));
  await waitFor(() => expect(location.search).toBe(""));
});

test("the next page is read when the end comes near, until nothing is left", async () => {
  const { gateway, user } = await open("/tasks?action=long", (query) => {
    if (query.has("since")) return { tasks: [] };
    return query.get("cursor") === "next" ? { tasks: many(40, 0) } : { tasks: many(240, 40), cursor: "next" };
  });
  await screen.findByText("The newest 200 tasks");
  expect(rows().length).toBeLessThan(40);
  rows()[0]?.focus();
  await user.keyboard("{End}");
  fireEvent.scroll(screen.getByRole("grid").querySelector(".grid-body") as HTMLElement); // jsdom tells of none
  await screen.findByText("240 tasks");
  expect(screen.getByText("That is all.")).toBeTruthy();
  expect(screen.getByRole("grid").getAttribute("aria-rowcount")).toBe("241");
  expect(askedLists(gateway).filter(({ url }) => url.includes("cursor"))).toHaveLength(1);
});

test("a search that stopped early says how far it came, and goes on when it is told to", async () => {
  const { user } = await open("/tasks?text=rare", (query) => {
    if (query.has("since")) return { tasks: [] };
    return query.has("cursor")
      ? { tasks: [makeTask(1)] }
      : { tasks: [], cursor: "further", searched_to: "2030-01-01T11:00:00Z" };
  });
  await screen.findByText(/The search stopped at .*2030.*: what is older was not looked at/);
  expect(screen.getByText("Nothing found yet.")).toBeTruthy();
  await user.click(screen.getByRole("button", { name: "Search further" }));
  await waitFor(() => expect(rows()).toHaveLength(1));
  expect(screen.getByText("That is all.")).toBeTruthy();
});

test("what is new is counted and waits; what is there already changes where it stands", async () => {
  let known = [makeTask(2, QUEUED), makeTask(1)];
  const { user } = await open("/tasks", () => ({ tasks: known }));
  await waitFor(() => expect(rows()).toHaveLength(2));
  expect(rows()[0]?.textContent).toContain("queued");
  known = [makeTask(4), makeTask(3), makeTask(2), makeTask(1)];
  const news = await screen.findByRole("button", { name: "2 new: show" });
  expect(rows()).toHaveLength(2);
  await waitFor(() => expect(rows()[0]?.textContent).toContain("completed"));
  await user.click(news);
  await waitFor(() => expect(rows()).toHaveLength(4));
  expect(rows()[0]?.textContent).toContain("task-4");
  expect(screen.queryByRole("button", { name: /new: show/ })).toBeNull();
});

test("while it is paused nobody looks for news", async () => {
  const { gateway, user } = await open("/tasks", () => ({ tasks: [makeTask(1)] }));
  await waitFor(() => expect(rows()).toHaveLength(1));
  await user.keyboard("p");
  expect(screen.getByRole("button", { name: "Pause" }).getAttribute("aria-pressed")).toBe("true");
  vi.useFakeTimers({ shouldAdvanceTime: true });
  const before = askedLists(gateway).length;
  await vi.advanceTimersByTimeAsync(20_000);
  expect(askedLists(gateway).length).toBeLessThanOrEqual(before + 1); // one may have been on its way
  vi.useRealTimers();
});

test("a database that is away is said, and asked again by itself", async () => {
  const { gateway } = await show("/tasks", (one) => {
    one.onGet = (_, response) => json(response, 503, { detail: "the database does not answer" });
  });
  await screen.findByText("The database does not answer.");
  giveLists(gateway, () => ({ tasks: [makeTask(1)] }));
  await waitFor(() => expect(rows()).toHaveLength(1));
});

test("views are kept by name, shown, and forgotten", async () => {
  const { user } = await open("/tasks?state=failed&since=24h", () => ({ tasks: [] }));
  await user.click(screen.getByRole("button", { name: "Views" }));
  const dialog = () => within(screen.getByRole("dialog", { name: "Saved views" }));
  await user.type(dialog().getByLabelText("Name of the view"), "Failed today{Enter}");
  expect(JSON.parse(localStorage.getItem("mabos.views") ?? "")).toEqual([
    { name: "Failed today", search: { state: "failed", since: "24h" } },
  ]);
  await user.click(dialog().getByRole("button", { name: "Close" }));
  await user.click(screen.getByRole("button", { name: "Show all" }));
  await waitFor(() => expect(location.search).toBe(""));
  await user.click(screen.getByRole("button", { name: "Views" }));
  await user.click(dialog().getByRole("button", { name: /^Failed today/ }));
  await waitFor(() => expect(location.search).toBe("?state=failed&since=24h"));
  await user.click(await screen.findByRole("button", { name: "View: Failed today" }));
  await user.click(dialog().getByRole("button", { name: "Forget Failed today" }));
  expect(localStorage.getItem("mabos.views")).toBeNull();
});

test("kept views of another console are none", async () => {
  localStorage.setItem("mabos.views", '[{"name": 7}, "x", {"name": "ok", "search": {"agent": "a", "bad": {}}}]');
  const { user } = await open("/tasks", () => ({ tasks: [] }));
  await user.click(screen.getByRole("button", { name: "Views" }));
  expect(screen.getByRole("button", { name: "Forget ok" })).toBeTruthy();
  expect(screen.getAllByRole("button", { name: /^Forget/ })).toHaveLength(1);
});
