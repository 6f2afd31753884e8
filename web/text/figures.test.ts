// @vitest-environment node
import { describe, expect, test } from "vitest";
import { agent, traffic } from "../tests/traffic";
import { readOrder, sortAgents, turnOrder } from "./agents";
import { countOf, showBytes, showMeasured, showRate, showShare } from "./numbers";
import { countAxis, durationAxis, toHeight } from "./scales";
import { cutWindow, markStretches, readWindow, windowSeconds } from "./windows";

describe("numbers", () => {
  test.each([
    [0, "0/s"],
    [250.4, "250/s"],
    [1.25, "1.3/s"],
    [0.05, "3/min"],
    [0.002, "7.2/h"],
  ])("a rate of %d a second", (rate, shown) => {
    expect(showRate(rate)).toBe(shown);
  });

  test.each([
    [0, 0, "–"],
    [0, 7, "0 %"],
    [7, 7, "100 %"],
    [1, 100_000, "0.1 %"],
    [99_999, 100_000, "99.9 %"],
    [1, 3, "33.3 %"],
  ])("%d of %d: all or nothing is only said where it is so", (part, whole, shown) => {
    expect(showShare(part, whole)).toBe(shown);
  });

  test("durations and sizes", () => {
    expect([null, 0, 0.2, 12.4].map(showMeasured)).toEqual(["–", "0 ms", "< 1 ms", "12 ms"]);
    expect([0, 999, 1500, 25_000_000].map(showBytes)).toEqual(["0 B", "999 B", "1.5 kB", "25 MB"]);
    expect([countOf(1, "task"), countOf(0, "task")]).toEqual(["1 task", "0 tasks"]);
  });
});

describe("an axis", () => {
  test.each([0, 1, 3, 7, 15, 99, 100, 12_345])("of counts up to %d has its top above, and whole marks", (greatest) => {
    const { top, marks } = countAxis(greatest);
    expect(top).toBeGreaterThanOrEqual(Math.max(1, greatest));
    expect(top).toBeLessThanOrEqual(Math.max(1, greatest) * 2);
    expect(marks.every(({ value }) => Number.isInteger(value))).toBe(true);
    expect(marks.length).toBeLessThan(7);
  });

  test.each([
    [512, "600 ms"],
    [1024, "1.5 s"],
    [0.8, "0.8 ms"],
    [4100, "6 s"],
    [200_000, "4 min"],
    [8_000_000, "3 h"],
  ])("of durations up to %d ms ends at %s", (greatest, label) => {
    const { top, marks } = durationAxis(greatest);
    expect(marks.at(-1)?.label).toBe(label);
    expect(top).toBeGreaterThanOrEqual(greatest);
    expect(toHeight(top, { top, marks }, 100)).toBe(100);
  });
});

describe("a window", () => {
  const now = Date.parse("2026-03-01T12:34:56Z");

  test.each(["15m", "1h", "24h", "7d"] as const)(
    "of %s is cut into whole parts, the last of which holds now",
    (name) => {
      const stretches = cutWindow(name, now);
      const [first, last] = [stretches[0], stretches.at(-1)];
      expect(last && last.from <= now && now < last.to).toBe(true);
      expect(((last?.to ?? 0) - (first?.from ?? 0)) / 1000).toBe(windowSeconds(name));
      const marks = markStretches(name, stretches);
      expect(marks.length).toBeGreaterThan(3);
      expect(marks.length).toBeLessThan(9);
    },
  );

  test("that nobody knows is the usual one", () => {
    expect([readWindow("7d"), readWindow("8d"), readWindow(undefined)]).toEqual(["7d", "1h", "1h"]);
  });
});

describe("agents", () => {
  const agents = [
    agent("a10", { waiting: 1, oldest_waiting_at: "2026-01-01T00:00:10Z" }),
    agent("b", { ...traffic({ failed: 1, rejected: 2, completed: 5 }) }),
    agent("a9", { waiting: 4, oldest_waiting_at: "2026-01-01T00:00:50Z" }),
  ];
  const ids = (sort: string, text = "") => sortAgents(agents, readOrder(sort), text).map(({ agent_id }) => agent_id);

  test("are sorted by what a column means, those without a value last, and turned round", () => {
    expect(ids("waiting")).toEqual(["a9", "a10", "b"]);
    expect(ids("oldest")).toEqual(["a10", "a9", "b"]);
    expect(ids("-oldest")).toEqual(["a9", "a10", "b"]);
    expect(ids("failed")[0]).toBe("b");
    expect(ids("agent")).toEqual(["a9", "a10", "b"]);
    expect(ids("-agent")).toEqual(["b", "a10", "a9"]);
  });

  test("are found by a part of their ids, and an order that is none is the usual one", () => {
    expect(ids("toString", "A1")).toEqual(["a10"]);
    expect(turnOrder(readOrder("run"), "run")).toBe("-run");
    expect(turnOrder(readOrder("-run"), "run")).toBe("run");
  });
});
