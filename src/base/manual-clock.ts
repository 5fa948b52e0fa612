import type { Clock, Timer } from './clock.ts';
import { Heap } from './heap.ts';

interface Pending {
  dueMs: number;
  order: number;
  due: () => void;
}

/** A clock that moves only when told. Timers fire in the order they are due, and in the order they were set when equal. */
export class ManualClock implements Clock {
  #nowMs: number;
  #order = 0;
  readonly #pending = new Heap<Pending>((a, b) => a.dueMs - b.dueMs || a.order - b.order);

  constructor(startMs = Date.UTC(2026, 0, 1)) {
    this.#nowMs = startMs;
  }

  now(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  timer(afterMs: number, due: () => void): Timer {
    const pending: Pending = { dueMs: this.#nowMs + Math.max(0, afterMs), order: this.#order++, due };
    this.#pending.push(pending);
    return { cancel: () => void this.#pending.remove(pending) };
  }

  /** When the next timer is due, in ms since the epoch; undefined when none is set. */
  get nextDueMs(): number | undefined {
    return this.#pending.first?.dueMs;
  }

  /** Moves on by `ms`, firing what becomes due on the way. Does not wait for promises: see `settles` in testing. */
  advance(ms: number): void {
    const targetMs = this.#nowMs + ms;
    for (let { first } = this.#pending; first && first.dueMs <= targetMs; { first } = this.#pending) {
      this.#pending.pop();
      this.#nowMs = Math.max(this.#nowMs, first.dueMs);
      first.due();
    }
    this.#nowMs = targetMs;
  }
}
