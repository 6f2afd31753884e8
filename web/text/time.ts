/** Times for people. Pure. */

const UNITS: [number, string][] = [
  [86_400, "d"],
  [3_600, "h"],
  [60, "min"],
];

/** How long ago a moment was, such as "12 s ago". Both in ms since 1970. */
export function showAge(moment: number, now: number): string {
  const seconds = Math.max(0, Math.round((now - moment) / 1000));
  if (seconds < 2) return "now";
  for (const [size, name] of UNITS) {
    if (seconds >= size) return `${Math.floor(seconds / size)} ${name} ago`;
  }
  return `${seconds} s ago`;
}

/** The local time of day with milliseconds, such as "14:03:07.120". */
export function showClock(moment: number): string {
  const date = new Date(moment);
  const two = (value: number) => String(value).padStart(2, "0");
  const millis = String(date.getMilliseconds()).padStart(3, "0");
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${millis}`;
}

/** Everything about a moment: local date and time with its zone, and UTC. */
export function showMoment(moment: number): string {
  const local = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" }).format(moment);
  return `${local} · ${new Date(moment).toISOString()}`;
}

/** How long something took, such as "12 ms", "1.25 s" or "3 min 4 s". */
export function showDuration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${Number((ms / 1000).toPrecision(3))} s`;
  const seconds = Math.round(ms / 1000);
  for (const [at, [size, name]] of UNITS.entries()) {
    if (seconds < size) continue;
    const [nextSize, nextName] = UNITS[at + 1] ?? [1, "s"];
    const rest = Math.floor((seconds % size) / nextSize);
    return `${Math.floor(seconds / size)} ${name}${rest > 0 ? ` ${rest} ${nextName}` : ""}`;
  }
  return `${seconds} s`;
}
