/** Replays in words. Pure. */

import type { Replay } from "../api/replays";
import { nameStretchOf } from "./stretches";

/** Which tasks it takes, in one line. */
export function describeSelection({ selection, replays }: Pick<Replay, "selection" | "replays">): string {
  const { agent_id, task_id, action, statuses, since, until, partitions } = selection;
  const moment = (text: string) => new Date(text).toLocaleString();
  const parts = [
    agent_id !== null && `agent ${agent_id}`,
    task_id !== null && `task ${task_id}`,
    action !== null && `action ${action}`,
    statuses.length > 0 && statuses.map(nameOutcome).join(" or "),
    since !== null && `from ${moment(since)}`,
    until !== null && `until ${moment(until)}`,
    partitions.length > 0 && partitions.map(nameStretchOf).join(" and "),
    replays && "with those of other replays",
  ].filter((part) => part !== false);
  return parts.join(", ") || "all tasks of the log";
}

/** An outcome in words. */
export function nameOutcome(outcome: string): string {
  return outcome.replace("_", " ");
}
