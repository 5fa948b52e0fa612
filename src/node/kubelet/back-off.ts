/**
 * How long to wait before trying a thing again that keeps failing: doubling from `initialMs` to `maxMs`, forgotten when
 * the thing did well for twice the maximum. Behaves as upstream's flowcontrol.Backoff, whose numbers users know.
 */
import type { Clock } from '#base/clock.ts';

interface Entry {
  waitMs: number;
  updatedAt: number;
  /** The failure that is waited for, and how much was left when it was first asked after, at which monotonic time. */
  waiting?: { since: number; leftMs: number; atMs: number };
}

export class BackOff {
  readonly #clock: Clock;
  readonly #initialMs: number;
  readonly #maxMs: number;
  readonly #entries = new Map<string, Entry>();

  constructor(clock: Clock, { initialMs, maxMs }: { initialMs: number; maxMs: number }) {
    this.#clock = clock;
    this.#initialMs = initialMs;
    this.#maxMs = maxMs;
  }

  /** One more failure, which happened at `at`. */
  next(key: string, at = this.#clock.now()): void {
    const entry = this.#entries.get(key);
    const waitMs = !entry || this.#isForgotten(entry, at) ? this.#initialMs : Math.min(entry.waitMs * 2, this.#maxMs);
    this.#entries.set(key, { waitMs, updatedAt: this.#clock.now() });
  }

  /** How much of the wait after a failure at `since` is left; 0: try now. */
  leftMs(key: string, since?: number): number {
    const entry = this.#entries.get(key);
    const from = since ?? entry?.updatedAt ?? 0;
    if (!entry || this.#isForgotten(entry, from)) return 0;
    if (entry.waiting?.since !== from) {
      const leftMs = Math.min(entry.waitMs, Math.max(0, from + entry.waitMs - this.#clock.now()));
      entry.waiting = { since: from, leftMs, atMs: this.#clock.monotonicMs() };
    }
    // From then on only time itself counts: somebody may set the wall clock.
    return Math.max(0, entry.waiting.leftMs - (this.#clock.monotonicMs() - entry.waiting.atMs));
  }

  /** The whole wait that applies now. */
  waitMs(key: string): number {
    return this.#entries.get(key)?.waitMs ?? 0;
  }

  /** Forgets what begins with this. */
  forget(prefix: string): void {
    for (const key of this.#entries.keys()) if (key.startsWith(prefix)) this.#entries.delete(key);
  }

  #isForgotten(entry: Entry, at: number): boolean {
    return at - entry.updatedAt > 2 * this.#maxMs;
  }
}
