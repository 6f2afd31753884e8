/** Filters of tasks as the address bar has them. Pure. */

import { STATES, type TaskFilter, type TaskState } from "../api/tasks";
import { toMoment } from "../text/span";

const NAMES = ["agent", "action", "state", "since", "until", "text"] as const;

/** Each a plain text: an address that people read and write by hand needs no JSON in it. */
export interface TasksSearch {
  agent?: string;
  action?: string;
  /** States, comma separated. */
  state?: string;
  /** "1h" for an hour ago, or ISO 8601. */
  since?: string;
  until?: string;
  text?: string;
}

/** The filters in an address; what is none is left out. */
export function pickTasksSearch(found: Record<string, unknown>): TasksSearch {
  const texts = NAMES.map((name) => [name, found[name]] as const);
  return Object.fromEntries(texts.filter(([, value]) => typeof value === "string" && value !== ""));
}

/** The states that a text names, in their usual order; words that are none are left out. */
export function parseStates(text: string): TaskState[] {
  const named = new Set(text.split(","));
  return STATES.filter((state) => named.has(state));
}

/** What the gateway is asked for. `now` in ms since 1970. */
export function toFilter(search: TasksSearch, now: number): TaskFilter {
  return {
    agent: search.agent,
    action: search.action,
    states: parseStates(search.state ?? ""),
    since: toMoment(search.since, now),
    until: toMoment(search.until, now),
    text: search.text,
  };
}

/** Whether two are the same. */
export function isSameSearch(one: TasksSearch, other: TasksSearch): boolean {
  return NAMES.every((name) => one[name] === other[name]);
}

/** In words, for a list of them. */
export function describeSearch(search: TasksSearch): string {
  const parts = NAMES.flatMap((name) => (search[name] === undefined ? [] : [`${name} ${search[name]}`]));
  return parts.join(" · ") || "all tasks";
}
