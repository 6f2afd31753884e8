import { screen, within } from "@testing-library/react";
import { expect, test } from "vitest";
import { json } from "../tests/gateway";
import { show } from "../tests/show";
import { agent, traffic } from "../tests/traffic";

const names = () =>
  within(screen.getByRole("table"))
    .getAllByRole("rowheader")
    .map(({ textContent }) => textContent);

async function showAgents(path: string, count: number) {
  const shown = await show(path);
  const all = Array.from({ length: count }, (_, at) =>
    agent(`agent-${String(at).padStart(4, "0")}`, { waiting: at % 7, ...traffic({ completed: at, failed: at % 3 }) }),
  );
  shown.gateway.onGet = ({ url }, response) => {
    const query = new URL(url, "http://gateway").searchParams;
    const rest = all.filter(({ agent_id }) => agent_id > (query.get("after") ?? ""));
    json(response, 200, { agents: rest.slice(0, Number(query.get("limit"))) });
  };
  return shown;
}

test("agents are sorted by the column that is pressed, and the address tells it", async () => {
  const { user } = await showAgents("/agents", 5);
  await screen.findByRole("link", { name: "agent-0004" });
  expect(names()[0]).toBe("agent-0004"); // waits most
  const answered = screen.getByRole("button", { name: "Answered" });
  await user.click(screen.getByRole("button", { name: "Agent" }));
  expect(names()[0]).toBe("agent-0000");
  expect(screen.getByRole("columnheader", { name: "Agent" }).getAttribute("aria-sort")).toBe("ascending");
  await user.click(answered);
  await user.click(answered);
  expect(location.search).toBe("?sort=-answered");
  expect(screen.getByRole("columnheader", { name: "Answered" }).getAttribute("aria-sort")).toBe("ascending");
  expect(screen.getByRole("link", { name: "agent-0004" }).getAttribute("href")).toBe("/tasks?agent=agent-0004");
});

test("all pages of the gateway are read, and shown page by page", async () => {
  const { user, gateway } = await showAgents("/agents?sort=agent", 1203);
  await screen.findByText("1,203 agents");
  expect(gateway.asked.filter(({ url }) => url.startsWith("/api/agents"))).toHaveLength(3);
  expect(names()).toHaveLength(50);
  await user.click(screen.getByRole("button", { name: "Next" }));
  expect(names()[0]).toBe("agent-0050");
  expect(location.search).toBe("?sort=agent&page=2");
  await user.type(screen.getByRole("searchbox", { name: "Agent ID" }), "0999");
  await screen.findByText("1 agent");
  expect(names()).toEqual(["agent-0999"]);
  expect(location.search).toBe("?sort=agent&text=0999");
});

test("more agents than are sorted here is said", async () => {
  await showAgents("/agents", 2600);
  await screen.findByText("2,000 agents; there are more, which are not sorted here");
});

test("no agents at all says how they come", async () => {
  await showAgents("/agents", 0);
  await screen.findByText(/No task waits, and none was asked or answered in the last hour/);
});
