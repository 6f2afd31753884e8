/** Quantities for people. Pure. */

import { showDuration } from "./time";

/** How long something took; a dash where it was not measured. */
export function showMeasured(ms: number | null): string {
  if (ms === null) return "–";
  return ms > 0 && ms < 1 ? "< 1 ms" : showDuration(ms);
}

/** How long something has been waiting so far, in whole seconds: it goes on while it is read. */
export function showWait(ms: number): string {
  return showDuration(Math.max(1, Math.round(ms / 1000)) * 1000);
}

/** A rate in the unit in which it is a number that says something, such as "12/s" or "3.5/min". */
export function showRate(perS: number): string {
  if (perS <= 0) return "0/s";
  for (const [seconds, name] of [
    [1, "s"],
    [60, "min"],
  ] as const) {
    const rate = perS * seconds;
    if (rate >= 1) return `${rate >= 10 ? showCount(Math.round(rate)) : trim(rate)}/${name}`;
  }
  return `${trim(perS * 3600)}/h`;
}

/** A whole number with its thousands apart. */
export function showCount(count: number): string {
  return count.toLocaleString();
}

/** A share of a whole in percent; never 100 % while anything is missing, never 0 % while there is anything. */
export function showShare(part: number, whole: number): string {
  if (whole === 0) return "–";
  const percent = (100 * part) / whole;
  if (part === 0 || part === whole) return `${percent} %`;
  return `${trim(Math.min(99.9, Math.max(0.1, percent)))} %`;
}

/** A size such as "12 kB", in steps of 1000. */
export function showBytes(bytes: number): string {
  const names = ["B", "kB", "MB", "GB", "TB"];
  const step = bytes < 1 ? 0 : Math.min(names.length - 1, Math.floor(Math.log10(bytes) / 3));
  const value = bytes / 1000 ** step;
  return `${value < 10 && step > 0 ? trim(value) : Math.round(value)} ${names[step]}`;
}

/** A number and its noun: "1 task", "1,200 tasks". */
export function countOf(count: number, one: string, many = `${one}s`): string {
  return `${showCount(count)} ${count === 1 ? one : many}`;
}

/** One decimal at most. */
function trim(value: number): string {
  return String(Math.round(value * 10) / 10);
}
