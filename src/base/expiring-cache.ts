/** Remembers values for a time each, and only so many: the one that was set or found longest ago goes first. */
import type { Clock } from './clock.ts';

export class ExpiringCache<V> {
  readonly #entries = new Map<string, { value: V; untilMs: number }>();
  readonly #max: number;
  readonly #clock: Clock;

  constructor({ max, clock }: { max: number; clock: Clock }) {
    this.#max = max;
    this.#clock = clock;
  }

  get(key: string): V | undefined {
    const entry = this.#entries.get(key);
    if (!entry) return undefined;
    this.#entries.delete(key);
    if (entry.untilMs <= this.#clock.monotonicMs()) return undefined;
    this.#entries.set(key, entry);
    return entry.value;
  }

  /** For 0 ms nothing is remembered. */
  set(key: string, value: V, forMs: number): void {
    this.#entries.delete(key);
    if (forMs <= 0) return;
    this.#entries.set(key, { value, untilMs: this.#clock.monotonicMs() + forMs });
    if (this.#entries.size > this.#max) this.#entries.delete(this.#entries.keys().next().value ?? '');
  }
}
