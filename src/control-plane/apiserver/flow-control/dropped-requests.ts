/**
 * When those who are turned away should come back: later while many are turned away, a little sooner each second in which
 * few are. Source: upstream's util/flowcontrol/dropped_requests_tracker.go.
 */
const MAX_SECONDS = 32;

interface SecondCount {
  second: number;
  count: number;
}

export class DroppedRequests {
  #history: SecondCount[] = [];
  #current: SecondCount = { second: 0, count: 0 };
  #retryAfterSeconds = 1;
  #raisedAt = 0;

  get retryAfterSeconds(): number {
    return this.#retryAfterSeconds;
  }

  /** `nowMs` is wall time. */
  record(nowMs: number): void {
    const second = Math.floor(nowMs / 1000);
    if (this.#current.second === second) {
      this.#current.count++;
      return;
    }
    const oldest = second - Math.min(2 * this.#retryAfterSeconds, MAX_SECONDS);
    this.#history = [...this.#history, this.#current].filter((each) => each.second >= oldest);
    this.#current = { second, count: 1 };
    this.#adjust(second);
  }

  #adjust(second: number): void {
    const seconds = this.#retryAfterSeconds;
    const dropped = this.#history
      .filter((each) => second - each.second <= seconds)
      .reduce((sum, { count }) => sum + count, 0);
    if (second - this.#raisedAt >= seconds && dropped >= 3 * seconds) {
      this.#retryAfterSeconds = Math.min(2 * seconds, MAX_SECONDS);
      this.#raisedAt = second;
    } else if (dropped < seconds && seconds > 1) this.#retryAfterSeconds--;
  }
}
