/** Which revision the store had at what time, as far as somebody has looked. Lives with the process. */
import type { Clock } from '#base/clock.ts';
import type { Revision } from './storage.ts';

const ENOUGH = 1000; // samples: at one a minute, most of a day

export class RevisionTimes {
  readonly #clock: Clock;
  #samples: { atMs: number; revision: Revision }[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  note(revision: Revision): void {
    this.#samples.push({ atMs: this.#clock.monotonicMs(), revision });
    if (this.#samples.length <= ENOUGH) return;
    // Every second one of the older half: what is long ago need not be known to the minute.
    this.#samples = this.#samples.filter((_, index) => index % 2 === 0 || index > ENOUGH / 2);
  }

  /** The newest revision known to be at least this old; undefined when nobody looked that long ago. */
  ago(ageMs: number): Revision | undefined {
    const before = this.#clock.monotonicMs() - ageMs;
    return this.#samples.findLast(({ atMs }) => atMs <= before)?.revision;
  }
}
