/** What changed in a group of workers between two looks at it. Pure. */

import type { Workers } from "../api/operations";

type Member = Workers["members"][number];

const KEPT = 50;

/** Partitions that went from one worker to another; null stands for nobody. */
export interface Move {
  partitions: readonly number[];
  from: string | null;
  to: string | null;
}

/** All that changed between two looks. */
export interface Rebalance {
  /** When it was seen, ms since 1970. */
  at: number;
  joined: readonly string[];
  left: readonly string[];
  moves: readonly Move[];
}

/** What was seen of a group so far. */
export interface Watch {
  /** When the watch began, ms since 1970. */
  since: number;
  last: Workers;
  /** The newest first. */
  rebalances: readonly Rebalance[];
}

/** A member as people know it: clients may have the same name, and one host many of them. */
export function nameMember({ client_id, host, member_id }: Member): string {
  return `${client_id} on ${host} (${member_id.slice(0, 8)})`;
}

/** The watch after one more look; it begins anew where another group is looked at. */
export function watchWorkers(watch: Watch | undefined, workers: Workers, at: number): Watch {
  const isSame = watch !== undefined && (watch.last.group === null || watch.last.group === workers.group);
  if (!isSame) return { since: at, last: workers, rebalances: [] };
  const seen = compareWorkers(watch.last, workers, at);
  return { ...watch, last: workers, rebalances: seen ? [seen, ...watch.rebalances].slice(0, KEPT) : watch.rebalances };
}

function compareWorkers(before: Workers, after: Workers, at: number): Rebalance | null {
  const [were, are] = [before.members.map(nameMember), after.members.map(nameMember)];
  const joined = are.filter((name) => !were.includes(name));
  const left = were.filter((name) => !are.includes(name));
  const moves = findMoves(toHolders(before), toHolders(after));
  return joined.length + left.length + moves.length > 0 ? { at, joined, left, moves } : null;
}

function findMoves(before: ReadonlyMap<number, string>, after: ReadonlyMap<number, string>): Move[] {
  const moves = new Map<string, { partitions: number[]; from: string | null; to: string | null }>();
  for (const partition of [...new Set([...before.keys(), ...after.keys()])].sort((one, other) => one - other)) {
    const [from, to] = [before.get(partition) ?? null, after.get(partition) ?? null];
    if (from === to) continue;
    const key = JSON.stringify([from, to]);
    const move = moves.get(key) ?? { partitions: [], from, to };
    move.partitions.push(partition);
    moves.set(key, move);
  }
  return [...moves.values()];
}

function toHolders({ members }: Workers): Map<number, string> {
  return new Map(
    members.flatMap((member) => member.partitions.map(({ partition }) => [partition, nameMember(member)] as const)),
  );
}
