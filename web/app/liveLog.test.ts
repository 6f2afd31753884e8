// @vitest-environment node
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Arrival } from "../api/responses";
import { LiveLog } from "./liveLog";

const arrival = { text: "{}" } as Arrival;
const some = (count: number) => Array.from({ length: count }, () => arrival);
const numbers = (log: LiveLog) => log.getView().rows.map(({ number }) => number);

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("rows are told together, not one by one", () => {
  const log = new LiveLog();
  const listener = vi.fn();
  log.subscribe(listener);
  log.push(some(1));
  log.push(some(2));
  expect(listener).not.toHaveBeenCalled();
  vi.advanceTimersByTime(100);
  expect(listener).toHaveBeenCalledTimes(1);
  expect(numbers(log)).toEqual([1, 2, 3]);
});

test("what comes while it is held waits, and is let in whole", () => {
  const log = new LiveLog();
  log.push(some(1));
  vi.advanceTimersByTime(100);
  log.hold(true);
  log.push(some(2));
  vi.advanceTimersByTime(100);
  expect(numbers(log)).toEqual([1]);
  expect(log.getView().held).toBe(2);
  log.release();
  expect(numbers(log)).toEqual([1, 2, 3]);
  expect(log.getView().held).toBe(0);
  log.push(some(1));
  vi.advanceTimersByTime(100);
  expect(log.getView().held).toBe(1); // still held
  log.hold(false);
  expect(numbers(log)).toEqual([1, 2, 3, 4]);
});

test("the oldest go when there are too many, held or not", () => {
  const log = new LiveLog(100);
  log.push(some(150));
  vi.advanceTimersByTime(100);
  expect([numbers(log)[0], numbers(log).length]).toEqual([51, 100]);
  log.hold(true);
  log.push(some(300));
  vi.advanceTimersByTime(100);
  expect(log.getView().held).toBe(100);
});

test("a log that was cleared is empty", () => {
  const log = new LiveLog();
  log.push(some(3));
  log.clear();
  vi.advanceTimersByTime(100);
  expect(numbers(log)).toEqual([]);
});
