/** How many seats a priority level could have used since it was last asked. Source: KEP-1040, "Dispatching". */

/** What is left of a demand after each period of ten seconds: half of it after five minutes. Source: upstream, seatDemandSmoothingCoefficient. */
const SMOOTHING = 0.977;

export interface DemandStatistics {
  highWatermark: number;
  average: number;
  deviation: number;
  smoothed: number;
}

export class SeatDemand {
  #now = 0;
  #sinceMs: number;
  #elapsedMs = 0;
  #integral = 0;
  #integralOfSquares = 0;
  #highest = 0;
  #statistics: DemandStatistics = { highWatermark: 0, average: 0, deviation: 0, smoothed: 0 };

  constructor(nowMs: number) {
    this.#sinceMs = nowMs;
  }

  get statistics(): DemandStatistics {
    return this.#statistics;
  }

  /** From now on it is `seats`. */
  set(seats: number, nowMs: number): void {
    this.#integrate(nowMs);
    this.#now = seats;
    if (seats > this.#highest) this.#highest = seats;
  }

  /** Closes a period and begins the next one. */
  close(nowMs: number): DemandStatistics {
    this.#integrate(nowMs);
    const highWatermark = this.#highest;
    this.#statistics = this.#elapsedMs > 0 ? this.#of(highWatermark) : { ...this.#statistics, highWatermark };
    this.#highest = this.#now;
    this.#elapsedMs = this.#integral = this.#integralOfSquares = 0;
    return this.#statistics;
  }

  #of(highWatermark: number): DemandStatistics {
    const average = this.#integral / this.#elapsedMs;
    const deviation = Math.sqrt(Math.max(0, this.#integralOfSquares / this.#elapsedMs - average * average));
    const envelope = average + deviation;
    const smoothed = Math.max(envelope, SMOOTHING * this.#statistics.smoothed + (1 - SMOOTHING) * envelope);
    return { highWatermark, average, deviation, smoothed };
  }

  #integrate(nowMs: number): void {
    const ms = nowMs - this.#sinceMs;
    if (ms <= 0) return;
    this.#sinceMs = nowMs;
    this.#elapsedMs += ms;
    this.#integral += ms * this.#now;
    this.#integralOfSquares += ms * this.#now * this.#now;
  }
}
