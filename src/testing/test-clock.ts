/** The time of a test cluster: its own, which stands still until the test lets it pass, or the machine's. */
import type { Clock, Timer } from '#base/clock.ts';
import { sleep } from '#base/clock.ts';
import { ManualClock } from '#base/manual-clock.ts';
import { systemClock } from '#cmd/system-clock.ts';

/** `24h`, `1h30m`, `500ms`; or milliseconds. */
export type Duration = string | number;

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

export function millisecondsOf(duration: Duration): number {
  if (typeof duration === 'number') return duration;
  const parts = [...duration.matchAll(/(\d+(?:\.\d+)?)(ms|[smhd])/g)];
  if (parts.length === 0 || parts.map(([text]) => text).join('') !== duration)
    throw new RangeError(`${JSON.stringify(duration)} is not a duration such as 24h, 1h30m or 500ms`);
  return parts.reduce((sum, [, count, unit]) => sum + Number(count) * UNITS[unit!]!, 0);
}

export class TestClock implements Clock {
  readonly isVirtual: boolean;
  readonly #manual: ManualClock;
  readonly #settles: () => Promise<void>;

  /** `settles`: resolves when nothing is left to do at this time. */
  constructor(kind: 'virtual' | 'real', settles: () => Promise<void>) {
    this.isVirtual = kind === 'virtual';
    this.#manual = new ManualClock();
    this.#settles = settles;
  }

  now(): number {
    return this.isVirtual ? this.#manual.now() : systemClock.now();
  }

  monotonicMs(): number {
    return this.isVirtual ? this.#manual.monotonicMs() : systemClock.monotonicMs();
  }

  timer(afterMs: number, due: () => void): Timer {
    return (this.isVirtual ? this.#manual : systemClock).timer(afterMs, due);
  }

  /** Fires what is due now. True when there was something. */
  fireDue(): boolean {
    if (!this.isVirtual || (this.#manual.nextDueMs ?? Number.POSITIVE_INFINITY) > this.#manual.now()) return false;
    this.#manual.advance(0);
    return true;
  }

  /** Lets so much time pass at once: what becomes due meanwhile begins, and nothing is waited for. */
  jump(duration: Duration): void {
    if (this.isVirtual) this.#manual.advance(millisecondsOf(duration));
  }

  /**
   * Lets so much time pass: the cluster settles at every moment at which a timer is due, in their order. On the machine's
   * clock this waits.
   */
  async advance(duration: Duration): Promise<void> {
    const ms = millisecondsOf(duration);
    if (!this.isVirtual) {
      await sleep(systemClock, ms);
      return this.#settles();
    }
    const clock = this.#manual;
    const endMs = clock.now() + ms;
    await this.#settles();
    for (let dueMs = clock.nextDueMs; dueMs !== undefined && dueMs <= endMs; dueMs = clock.nextDueMs) {
      clock.advance(Math.max(0, dueMs - clock.now()));
      await this.#settles();
    }
    clock.advance(endMs - clock.now());
    await this.#settles();
  }
}
