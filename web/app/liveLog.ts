/** What came on the live stream, in order, bounded; held back while somebody reads. No React in it. */

import type { Arrival } from "../api/responses";

export interface Row extends Arrival {
  /** Counts up from 1 in the order of arrival. */
  number: number;
}

export interface LiveView {
  /** Oldest first. The same array each time: `version` says that it changed. */
  rows: readonly Row[];
  /** How many came since it is held. */
  held: number;
  version: number;
}

/** A log of arrivals for a list: no more than `limit` rows, told at most once per `everyMs`. */
export class LiveLog {
  private rows: Row[] = [];
  private waiting: Row[] = [];
  private isHeld = false;
  private count = 0;
  private view: LiveView = { rows: this.rows, held: 0, version: 0 };
  private timer: ReturnType<typeof setTimeout> | undefined;
  private readonly listeners = new Set<() => void>();

  constructor(
    private readonly limit = 100_000,
    private readonly everyMs = 100,
  ) {}

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  readonly getView = (): LiveView => this.view;

  /** Take what came. */
  push(arrivals: readonly Arrival[]): void {
    for (const arrival of arrivals) {
      this.count += 1;
      this.waiting.push({ ...arrival, number: this.count });
    }
    if (this.waiting.length > this.limit * 1.1) this.waiting.splice(0, this.waiting.length - this.limit);
    this.timer ??= setTimeout(() => this.tell(), this.everyMs);
  }

  /** Keep what comes apart, or let it in again with all that was kept. */
  hold(isHeld: boolean): void {
    if (this.isHeld === isHeld) return;
    this.isHeld = isHeld;
    this.tell();
  }

  /** Let in what was kept, and go on holding. */
  release(): void {
    this.letIn();
    this.tell();
  }

  /** Forget everything. */
  clear(): void {
    this.rows = [];
    this.waiting = [];
    this.tell();
  }

  private tell(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (!this.isHeld) this.letIn();
    this.view = { rows: this.rows, held: this.waiting.length, version: this.view.version + 1 };
    for (const listener of this.listeners) listener();
  }

  private letIn(): void {
    for (const row of this.waiting) this.rows.push(row);
    this.waiting = [];
    // a tenth at a time: cutting one row for each that comes would move the whole array each time
    if (this.rows.length > this.limit * 1.1) this.rows.splice(0, this.rows.length - this.limit);
  }
}
