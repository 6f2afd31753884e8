import { expect, test } from "vitest";
import type { Workers } from "../api/operations";
import { type Watch, watchWorkers } from "./rebalances";

const toPartition = (partition: number) => ({ partition, lag: 0, committed: 0, end: 0, expired: 0 });

/** Three partitions, and who has which of them. */
function group(holders: Record<string, number[]>, name: string | null = "mabos"): Workers {
  const members = Object.entries(holders).map(([id, numbers]) => ({
    member_id: `${id}-member`,
    client_id: id,
    host: "h",
    partitions: numbers.map(toPartition),
    lag: 0,
  }));
  const held = Object.values(holders).flat();
  const unassigned = [0, 1, 2].filter((number) => !held.includes(number)).map(toPartition);
  return { group: name, state: "stable", protocol: "consumer", members, unassigned, lag: 0, others: [] };
}

const watchAll = (looks: Workers[]) =>
  looks.reduce<Watch | undefined>((watch, look, at) => watchWorkers(watch, look, at), undefined);

test("a look that shows the same is no rebalance, whatever waits", () => {
  const one = group({ a: [0, 1, 2] });
  expect(watchAll([one, { ...one, lag: 7 }, one])).toMatchObject({ since: 0, rebalances: [] });
});

test("who came, who went, and which partitions changed hands, the newest first", () => {
  const watch = watchAll([group({ a: [0, 1, 2] }), group({ a: [0], b: [1, 2] }), group({ b: [1, 2] })]);
  const [a, b] = ["a on h (a-member)", "b on h (b-member)"];
  expect(watch?.rebalances).toEqual([
    { at: 2, joined: [], left: [a], moves: [{ partitions: [0], from: a, to: null }] },
    { at: 1, joined: [b], left: [], moves: [{ partitions: [1, 2], from: a, to: b }] },
  ]);
});

test("the first worker ever is news; another group begins another watch", () => {
  const first = watchAll([group({}, null), group({ a: [0, 1, 2] })]);
  expect(first?.rebalances[0]?.moves).toEqual([{ partitions: [0, 1, 2], from: null, to: "a on h (a-member)" }]);
  expect(watchAll([group({ a: [0] }), group({ b: [0] }, "second")])).toMatchObject({ since: 1, rebalances: [] });
});

test("no more than fifty are kept", () => {
  const looks = Array.from({ length: 70 }, (_, at) => group(at % 2 ? { a: [0] } : { b: [0] }));
  expect(watchAll(looks)?.rebalances.map(({ at }) => at)).toEqual(Array.from({ length: 50 }, (_, back) => 69 - back));
});
