/** How tasks end, in words. Pure. */

/** Every way to end, in the order in which charts have them: what is usual first. */
export const OUTCOMES = [
  { state: "completed", name: "completed" },
  { state: "cancelled", name: "cancelled" },
  { state: "expired", name: "expired" },
  { state: "rejected", name: "rejected" },
  { state: "timed_out", name: "timed out" },
  { state: "failed", name: "failed" },
] as const;

/** Ends that somebody may want to look at; a cancelled task was meant not to be done. */
export const FAILURES = ["failed", "rejected", "expired", "timed_out"] as const;

/** How many of the tasks that were answered, by state, ended so. */
export function countFailures(outcomes: Readonly<Record<string, number>>): number {
  return FAILURES.reduce((sum, state) => sum + (outcomes[state] ?? 0), 0);
}
