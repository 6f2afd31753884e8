/** What the address says of dead letters. Pure. */

import type { LetterFilter } from "../api/letters";

export interface LetterSearch {
  /** A group's id. */
  cause?: string;
  agent?: string;
  /** "yes" or "all"; without it, those that were not. */
  redriven?: string;
  /** The position of one letter. */
  letter?: string;
}

export const REDRIVEN = [
  { value: "no", label: "Not redriven" },
  { value: "yes", label: "Redriven" },
  { value: "all", label: "All" },
] as const;

export type Redriven = (typeof REDRIVEN)[number]["value"];

/** Which of them are wanted. */
export function readRedriven(text: string | undefined): Redriven {
  return REDRIVEN.find(({ value }) => value === text)?.value ?? "no";
}

/** What the gateway is asked for. */
export function toFilter({ cause, agent, redriven }: LetterSearch): LetterFilter {
  const wanted = readRedriven(redriven);
  return {
    ...(cause === undefined ? {} : { cause }),
    ...(agent === undefined ? {} : { agent_id: agent }),
    ...(wanted === "all" ? {} : { redriven: wanted === "yes" }),
  };
}
