/** How the road is doing: traffic, agents. */

import { cutWindow, type Stretch, type WindowName, windowSeconds, windowUnit } from "../text/windows";
import { ask, gateway } from "./client";
import type { components } from "./schema";

export type Agent = components["schemas"]["Agent"];
type Traffic = components["schemas"]["Traffic"];

type Part = Omit<components["schemas"]["StatsPart"], "begin">;

/** The traffic of a window, whole and by its stretches; one without traffic and without samples is null. */
export interface WindowTraffic {
  stretches: readonly Stretch[];
  parts: readonly (Part | null)[];
  total: Traffic;
}

export interface AgentList {
  agents: readonly Agent[];
  /** Whether there are more agents, which were not asked for. */
  isCut: boolean;
}

const PAGE = 500;
/** As many agents are sorted and searched here; a road with more is asked for its first ones. */
export const MAX_AGENTS = 2000;

/** What was asked and answered in a window that ends now. */
export async function readTraffic(name: WindowName, signal: AbortSignal): Promise<WindowTraffic> {
  const now = Date.now();
  const stretches = cutWindow(name, now);
  const first = stretches[0]?.from ?? now;
  const query = {
    since: new Date(first).toISOString(),
    until: new Date(now).toISOString(),
    unit: windowUnit(name),
  };
  const stats = await ask(gateway().GET("/api/stats", { params: { query }, signal }));
  const lengthMs = (windowSeconds(name) * 1000) / stretches.length;
  const parts: (Part | null)[] = stretches.map(() => null);
  for (const { begin, ...traffic } of stats.stretches) {
    const index = Math.floor((Date.parse(begin) - first) / lengthMs);
    if (index >= 0 && index < parts.length) parts[index] = traffic;
  }
  return { stretches, parts, total: stats.total };
}

/** All agents, or the first MAX_AGENTS by their ids, with their traffic in a window that ends now. */
export async function readAgents(name: WindowName, signal: AbortSignal): Promise<AgentList> {
  const agents: Agent[] = [];
  for (let after: string | undefined; ; after = agents.at(-1)?.agent_id) {
    const query = { window_s: windowSeconds(name), limit: PAGE, ...(after === undefined ? {} : { after }) };
    const page = await ask(gateway().GET("/api/agents", { params: { query }, signal }));
    agents.push(...page.agents);
    const isLast = page.agents.length < PAGE;
    if (isLast || agents.length >= MAX_AGENTS) return { agents, isCut: !isLast };
  }
}

export type Workers = components["schemas"]["Workers"];
export type WorkerPartition = components["schemas"]["WorkerPartition"];
export type Topic = components["schemas"]["Topic"];

/** The members of a group, and their partitions; without a name, of the group that is at work. */
export function readWorkers(group: string | undefined, signal: AbortSignal): Promise<Workers> {
  const query = group === undefined ? {} : { group };
  return ask(gateway().GET("/api/workers", { params: { query }, signal }));
}

/** The topics of the queue. */
export async function readTopics(signal: AbortSignal): Promise<readonly Topic[]> {
  return (await ask(gateway().GET("/api/topics", { signal }))).topics;
}
