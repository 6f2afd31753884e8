import { fireEvent, screen, waitFor, within } from "@testing-library/react";
import { expect, test } from "vitest";
import { asEvent, json } from "../tests/gateway";
import { show } from "../tests/show";

const rows = () => screen.queryAllByRole("row").slice(1); // the first has the names of the columns
const openLive = async (path = "/live") => {
  const shown = await show(path);
  await waitFor(() => expect(shown.gateway.streams).toHaveLength(1));
  await screen.findByText("Live", { selector: ".live-state" });
  return shown;
};
const many = (count: number) =>
  Array.from({ length: count }, (_, at) => asEvent(at, { task_id: `task-${at + 1}` })).join("");

test("responses appear newest first, each in one line", async () => {
  const { gateway } = await openLive();
  expect(screen.getByText(/No response has come since/)).toBeTruthy();
  gateway.say(asEvent(1, { task_id: "first", result: { n: 1 } }));
  gateway.say(
    asEvent(2, { task_id: "second", status: "failed", error: { code: "c", message: "m", retryable: false } }),
  );
  await waitFor(() => expect(rows()).toHaveLength(2));
  expect(rows()[0]?.textContent).toContain("second");
  expect(rows()[0]?.textContent).toContain("c: m");
  expect(rows()[1]?.textContent).toContain('{"n":1}');
});

test("of a hundred thousand rows only those in sight are in the document", async () => {
  const { gateway } = await openLive();
  const began = performance.now();
  for (let part = 0; part < 10; part += 1) gateway.say(many(10_000));
  await waitFor(() => expect(screen.getByText("100,000 responses")).toBeTruthy(), { timeout: 30_000 });
  expect(rows().length).toBeLessThan(60);
  expect(screen.getByRole("grid").getAttribute("aria-rowcount")).toBe("100001");
  expect(performance.now() - began).toBeLessThan(30_000);
}, 40_000);

test("while it is paused what comes waits, and is told", async () => {
  const { gateway, user } = await openLive();
  gateway.say(many(1));
  await waitFor(() => expect(rows()).toHaveLength(1));
  await user.keyboard("p");
  gateway.say(many(2));
  const news = await screen.findByRole("button", { name: "2 new: show" });
  expect(rows()).toHaveLength(1);
  expect(screen.getByText("held while paused")).toBeTruthy();
  await user.click(news);
  expect(rows()).toHaveLength(3);
  await user.click(screen.getByRole("button", { name: "Pause" }));
  gateway.say(many(1));
  await waitFor(() => expect(rows()).toHaveLength(4));
});

test("nothing moves under whoever reads: scrolled down, or in the rows", async () => {
  const { gateway, user } = await openLive();
  gateway.say(many(40));
  await waitFor(() => expect(rows().length).toBeGreaterThan(9));
  const body = screen.getByRole("grid").querySelector(".grid-body") as HTMLElement;
  body.scrollTop = 100;
  fireEvent.scroll(body);
  gateway.say(many(1));
  await screen.findByText("held while you read");
  await user.click(screen.getByRole("button", { name: "1 new: show" }));
  expect(body.scrollTop).toBe(0);
  fireEvent.scroll(body);
  await user.click(rows()[3] as HTMLElement);
  gateway.say(many(1));
  await screen.findByRole("button", { name: "1 new: show" });
});

test("the arrows walk through the rows, Enter opens one, Escape closes it", async () => {
  const { gateway, user } = await openLive();
  gateway.say(many(30));
  await waitFor(() => expect(rows().length).toBeGreaterThan(9));
  rows()[0]?.focus();
  await user.keyboard("{ArrowDown}{ArrowDown}");
  expect(document.activeElement?.getAttribute("data-row")).toBe("28");
  await user.keyboard("{End}");
  expect(document.activeElement?.getAttribute("data-row")).toBe("1");
  await user.keyboard("{Home}");
  expect(document.activeElement?.getAttribute("data-row")).toBe("30");
  await user.keyboard("{Enter}");
  const detail = within(screen.getByRole("complementary", { name: "Response" }));
  expect(detail.getByText("task-30")).toBeTruthy();
  expect(detail.getByText("mabos.tasks.responses:4:29")).toBeTruthy();
  await user.keyboard("{Escape}");
  expect(screen.queryByRole("complementary", { name: "Response" })).toBeNull();
});

test("filters are in the address, and asked of the gateway", async () => {
  const { gateway, user } = await openLive("/live?agent=a&status=failed,nonsense");
  expect(gateway.askedStreams[0]?.url).toBe("/api/events?agent_id=a&status=failed");
  gateway.say(many(1));
  await waitFor(() => expect(rows()).toHaveLength(1));
  await user.click(screen.getByRole("button", { name: "rejected" }));
  await waitFor(() => expect(gateway.askedStreams).toHaveLength(2));
  expect(gateway.askedStreams[1]?.url).toBe("/api/events?agent_id=a&status=failed&status=rejected");
  expect(rows()).toHaveLength(0); // the list of before is another list
  expect(location.search).toBe("?agent=a&status=failed%2Crejected");
  await user.type(screen.getByRole("searchbox"), "b");
  await waitFor(() => expect(location.search).toBe("?agent=ab&status=failed%2Crejected"));
  await user.click(screen.getByRole("button", { name: "Show all" }));
  await waitFor(() => expect(location.search).toBe(""));
});

test("a lost stream is told, and opened again", async () => {
  const { gateway } = await openLive();
  gateway.streams[0]?.destroy();
  await screen.findByText("Connection lost, coming back");
  await waitFor(() => expect(gateway.streams).toHaveLength(2), { timeout: 8000 });
  await screen.findByText("Live", { selector: ".live-state" });
});

test("what the gateway refuses is said", async () => {
  const { gateway, user } = await openLive();
  gateway.onStream = (_, response) => json(response, 422, { detail: "agent_id is refused" });
  await user.type(screen.getByRole("searchbox"), "x");
  expect(await screen.findByText("The gateway refuses this: agent_id is refused.")).toBeTruthy();
});

test("times are relative or exact, as was chosen last", async () => {
  const { gateway, user } = await openLive();
  gateway.say(many(1));
  await waitFor(() => expect(rows()).toHaveLength(1));
  const time = () => rows()[0]?.querySelector("time");
  expect(time()?.textContent).toBe("now");
  expect(time()?.title).toContain("T"); // all of it, when pointed at
  await user.click(screen.getByLabelText("Exact"));
  expect(time()?.textContent).toMatch(/^\d\d:\d\d:\d\d\.\d\d\d$/);
  expect(localStorage.getItem("mabos.times")).toBe("exact");
});
