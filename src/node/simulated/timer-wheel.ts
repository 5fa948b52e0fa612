/** Thousands of things to be done later, on one timer of the clock. */
import type { Clock, Timer } from '#base/clock.ts';
import { Heap } from '#base/heap.ts';

interface Entry {
  key: string;
  dueMs: number;
  act: () => void;
}

export class TimerWheel {
  readonly #clock: Clock;
  readonly #heap = new Heap<Entry>((a, b) => a.dueMs - b.dueMs);
  readonly #byKey = new Map<string, Entry>();
  #timer: Timer | undefined;
  #timerDueMs = Number.POSITIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Replaces what was to be done for this key. */
  set(key: string, afterMs: number, act: () => void): void {
    this.clear(key);
    const entry = { key, dueMs: this.#clock.monotonicMs() + afterMs, act };
    this.#byKey.set(key, entry);
    this.#heap.push(entry);
    this.#arm(entry.dueMs);
  }

  has(key: string): boolean {
    return this.#byKey.has(key);
  }

  clear(key: string): void {
    const entry = this.#byKey.get(key);
    if (!entry) return;
    this.#byKey.delete(key);
    this.#heap.remove(entry);
  }

  close(): void {
    this.#timer?.cancel();
    for (const key of [...this.#byKey.keys()]) this.clear(key);
  }

  #arm(dueMs: number): void {
    if (dueMs >= this.#timerDueMs) return;
    this.#timer?.cancel();
    this.#timerDueMs = dueMs;
    this.#timer = this.#clock.timer(Math.max(0, dueMs - this.#clock.monotonicMs()), () => this.#turn());
  }

  #turn(): void {
    this.#timerDueMs = Number.POSITIVE_INFINITY;
    const nowMs = this.#clock.monotonicMs();
    let { first } = this.#heap;
    for (; first && first.dueMs <= nowMs; { first } = this.#heap) {
      this.clear(first.key);
      first.act();
    }
    if (first) this.#arm(first.dueMs);
  }
}
