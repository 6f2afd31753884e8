/** Moments as an address has them: "1h" for an hour ago, or ISO 8601. Pure. */

/** The relative ones there are to choose from. */
export const SPANS = [
  { value: "15m", label: "Last 15 minutes" },
  { value: "1h", label: "Last hour" },
  { value: "24h", label: "Last 24 hours" },
  { value: "7d", label: "Last 7 days" },
  { value: "30d", label: "Last 30 days" },
] as const;

const UNIT_MS: Record<string, number> = { m: 60_000, h: 3_600_000, d: 86_400_000 };

/** The moment that a text means, in ISO 8601; undefined where it means none. `now` in ms since 1970. */
export function toMoment(text: string | undefined, now: number): string | undefined {
  if (text === undefined) return undefined;
  const [, count, unit] = /^(\d{1,6})([mhd])$/.exec(text) ?? [];
  const at = count && unit ? now - Number(count) * (UNIT_MS[unit] ?? 0) : Date.parse(text);
  const date = new Date(at);
  return Number.isNaN(date.getTime()) ? undefined : date.toISOString();
}

/** A moment as a field for date and time takes it: local, to the minute; empty for none. */
export function toLocalField(text: string | undefined): string {
  const at = Date.parse(text ?? "");
  if (Number.isNaN(at)) return "";
  return new Date(at - new Date(at).getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

/** What such a field holds, in ISO 8601; undefined if it is empty. */
export function fromLocalField(text: string): string | undefined {
  const at = Date.parse(text); // without a zone: local
  return Number.isNaN(at) ? undefined : new Date(at).toISOString();
}
