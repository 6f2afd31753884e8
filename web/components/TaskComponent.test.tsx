import { render, screen, waitFor, within } from "@testing-library/react";
import type userEvent from "@testing-library/user-event";
import { expect, test } from "vitest";
import { Console } from "../app/Console";
import { asEvent, json } from "../tests/gateway";
import { show } from "../tests/show";

type User = ReturnType<typeof userEvent.setup>;

const field = (name: string) => screen.getByLabelText<HTMLInputElement>(new RegExp(`^${name}`));
const button = () => screen.getByRole("button", { name: "Create task" });

async function fill(user: User, { agent = "agent_1", payload = '{"action": "test"}' } = {}): Promise<void> {
  await screen.findByRole("button", { name: "Create task" });
  await user.clear(field("Agent ID"));
  if (agent !== "") await user.type(field("Agent ID"), agent);
  await user.clear(field("Payload"));
  await user.click(field("Payload"));
  await user.paste(payload);
}

test("a task is sent, and its outcome shown as it comes", async () => {
  const { gateway, user } = await show("/create");
  await fill(user, { payload: '{"action": "test", "n": 9007199254740993}' });
  await user.type(field("Task ID"), "1");
  await user.click(button());
  await waitFor(() => expect(gateway.streams).toHaveLength(1));
  const post = gateway.asked.find(({ method }) => method === "POST");
  expect(post?.body).toBe('{"task_id":"1","agent_id":"agent_1","payload":{"action": "test", "n": 9007199254740993}}');
  expect(gateway.askedStreams[0]?.url).toContain("position=mabos.tasks.requests%3A4%3A25");
  const outcome = within(screen.getByRole("region", { name: "Outcome" }));
  expect(outcome.getByText(/waiting/)).toBeTruthy();
  gateway.say(asEvent(1, { status: "in_progress", result: { done: 1 } }));
  await outcome.findByText("in progress");
  gateway.say(asEvent(2, { status: "completed", result: { members: 2 } }));
  await outcome.findByText("completed");
  expect(outcome.getByLabelText("Result").textContent).toBe('{\n  "members": 2\n}');
});

test("invalid JSON keeps its text, tells its place, and the button says why it is off", async () => {
  const { gateway, user } = await show("/create");
  const broken = '{\n  "action": "test"\n  "n": 1\n}';
  await fill(user, { payload: broken });
  expect(field("Payload").value).toBe(broken);
  expect(field("Payload").getAttribute("aria-invalid")).toBe("true");
  expect(button().getAttribute("aria-disabled")).toBe("true");
  expect(screen.getByText("The payload is wrong at line 3, column 3.").id).toBe(
    button().getAttribute("aria-describedby"),
  );
  await user.click(button());
  expect(gateway.asked.filter(({ method }) => method === "POST")).toEqual([]);
  await user.click(screen.getByRole("button", { name: "Line 3, column 3" }));
  expect(document.activeElement).toBe(field("Payload"));
  expect(field("Payload").selectionStart).toBe(broken.indexOf('"n"'));
});

test("every keystroke of a payload is taken, though nearly none of them leaves JSON behind", async () => {
  const { user } = await show("/create");
  await fill(user, { payload: "" });
  const text = '{"a": [1, {"b": "\\n"}]}';
  for (const [at, key] of [...text].entries()) {
    await user.keyboard(key === "{" || key === "[" ? key + key : key);
    expect(field("Payload").value).toBe(text.slice(0, at + 1));
  }
  expect(button().getAttribute("aria-disabled")).toBe("false");
});

test.each([
  [{ agent: "" }, "Name an agent first."],
  [{ agent: "ä".repeat(128) }, "The agent ID takes 256 bytes, at most 255 are allowed."],
  [{ payload: "" }, "The payload is wrong at line 1, column 1."],
])("with %j the button is off and says why", async (draft, reason) => {
  const { user } = await show("/create");
  await fill(user, draft);
  expect(screen.getByText(reason).id).toBe(button().getAttribute("aria-describedby"));
});

