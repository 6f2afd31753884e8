/** Figures as the gateway gives them. */

import type { Agent } from "../api/operations";
import type { components } from "../api/schema";

type Traffic = components["schemas"]["Traffic"];

const NOT_MEASURED = { p50_ms: null, p95_ms: null, p99_ms: null };

/** The traffic of some time: tasks that were answered, by state. */
export function traffic(outcomes: Record<string, number> = {}, part: Partial<Traffic> = {}): Traffic {
  const answered = Object.values(outcomes).reduce((sum, count) => sum + count, 0);
  return { requested: answered, answered, outcomes, wait: NOT_MEASURED, run: NOT_MEASURED, ...part };
}

/** An agent with nothing to do. */
export function agent(agent_id: string, part: Partial<Agent> = {}): Agent {
  return {
    agent_id,
    waiting: 0,
    oldest_waiting_at: null,
    requested_per_s: 0,
    answered_per_s: 0,
    ...traffic(),
    ...part,
  };
}
