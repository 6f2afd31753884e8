import { screen, waitFor } from "@testing-library/react";
import { expect, test } from "vitest";
import { type FakeGateway, json } from "../tests/gateway";
import { show } from "../tests/show";
import { giveLists, makeTask } from "../tests/tasks";

const KEY = "mabos_abc_secret";
const CALLER = { name: "key:abc", scopes: ["tasks:read"], agents: ["billing-*"] };

/** A gateway that knows one key. */
function guard(gateway: FakeGateway): void {
  giveLists(gateway, () => ({ tasks: [makeTask(1)] }));
  const { onGet, onStream } = gateway;
  const isKnown = (authorization: string | undefined) => authorization === `Bearer ${KEY}`;
  gateway.onGet = (asked, response) => {
    if (!isKnown(asked.headers.authorization)) json(response, 401, { detail: "the API key is not known" });
    else if (asked.url === "/api/me") json(response, 200, CALLER);
    else onGet(asked, response);
  };
  gateway.onStream = (asked, response) =>
    isKnown(asked.headers.authorization)
      ? onStream(asked, response)
      : json(response, 401, { detail: "say who you are" });
}

async function signInWith(user: Awaited<ReturnType<typeof show>>["user"], key: string) {
  await user.type(await screen.findByLabelText("API key"), `${key}{Enter}`);
}

test("a gateway that wants to know who asks is told, and the page that was wanted comes", async () => {
  const { gateway, user } = await show("/tasks?state=failed", guard);
  await screen.findByRole("heading", { name: "Sign in" });
  await waitFor(() => expect(document.activeElement).toBe(screen.getByLabelText("API key")));
  await signInWith(user, KEY);
  await screen.findByRole("heading", { name: "Tasks" });
  await screen.findByText("task-1");
  expect(location.search).toBe("?state=failed");
  expect(await screen.findByText("key:abc")).toBeTruthy();
  expect(gateway.asked.at(-1)?.headers.authorization).toBe(`Bearer ${KEY}`);
});

test("streams ask with the key, too", async () => {
  const { gateway, user } = await show("/live", guard);
  await signInWith(user, KEY);
  await screen.findByText("Live", { selector: ".live-state" });
  expect(gateway.streams).toHaveLength(1);
});

test("a key that is not taken is said, stays in its field, and is kept nowhere", async () => {
  const { user } = await show("/tasks", guard);
  await signInWith(user, "wrong");
  expect(await screen.findByText("The API key is not known.")).toBeTruthy();
  expect(screen.getByLabelText<HTMLInputElement>("API key").value).toBe("wrong");
  expect([sessionStorage.length, localStorage.length]).toEqual([0, 0]);
  await user.clear(screen.getByLabelText("API key"));
  await user.type(screen.getByLabelText("API key"), "schlüssel");
  expect(screen.getByText(/of ASCII only/)).toBeTruthy();
});

test("a key outlives a reload of its tab, and is never in localStorage", async () => {
  const { user, page } = await show("/tasks", guard);
  await signInWith(user, KEY);
  await screen.findByText("task-1");
  expect(JSON.stringify({ ...localStorage })).not.toContain("secret");
  page.unmount();
  await show("/tasks", guard);
  await screen.findByText("task-1");
});

test("who signs out is asked again, and nothing is left to see", async () => {
  const { user } = await show("/tasks", guard);
  await signInWith(user, KEY);
  await screen.findByText("task-1");
  await user.click(await screen.findByRole("button", { name: "Sign out" }));
  await screen.findByRole("heading", { name: "Sign in" });
  expect(screen.getByText("You have signed out.")).toBeTruthy();
  expect(screen.queryByText("task-1")).toBeNull();
  expect(sessionStorage.getItem("mabos.key")).toBeNull();
});

test("a key that ends in the middle is asked for anew, with what the gateway said", async () => {
  const { gateway, user } = await show("/tasks", guard);
  await signInWith(user, KEY);
  await screen.findByText("task-1");
  gateway.onGet = (_, response) => json(response, 401, { detail: "the API key is not known, or holds no more" });
  await user.keyboard("r");
  expect(await screen.findByText("The API key is not known, or holds no more.")).toBeTruthy();
});

test("what a key may not do is said with the scope that is missing", async () => {
  const { gateway, user } = await show("/tasks", guard);
  await signInWith(user, KEY);
  await screen.findByText("task-1");
  await user.keyboard("gc");
  await user.type(await screen.findByLabelText("Agent ID"), "a");
  gateway.onPost = (_, response) => json(response, 403, { detail: "key:abc lacks the scope tasks:write" });
  await user.click(screen.getByRole("button", { name: "Create task" }));
  expect(await screen.findByText("key:abc lacks the scope tasks:write")).toBeTruthy();
});
