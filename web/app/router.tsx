/** Which address shows which page. */

import { createRootRoute, createRoute, createRouter, redirect } from "@tanstack/react-router";
import type { LiveSearch } from "../components/LiveFilters";
import { CrashPage } from "../pages/CrashPage";
import { CreatePage } from "../pages/CreatePage";
import { LivePage } from "../pages/LivePage";
import { NotFoundPage } from "../pages/NotFoundPage";
import type { AgentSearch } from "../text/agents";
import type { LetterSearch } from "../text/letters";
import { lazyPage } from "./lazyPage";
import { Shell } from "./Shell";
import { pickTexts } from "./search";
import { pickTasksSearch } from "./taskSearch";

const root = createRootRoute({ component: Shell, notFoundComponent: NotFoundPage, errorComponent: CrashPage });

const home = createRoute({
  getParentRoute: () => root,
  path: "/",
  beforeLoad: () => {
    throw redirect({ to: "/overview", replace: true });
  },
});

const create = createRoute({ getParentRoute: () => root, path: "/create", component: CreatePage });

const live = createRoute({
  getParentRoute: () => root,
  path: "/live",
  component: LivePage,
  validateSearch: ({ agent, status }: Record<string, unknown>): LiveSearch => ({
    ...(typeof agent === "string" && agent !== "" ? { agent } : {}),
    ...(typeof status === "string" && status !== "" ? { status } : {}),
  }),
});

const tasks = createRoute({
  getParentRoute: () => root,
  path: "/tasks",
  component: lazyPage("Tasks", () => import("../pages/TasksPage").then((file) => file.TasksPage)),
  validateSearch: pickTasksSearch,
});

const task = createRoute({
  getParentRoute: () => root,
  path: "/tasks/$agentId/$taskId",
  component: lazyPage("Task", () => import("../pages/TaskPage").then((file) => file.TaskPage)),
  validateSearch: ({ position }: Record<string, unknown>): { position?: string } =>
    typeof position === "string" && position !== "" ? { position } : {},
});

const overview = createRoute({
  getParentRoute: () => root,
  path: "/overview",
  component: lazyPage("Overview", () => import("../pages/OverviewPage").then((file) => file.OverviewPage)),
  validateSearch: (search: Record<string, unknown>): { window?: string } => pickTexts(search, ["window"]),
});

const agents = createRoute({
  getParentRoute: () => root,
  path: "/agents",
  component: lazyPage("Agents", () => import("../pages/AgentsPage").then((file) => file.AgentsPage)),
  validateSearch: (search: Record<string, unknown>): AgentSearch =>
    pickTexts(search, ["window", "sort", "text", "page"]),
});

const workers = createRoute({
  getParentRoute: () => root,
  path: "/workers",
  component: lazyPage("Workers", () => import("../pages/WorkersPage").then((file) => file.WorkersPage)),
  validateSearch: (search: Record<string, unknown>): { group?: string } => pickTexts(search, ["group"]),
});

const deadLetters = createRoute({
  getParentRoute: () => root,
  path: "/dead-letters",
  component: lazyPage("Dead letters", () => import("../pages/DeadLettersPage").then((file) => file.DeadLettersPage)),
  validateSearch: (search: Record<string, unknown>): LetterSearch =>
    pickTexts(search, ["cause", "agent", "redriven", "letter"]),
});

const replay = createRoute({
  getParentRoute: () => root,
  path: "/replay",
  component: lazyPage("Replay", () => import("../pages/ReplayPage").then((file) => file.ReplayPage)),
  validateSearch: (search: Record<string, unknown>): { replay?: string } => pickTexts(search, ["replay"]),
});

/** A router of its own for each caller: tests make many. */
export function createConsoleRouter() {
  return createRouter({
    routeTree: root.addChildren([home, create, live, tasks, task, overview, agents, workers, deadLetters, replay]),
    // plain texts: an address that people read and write by hand needs no JSON in it
    parseSearch: (text) => Object.fromEntries(new URLSearchParams(text)),
    stringifySearch: (search) => {
      const query = new URLSearchParams(search as Record<string, string>).toString();
      return query === "" ? "" : `?${query}`;
    },
    scrollRestoration: false,
  });
}

declare module "@tanstack/react-router" {
  interface Register {
    router: ReturnType<typeof createConsoleRouter>;
  }
}
