/** The windows of time that charts and lists can have, and the stretches that they are made of. Pure. */

export const WINDOWS = [
  { value: "15m", label: "15 min", words: "the last 15 minutes" },
  { value: "1h", label: "1 h", words: "the last hour" },
  { value: "24h", label: "24 h", words: "the last 24 hours" },
  { value: "7d", label: "7 d", words: "the last 7 days" },
] as const;

export type WindowName = (typeof WINDOWS)[number]["value"];

/** A stretch of time, ms since 1970; its end is not part of it. */
export interface Stretch {
  from: number;
  to: number;
}

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

interface Shape {
  unit: "minute" | "hour";
  unitMs: number;
  count: number;
  /** Whether a stretch that begins at this local time has a mark on the axis. */
  isMarked: (begin: Date) => boolean;
}

const SHAPES: Record<WindowName, Shape> = {
  "15m": { unit: "minute", unitMs: MINUTE_MS, count: 15, isMarked: (begin) => begin.getMinutes() % 3 === 0 },
  "1h": { unit: "minute", unitMs: MINUTE_MS, count: 60, isMarked: (begin) => begin.getMinutes() % 10 === 0 },
  "24h": { unit: "hour", unitMs: HOUR_MS, count: 24, isMarked: (begin) => begin.getHours() % 4 === 0 },
  "7d": { unit: "hour", unitMs: HOUR_MS, count: 168, isMarked: (begin) => begin.getHours() === 0 },
};

export const DEFAULT_WINDOW: WindowName = "1h";

/** The window that a text names; the usual one if it names none. */
export function readWindow(text: string | undefined): WindowName {
  return WINDOWS.find(({ value }) => value === text)?.value ?? DEFAULT_WINDOW;
}

/** How long a window is, in s. */
export function windowSeconds(name: WindowName): number {
  return (SHAPES[name].unitMs * SHAPES[name].count) / 1000;
}

/** In words, such as "the last hour". */
export function nameWindow(name: WindowName): string {
  return WINDOWS.find(({ value }) => value === name)?.words ?? name;
}

/** How long its parts are. */
export function windowUnit(name: WindowName): "minute" | "hour" {
  return SHAPES[name].unit;
}

/** Its parts up to now, oldest first; the last one is not over yet. */
export function cutWindow(name: WindowName, now: number): Stretch[] {
  const { unitMs, count } = SHAPES[name];
  const first = Math.floor(now / unitMs) * unitMs - (count - 1) * unitMs;
  return Array.from({ length: count }, (_, at) => ({ from: first + at * unitMs, to: first + (at + 1) * unitMs }));
}

/** Which of the stretches an axis marks, and how. */
export function markStretches(name: WindowName, stretches: readonly Stretch[]): { index: number; label: string }[] {
  return stretches.flatMap(({ from }, index) => {
    const begin = new Date(from);
    return SHAPES[name].isMarked(begin) ? [{ index, label: name === "7d" ? showDay(begin) : showTime(begin) }] : [];
  });
}

/** A stretch in words, by the local clock: "14:05 to 14:06", with its day where the window has several. */
export function nameStretch(name: WindowName, { from, to }: Stretch): string {
  const begin = new Date(from);
  const day = name === "7d" || name === "24h" ? `${showDay(begin)}, ` : "";
  return `${day}${showTime(begin)} to ${showTime(new Date(to))}`;
}

function showTime(date: Date): string {
  return `${String(date.getHours()).padStart(2, "0")}:${String(date.getMinutes()).padStart(2, "0")}`;
}

function showDay(date: Date): string {
  return new Intl.DateTimeFormat(undefined, { weekday: "short", day: "numeric" }).format(date);
}
