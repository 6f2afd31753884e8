/** Dead letters as the gateway gives them. */

import type { Letter, LetterGroup, RedrivePlan } from "../api/letters";

/** A letter of a handler that raised. */
export function letter(offset: number, part: Partial<Letter> = {}): Letter {
  return {
    position: `mabos.tasks.dead-letters:7:${offset}`,
    dead_at: "2026-03-01T12:00:00Z",
    code: "handler_failed",
    message: `ValueError: no customer ${offset}`,
    cause_id: "c1",
    agent_id: "billing",
    task_id: `t${offset}`,
    action: "invoice",
    attempts: 3,
    origin: `mabos.tasks.requests:7:${offset}`,
    redriven: [],
    can_redrive: true,
    why_not: null,
    ...part,
  };
}

/** What they have in common. */
export function group(count: number, part: Partial<LetterGroup> = {}): LetterGroup {
  return {
    cause_id: "c1",
    code: "handler_failed",
    message: "ValueError: no customer 9",
    action: "invoice",
    count,
    waiting: count,
    agents: 1,
    oldest_at: "2026-03-01T12:00:00Z",
    newest_at: "2026-03-01T13:00:00Z",
    ...part,
  };
}

/** A plan for the letters at some offsets. */
export function plan(offsets: readonly number[], part: Partial<RedrivePlan> = {}): RedrivePlan {
  return {
    plan_id: "p1",
    count: offsets.length,
    agents: 1,
    oldest_at: "2026-03-01T12:00:00Z",
    newest_at: "2026-03-01T13:00:00Z",
    expires_at: "2026-03-02T12:00:00Z",
    applied_at: null,
    has_more: false,
    tasks: offsets.map((offset) => ({
      letter: letter(offset).position,
      task_id: `new-${offset}`,
      agent_id: "billing",
      action: "invoice",
    })),
    refused: [],
    refused_count: 0,
    ...part,
  };
}
