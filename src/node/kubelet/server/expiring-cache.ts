/** Answers that hold for a while. What is asked for twice at once is made once. */
import type { Clock } from '#base/clock.ts';

export class ExpiringCache<T> {
  readonly #clock: Clock;
  readonly #limit: number;
  readonly #entries = new Map<string, { value: Promise<T>; untilMs: number }>();

  constructor(clock: Clock, limit: number) {
    this.#clock = clock;
    this.#limit = limit;
  }

  /** A failure is not remembered. */
  async getOrMake(key: string, make: () => Promise<{ value: T; forMs: number }>): Promise<T> {
    const known = this.#entries.get(key);
    if (known && this.#clock.monotonicMs() < known.untilMs) return known.value;
    const made = make();
    const entry = { value: made.then(({ value }) => value), untilMs: Number.POSITIVE_INFINITY };
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    this.#dropOldest();
    try {
      entry.untilMs = this.#clock.monotonicMs() + (await made).forMs;
    } catch (error) {
      this.#entries.delete(key);
      throw error;
    }
    return entry.value;
  }

  #dropOldest(): void {
    if (this.#entries.size <= this.#limit) return;
    const oldest = this.#entries.keys().next().value;
    if (oldest !== undefined) this.#entries.delete(oldest);
  }
}
