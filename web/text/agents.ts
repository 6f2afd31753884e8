/** Agents in an order that somebody asked for. Pure. */

import type { Agent } from "../api/operations";
import { countFailures } from "./outcomes";

/** What the address says of the page of agents. */
export interface AgentSearch {
  window?: string;
  /** The name of a column; with a minus before it, the other way round. */
  sort?: string;
  /** A part of the id. */
  text?: string;
  /** From 1. */
  page?: string;
}

/** By what agents can be sorted: numbers, largest first, but by their ids from a to z. */
const VALUES = {
  agent: () => 0,
  waiting: ({ waiting }) => waiting,
  oldest: ({ oldest_waiting_at }) => (oldest_waiting_at === null ? null : -Date.parse(oldest_waiting_at)),
  asked: ({ requested }) => requested,
  answered: ({ answered }) => answered,
  wait: ({ wait }) => wait.p95_ms,
  run: ({ run }) => run.p95_ms,
  failed: ({ outcomes }) => countFailures(outcomes),
} satisfies Record<string, (agent: Agent) => number | null>;

export type AgentColumn = keyof typeof VALUES;

export interface AgentOrder {
  by: AgentColumn;
  isTurned: boolean;
}

/** The order that a text names; by what waits, if it names none. */
export function readOrder(text: string | undefined): AgentOrder {
  const isTurned = text?.startsWith("-") ?? false;
  const name = isTurned ? text?.slice(1) : text;
  return name !== undefined && Object.hasOwn(VALUES, name)
    ? { by: name as AgentColumn, isTurned }
    : { by: "waiting", isTurned: false };
}

/** What the address says of an order by this column: the one there is turned round, any other begins. */
export function turnOrder({ by, isTurned }: AgentOrder, column: AgentColumn): string {
  return by === column && !isTurned ? `-${column}` : column;
}

/** The agents with a text in their ids, in order; those without a value are last, either way. */
export function sortAgents(agents: readonly Agent[], { by, isTurned }: AgentOrder, text: string): Agent[] {
  const wanted = text.toLowerCase();
  const sign = isTurned ? -1 : 1;
  const toValue: (agent: Agent) => number | null = VALUES[by];
  return agents
    .filter(({ agent_id }) => agent_id.toLowerCase().includes(wanted))
    .sort((one, other) => {
      const [left, right] = [toValue(one), toValue(other)];
      if (left === null || right === null) return Number(left === null) - Number(right === null) || byId(one, other);
      return sign * (right - left || (by === "agent" ? byId(one, other) : 0)) || byId(one, other);
    });
}

function byId(one: Agent, other: Agent): number {
  return one.agent_id.localeCompare(other.agent_id, undefined, { numeric: true });
}