test("Ctrl+Enter sends, from wherever one types", async () => {
  const { gateway, user } = await show("/create");
  await fill(user);
  await user.keyboard("{Control>}{Enter}{/Control}");
  await waitFor(() => expect(gateway.streams).toHaveLength(1));
});

test("a refusal is shown at its field, until something is changed", async () => {
  const { gateway, user } = await show("/create");
  gateway.onPost = (_, response) =>
    json(response, 422, {
      detail: "agent_id: is not of this house",
      errors: [{ field: "agent_id", message: "is not of this house" }],
    });
  await fill(user);
  await user.click(button());
  expect(await screen.findByText("agent_id: is not of this house")).toBeTruthy();
  expect(field("Agent ID").getAttribute("aria-invalid")).toBe("true");
  await user.type(field("Agent ID"), "x");
  expect(screen.queryByText(/is not of this house/)).toBeNull();
});

test("without a gateway it says what is known of the task, and whether it may be sent again", async () => {
  const { gateway, user } = await show("/create");
  await fill(user);
  await gateway.leave();
  await user.click(button());
  await screen.findByText(/may be stored or not. Give it a task ID/);
  await user.type(field("Task ID"), "mine");
  await user.click(button());
  await screen.findByText(/may be stored or not. It is safe to send it again/);
});

test("a page that is loaded again has the draft, and follows what was sent", async () => {
  const { gateway, user, page } = await show("/create");
  await fill(user);
  await user.click(button());
  await waitFor(() => expect(gateway.streams).toHaveLength(1));
  await fill(user, { agent: "other", payload: '{"half' });
  page.unmount();
  render(<Console />);
  await screen.findByRole("button", { name: "Create task" });
  expect(field("Agent ID").value).toBe("other");
  expect(field("Payload").value).toBe('{"half');
  await waitFor(() => expect(gateway.askedStreams).toHaveLength(2));
  gateway.say(asEvent(1, { status: "failed", error: { code: "handler_failed", message: "no", retryable: true } }));
  expect(await screen.findByText("handler_failed")).toBeTruthy();
});

test("a kept draft of another console is no draft", async () => {
  await show("/");
  sessionStorage.setItem("mabos.draft", '{"agentId": 7}');
  sessionStorage.setItem("mabos.sent", "nonsense");
  await show("/create");
  await screen.findAllByRole("button", { name: "Create task" });
});

test("what was sent before can be looked at again", async () => {
  const { gateway, user } = await show("/create");
  for (const number of [1, 2]) {
    gateway.onPost = (_, response) =>
      json(response, 202, { message: "", task_id: `task-${number}`, position: `mabos.tasks.requests:4:${number}` });
    await fill(user);
    await user.click(button());
    await waitFor(() => expect(gateway.streams).toHaveLength(number));
  }
  const list = within(screen.getByRole("region", { name: "Sent from this tab" }));
  await user.click(list.getByRole("button", { name: /task-1/ }));
  await waitFor(() => expect(gateway.askedStreams).toHaveLength(3));
  expect(gateway.askedStreams[2]?.url).toContain("/api/tasks/task-1/events");
  expect(list.getByRole("button", { name: /task-1/ }).getAttribute("aria-current")).toBe("true");
});

test("the payload is laid out without losing a digit", async () => {
  const { user } = await show("/create");
  await fill(user, { payload: '{"n":9007199254740993}' });
  await user.click(screen.getByRole("button", { name: "Lay out" }));
  expect(field("Payload").value).toBe('{\n  "n": 9007199254740993\n}');
});

test("the call is there for curl and for Python, and can be copied", async () => {
  const { user } = await show("/create");
  await fill(user, { agent: "" });
  expect(screen.getByText(/stands here once/)).toBeTruthy();
  await fill(user);
  expect(screen.getByLabelText("the call for curl").textContent).toContain("curl -i");
  await user.click(screen.getByLabelText("Python"));
  await user.click(screen.getByRole("button", { name: "Copy the call for Python" }));
  expect(await navigator.clipboard.readText()).toContain("client.call(");
  await screen.findByRole("button", { name: "Copied the call for Python" });
});
