import { screen, waitFor, within } from "@testing-library/react";
import { expect, test } from "vitest";
import { show } from "../tests/show";

const heading = (name: string) => screen.findByRole("heading", { name, level: 1 });

test("whoever comes in sees how it goes; each page has an address of its own", async () => {
  const { user } = await show("/");
  await heading("Overview");
  expect(location.pathname).toBe("/overview");
  expect(document.title).toBe("Overview · MABOS");
  await user.click(screen.getByRole("link", { name: "Live" }));
  await heading("Live");
  expect(location.pathname).toBe("/live");
});

test("going to a page puts the focus on its heading, and its name into the tab", async () => {
  const { user } = await show("/live");
  await heading("Live");
  const pages = within(screen.getByRole("navigation"));
  await user.click(pages.getByRole("link", { name: "Create a task" }));
  await waitFor(async () => expect(document.activeElement).toBe(await heading("Create a task")));
  expect(document.title).toBe("Create a task · MABOS");
  expect(pages.getByRole("link", { name: "Create a task" }).getAttribute("aria-current")).toBe("page");
});

test("keys go to pages, but are letters where one types, and can be switched off", async () => {
  const { user } = await show("/live");
  await heading("Live");
  await user.keyboard("gc");
  await heading("Create a task");
  await user.click(screen.getByLabelText("Agent ID"));
  await user.keyboard("gl?");
  expect(screen.getByLabelText<HTMLInputElement>("Agent ID").value).toBe("gl?");
  await user.click(document.body);
  await user.keyboard("?");
  const dialog = screen.getByRole<HTMLDialogElement>("dialog", { name: "Keys" });
  expect(within(dialog).getByText("Go to Live")).toBeTruthy();
  await user.click(within(dialog).getByLabelText("Off"));
  await user.click(within(dialog).getByRole("button", { name: "Close" }));
  await user.click(document.body);
  await user.keyboard("gl?");
  expect(dialog.open).toBe(false);
  expect(location.pathname).toBe("/create");
});

test("an address that is none says so, and leads on", async () => {
  const { user } = await show("/nothing/here");
  await heading("There is no such page");
  expect(screen.getByText("/nothing/here")).toBeTruthy();
  await user.click(within(screen.getByRole("main")).getByRole("link", { name: "the overview" }));
  await heading("Overview");
});

test("a chosen theme is kept, and the system's is none", async () => {
  const { user } = await show("/create");
  await heading("Create a task");
  await user.click(screen.getByLabelText("Dark"));
  expect([document.documentElement.dataset.theme, localStorage.getItem("mabos.theme")]).toEqual(["dark", "dark"]);
  await user.click(screen.getByLabelText("System"));
  expect([document.documentElement.dataset.theme, localStorage.getItem("mabos.theme")]).toEqual([undefined, null]);
});

test("a gateway that goes is told, and that it is back", async () => {
  const { gateway, user } = await show("/live");
  await heading("Live");
  await waitFor(() => expect(gateway.streams).toHaveLength(1));
  const comeBack = await gateway.leave();
  await screen.findByText("The gateway is away.");
  await user.keyboard("gc");
  await heading("Create a task"); // the console itself goes on
  await comeBack();
  await screen.findByText("The gateway is back.", undefined, { timeout: 8000 });
  expect(screen.queryByText("The gateway is away.")).toBeNull();
}, 20_000);
