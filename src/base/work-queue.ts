/**
 * Keys that wait to be worked on. A key is in the queue once however often it is added, and never worked on by two
 * workers at a time: what arrives while it is being worked on brings it back afterwards.
 */
import type { Clock, Timer } from './clock.ts';

export interface WorkQueueOptions {
  clock: Clock;
  /** How many keys may be worked on at the same time. */
  workers: number;
  /** Must not reject: what failed is added again by the caller, after a delay of its choice. */
  work(key: string): Promise<void>;
}

const NOW = Promise.resolve();

export class WorkQueue {
  readonly #options: WorkQueueOptions;
  readonly #waiting = new Set<string>();
  readonly #active = new Set<string>();
  /** Added while active. */
  readonly #again = new Set<string>();
  readonly #delayed = new Map<string, { dueMs: number; timer: Timer }>();
  #running = false;
  #pumping = false;

  constructor(options: WorkQueueOptions) {
    this.#options = options;
  }

  /** Keys that wait or are being worked on; those that wait for a time are not counted. */
  get busy(): number {
    return this.#waiting.size + this.#active.size + this.#again.size;
  }

  /** It waits, or is being worked on; not when it waits for a time. */
  has(key: string): boolean {
    return this.#waiting.has(key) || this.#active.has(key);
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** Until then keys only gather. */
  start(): void {
    this.#running = true;
    this.#pumpSoon();
  }

  /** What is being worked on ends by itself; nothing new begins. */
  stop(): void {
    this.#running = false;
    this.#waiting.clear();
    this.#again.clear();
    for (const { timer } of this.#delayed.values()) timer.cancel();
    this.#delayed.clear();
  }

  add(key: string): void {
    if (this.#active.has(key)) this.#again.add(key);
    else this.#waiting.add(key);
    this.#pumpSoon();
  }

  /** Of several delays for one key the earliest counts. */
  addAfter(key: string, afterMs: number): void {
    if (afterMs <= 0) {
      this.add(key);
      return;
    }
    const dueMs = this.#options.clock.monotonicMs() + afterMs;
    const delayed = this.#delayed.get(key);
    if (delayed && delayed.dueMs <= dueMs) return;
    delayed?.timer.cancel();
    const timer = this.#options.clock.timer(afterMs, () => {
      this.#delayed.delete(key);
      this.add(key);
    });
    this.#delayed.set(key, { dueMs, timer });
  }

  /** Of a key that waits for a time: it waits for this one instead. Nothing happens to any other. */
  postpone(key: string, afterMs: number): void {
    const delayed = this.#delayed.get(key);
    if (!delayed) return;
    delayed.timer.cancel();
    this.#delayed.delete(key);
    this.addAfter(key, afterMs);
  }

  // A burst of changes from one delivery is taken in whole before the first key is worked on.
  #pumpSoon(): void {
    if (this.#pumping || !this.#running) return;
    this.#pumping = true;
    // Not queueMicrotask, which in Node makes a record of an asynchronous resource each time.
    void NOW.then(() => {
      this.#pumping = false;
      this.#pump();
    });
  }

  #pump(): void {
    if (!this.#running) return;
    for (const key of this.#waiting) {
      if (this.#active.size >= this.#options.workers) return;
      this.#waiting.delete(key);
      this.#active.add(key);
      void this.#options.work(key).then(() => this.#done(key));
    }
  }

  #done(key: string): void {
    this.#active.delete(key);
    if (this.#again.delete(key)) this.#waiting.add(key);
    this.#pumpSoon();
  }
}
