import { screen, waitFor, within } from "@testing-library/react";
import { expect, test } from "vitest";
import type { RedrivePlan } from "../api/letters";
import { json } from "../tests/gateway";
import { group, letter, plan } from "../tests/letters";
import { show } from "../tests/show";

const WHOLE = {
  ...letter(1),
  stack: "Traceback (most recent call last):\nValueError: no customer 1",
  headers: [{ name: "mabos-parent", value: "t0" }],
  key: "billing",
  payload: { action: "invoice" },
  raw: "AAECAw==",
  schema_id: 4,
};

async function showLetters(path: string, made: RedrivePlan = plan([1])) {
  const shown = await show(path);
  shown.gateway.onGet = ({ url }, response) => {
    const { pathname } = new URL(url, "http://gateway");
    if (pathname.endsWith("/groups")) json(response, 200, { groups: [group(2), group(1, { cause_id: "c2" })] });
    else if (pathname === "/api/dead-letters") {
      const refused = letter(3, { can_redrive: false, why_not: "the log no more has it" });
      json(response, 200, { letters: [letter(1), letter(2), refused], cursor: null });
    } else {
      // a number that JavaScript cannot hold
      const text = JSON.stringify({ ...WHOLE, position: letter(1).position });
      const whole = text.replace(
        '"payload":{"action":"invoice"}',
        '"payload":{"action":"invoice","n":9007199254740993}',
      );
      response.writeHead(200, { "content-type": "application/json" }).end(whole);
    }
  };
  shown.gateway.onPost = ({ url }, response) => {
    if (!url.endsWith("/apply")) return json(response, 201, made);
    const tasks = made.tasks.map(({ letter, task_id }) => ({ letter, task_id, position: "mabos.tasks.requests:7:50" }));
    json(response, 202, { plan_id: made.plan_id, published: tasks.length, tasks, refused: [] });
  };
  const posts = () => shown.gateway.asked.filter(({ method }) => method === "POST");
  return { ...shown, posts };
}

test("causes lead to their letters, and filters are in the address", async () => {
  const { user, gateway } = await showLetters("/dead-letters");
  const [first] = await screen.findAllByRole("link", { name: "ValueError: no customer 9" });
  expect(gateway.asked.some(({ url }) => url === "/api/dead-letters/groups?redriven=false")).toBe(true);
  await user.click(screen.getByLabelText("All"));
  expect(location.search).toBe("?redriven=all");
  await waitFor(() => expect(gateway.asked.some(({ url }) => url === "/api/dead-letters/groups")).toBe(true));
  await user.click(first ?? document.body);
  await screen.findByRole("heading", { name: "Dead letters of a cause" });
  expect(location.search).toBe("?redriven=all&cause=c1");
  await user.click(screen.getByRole("link", { name: "All causes" }));
  expect(location.search).toBe("?redriven=all");
});

test("a selection is redriven only after what would be done was shown, and exactly that plan", async () => {
  const { user, posts } = await showLetters("/dead-letters?cause=c1", plan([1, 2]));
  await user.click(await screen.findByRole("checkbox", { name: "Choose every Letter" }));
  expect(screen.getByRole<HTMLInputElement>("checkbox", { name: /7:3$/ }).disabled).toBe(true);
  await user.click(screen.getByRole("button", { name: "Redrive 2 chosen letters…" }));
  const card = within(await screen.findByRole("region", { name: "Redrive" }));
  await card.findByText("2 new tasks for 1 agent");
  expect(posts().map(({ url }) => url)).toEqual(["/api/dead-letters/redrives"]);
  expect(JSON.parse(posts()[0]?.body ?? "")).toEqual({ positions: [letter(1).position, letter(2).position] });
  await user.click(card.getByRole("button", { name: "Publish 2 new tasks" }));
  await card.findByText("What was done");
  expect(posts().at(-1)?.url).toBe("/api/dead-letters/redrives/p1/apply");
  expect(card.getByRole("link", { name: "new-2" }).getAttribute("href")).toBe("/tasks/billing/new-2");
});

test("all that were not redriven are one plan, which says what it leaves out", async () => {
  const refused = [{ letter: letter(3).position, why: "the log no more has it" }];
  const { user, posts } = await showLetters(
    "/dead-letters?cause=c1&agent=billing",
    plan([], { refused, refused_count: 1 }),
  );
  await user.click(await screen.findByRole("button", { name: "Redrive all 2…" }));
  await screen.findByText("Nothing would be published.");
  expect(screen.getByText("the log no more has it")).toBeTruthy();
  expect(JSON.parse(posts()[0]?.body ?? "")).toEqual({ cause_id: "c1", agent_id: "billing" });
  expect(screen.getByRole("button", { name: "Nothing to publish" }).getAttribute("aria-disabled")).toBe("true");
  await user.click(screen.getByRole("button", { name: "Discard" }));
  expect(screen.queryByRole("region", { name: "Redrive" })).toBeNull();
});

test("a letter shows why, its payload, stack, headers and bytes", async () => {
  await showLetters(`/dead-letters?letter=${letter(1).position}`);
  await screen.findByText("ValueError: no customer 1");
  expect(screen.getByRole("region", { name: "Stack" }).textContent).toContain("Traceback");
  expect(screen.getAllByText(/9007199254740993/).length).toBeGreaterThan(0);
  expect(within(screen.getByRole("region", { name: "Headers" })).getByText("mabos-parent")).toBeTruthy();
  expect(screen.getByText("AAECAw==")).toBeTruthy();
  expect(screen.getByText(/schema 4/)).toBeTruthy();
});

test("an edited payload goes out as it was typed, and only if it is JSON", async () => {
  const { user, posts } = await showLetters(`/dead-letters?letter=${letter(1).position}`);
  await user.click(await screen.findByRole("button", { name: "Redrive otherwise…" }));
  const field = screen.getByRole<HTMLTextAreaElement>("textbox", { name: /^Payload/ });
  expect(field.value).toContain("9007199254740993");
  await user.clear(field);
  await user.click(field);
  await user.paste('{"action": "invoice", "n": 9007199254740993,}');
  const button = screen.getByRole("button", { name: "Show what would be done" });
  expect(button.getAttribute("aria-disabled")).toBe("true");
  await user.click(button);
  expect(posts()).toEqual([]);
  await user.clear(field);
  await user.click(field);
  await user.paste('{"action": "invoice", "n": 9007199254740993}');
  await user.click(button);
  await screen.findByText("1 new task for 1 agent");
  expect(posts()[0]?.body).toBe(
    `{"positions":["${letter(1).position}"],"payload":{"action": "invoice", "n": 9007199254740993}}`,
  );
});

test("a gateway that goes while it publishes is told: publishing again is safe", async () => {
  const { user, gateway } = await showLetters("/dead-letters?cause=c1");
  await user.click(await screen.findByRole("button", { name: "Redrive all 2…" }));
  const publish = await screen.findByRole("button", { name: "Publish 1 new task" });
  const comeBack = await gateway.leave();
  await user.click(publish);
  await screen.findByText(/Publish again: nothing is published twice/);
  await comeBack();
  await user.click(publish);
  await screen.findByText("What was done");
});
