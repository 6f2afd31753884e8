/** Dead letters: records that no handler could handle, and how they are asked again. */

import { findMember } from "../text/json";
import { ask, gateway } from "./client";
import type { components, paths } from "./schema";
import type { JsonText } from "./task";

export type Letter = components["schemas"]["Letter"];
export type LetterPage = components["schemas"]["LetterPage"];
export type LetterGroup = components["schemas"]["LetterGroup"];
export type RedrivePlan = components["schemas"]["RedrivePlan"];
export type RedriveApplied = components["schemas"]["RedriveApplied"];

/** Which letters are wanted; what is not given leaves nothing out. */
export type LetterFilter = Pick<
  NonNullable<paths["/api/dead-letters"]["get"]["parameters"]["query"]>,
  "agent_id" | "cause" | "redriven"
>;

/** A letter with its record; the payload as it stands there, no digit of a number is lost. */
export interface WholeLetter {
  letter: Omit<components["schemas"]["WholeLetter"], "payload">;
  /** JSON, or the text of a foreign program; null where it is not known. */
  payload: string | null;
}

/** Which letters to redrive: some, one with another payload, or all that fit and were not redriven. */
export type Redrive =
  | { positions: readonly string[] }
  | { positions: readonly [string]; payload: JsonText }
  | { cause_id: string; agent_id?: string };

/** What the letters have in common, the most frequent first. */
export async function readGroups(query: LetterFilter, signal: AbortSignal): Promise<readonly LetterGroup[]> {
  return (await ask(gateway().GET("/api/dead-letters/groups", { params: { query }, signal }))).groups;
}

/** A page of letters, newest first. */
export function readLetters(
  filter: LetterFilter,
  { cursor, limit }: { cursor: string | null; limit: number },
  signal: AbortSignal,
): Promise<LetterPage> {
  const query = { ...filter, limit, ...(cursor === null ? {} : { cursor }) };
  return ask(gateway().GET("/api/dead-letters", { params: { query }, signal }));
}

/** One letter. */
export async function readLetter(position: string, signal: AbortSignal): Promise<WholeLetter> {
  const path = { position };
  const text = await ask(
    gateway().GET("/api/dead-letters/{position}", { params: { path }, parseAs: "text", signal }) as Promise<{
      data?: string;
      error?: unknown;
      response: Response;
    }>,
  );
  const { payload, ...letter } = JSON.parse(text) as components["schemas"]["WholeLetter"];
  return { letter, payload: payload === null || typeof payload === "string" ? payload : findMember(text, "payload") };
}

/** Have a plan made: what would be published. Nothing is. */
export function planRedrive(redrive: Redrive): Promise<RedrivePlan> {
  const { payload, ...rest } = "payload" in redrive ? redrive : { ...redrive, payload: null };
  const text = JSON.stringify(rest);
  return ask(
    gateway().POST("/api/dead-letters/redrives", {
      body: { positions: [] }, // for its type: the next line is what goes out, the payload as it was typed
      bodySerializer: () => (payload === null ? text : `${text.slice(0, -1)},"payload":${payload.text}}`),
    }),
  );
}

/** Publish exactly what a plan says. Again, it publishes nothing twice, and answers the same. */
export function applyRedrive(plan_id: string): Promise<RedriveApplied> {
  return ask(gateway().POST("/api/dead-letters/redrives/{plan_id}/apply", { params: { path: { plan_id } } }));
}
