/** Work that several wait for at once is done once; it is given up when nobody waits for it any more. */
import { unlessAborted } from './unless-aborted.ts';

interface Underway<T> {
  result: Promise<T>;
  waiting: number;
  stop: AbortController;
}

export class SharedWork<T> {
  readonly #underway = new Map<string, Underway<T>>();

  /** How many wait. */
  get waiting(): number {
    return [...this.#underway.values()].reduce((sum, { waiting }) => sum + waiting, 0);
  }

  /** Joins what is under way for this key. @throws the signal's reason, as soon as it is given, or what the work throws */
  async run(key: string, work: (signal: AbortSignal) => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    signal?.throwIfAborted();
    const underway = this.#underway.get(key) ?? this.#begin(key, work);
    underway.waiting++;
    try {
      return await unlessAborted(underway.result, signal);
    } finally {
      if (--underway.waiting === 0) {
        if (this.#underway.get(key) === underway) this.#underway.delete(key);
        underway.stop.abort();
      }
    }
  }

  #begin(key: string, work: (signal: AbortSignal) => Promise<T>): Underway<T> {
    const stop = new AbortController();
    const underway = { result: work(stop.signal), waiting: 0, stop };
    underway.result.catch(() => undefined); // nobody may be left to hear it
    this.#underway.set(key, underway);
    return underway;
  }
}
