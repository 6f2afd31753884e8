/** Stretches of partitions, as a form has them: each a text that was typed. Pure. */

import type { components } from "../api/schema";

/** One row of the form. */
export interface StretchDraft {
  /** Tells it from the others while rows come and go. */
  id: number;
  partition: string;
  /** The first offset; empty for the oldest there is. */
  begin: string;
  /** The offset before which it ends; empty for all there is. */
  end: string;
}

/** A stretch as the gateway takes it. */
type Stretch = components["schemas"]["Stretch"];

const MAX_PARTITION = 2 ** 31 - 1;

/** What is wrong with a row that somebody has begun to fill; null if nothing is. */
export function findStretchFault(row: StretchDraft, rows: readonly StretchDraft[]): string | null {
  const partition = readWhole(row.partition, MAX_PARTITION);
  if (row.partition.trim() === "") return isEmpty(row) ? null : "Which partition?";
  if (partition === null) return "A partition is a whole number, such as 7.";
  const [begin, end] = [row.begin, row.end].map((text) => readWhole(text, Number.MAX_SAFE_INTEGER));
  if (row.begin.trim() !== "" && begin === null) return "The first offset is no whole number.";
  if (row.end.trim() !== "" && end === null) return "The last offset is no whole number.";
  if (typeof end === "number" && end <= (begin ?? 0)) return "It ends before it begins.";
  const same = rows.filter((other) => readWhole(other.partition, MAX_PARTITION) === partition);
  return same.length > 1 ? `Partition ${partition} is there twice.` : null;
}

/** What the gateway is asked for; rows that are empty mean nothing. They must be without fault. */
export function toStretches(rows: readonly StretchDraft[]): Stretch[] {
  return rows
    .filter((row) => !isEmpty(row))
    .map(({ partition, begin, end }) => ({
      partition: Number(partition),
      begin: readWhole(begin, Number.MAX_SAFE_INTEGER),
      end: readWhole(end, Number.MAX_SAFE_INTEGER),
    }));
}

/** A stretch in words, such as "partition 7 from offset 1200 to before 1500". */
export function nameStretchOf({ partition, begin, end }: Stretch): string {
  const from = begin ?? null;
  const before = end ?? null;
  const words = [`partition ${partition}`];
  if (from !== null) words.push(`from offset ${from}`);
  if (before !== null) words.push(from === null ? `before offset ${before}` : `to before ${before}`);
  return words.join(" ");
}

function isEmpty({ partition, begin, end }: StretchDraft): boolean {
  return `${partition}${begin}${end}`.trim() === "";
}

function readWhole(text: string, greatest: number): number | null {
  const value = /^\d+$/.test(text.trim()) ? Number(text) : Number.NaN;
  return value <= greatest ? value : null;
}
