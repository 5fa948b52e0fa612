/** How often something may happen: a few times at once, and then at a rate. Source: golang.org/x/time/rate, Limiter.Allow. */

export interface Rate {
  perSecond: number;
  /** How many at once. */
  burst: number;
}

/** Full at first. Times in ms, of any clock that does not go back. */
export class TokenBucket {
  readonly #rate: Rate;
  #tokens: number;
  #atMs: number;

  constructor(rate: Rate, nowMs: number) {
    this.#rate = rate;
    this.#tokens = rate.burst;
    this.#atMs = nowMs;
  }

  /** @returns whether there was one */
  take(nowMs: number): boolean {
    const { perSecond, burst } = this.#rate;
    this.#tokens = Math.min(burst, this.#tokens + ((nowMs - this.#atMs) / 1000) * perSecond);
    this.#atMs = nowMs;
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }
}
