/**
 * Until when requests must be answered. Nearly all have the same time, so that they end in the order in which they came:
 * one timer serves them all. Source: upstream's filters request_deadline.go and timeout.go.
 */
import { goDurationMs } from '#api/machinery/go-duration.ts';
import { badRequest } from '#api/machinery/status.ts';
import type { Clock, Timer } from '#base/clock.ts';
import { type Linked, LinkedList } from '#base/linked-list.ts';

/** Source: kube-apiserver, --request-timeout. */
export const REQUEST_TIMEOUT_MS = 60_000;

export interface Deadline {
  /** The request is over. */
  end(): void;
}

class Entry implements Deadline, Linked<Entry> {
  previous: Entry | undefined;
  next: Entry | undefined;
  readonly dueMs: number;
  readonly missed: () => void;
  readonly #all: LinkedList<Entry>;

  constructor(all: LinkedList<Entry>, dueMs: number, missed: () => void) {
    this.#all = all;
    this.dueMs = dueMs;
    this.missed = missed;
    all.add(this);
  }

  end(): void {
    this.#all.delete(this);
  }
}

export class RequestDeadlines {
  readonly #clock: Clock;
  readonly #maxMs: number;
  readonly #entries = new LinkedList<Entry>();
  #timer: Timer | undefined;

  constructor(clock: Clock, maxMs = REQUEST_TIMEOUT_MS) {
    this.#clock = clock;
    this.#maxMs = maxMs;
  }

  get maxMs(): number {
    return this.#maxMs;
  }

  /** `afterMs` undefined: the longest time. */
  begin(afterMs: number | undefined, missed: () => void): Deadline {
    if (afterMs !== undefined && afterMs < this.#maxMs) {
      const timer = this.#clock.timer(afterMs, missed);
      return { end: () => timer.cancel() };
    }
    if (!this.#timer) this.#arm(this.#maxMs);
    return new Entry(this.#entries, this.#clock.monotonicMs() + this.#maxMs, missed);
  }

  #arm(afterMs: number): void {
    this.#timer = this.#clock.timer(afterMs, () => this.#look());
  }

  #look(): void {
    const nowMs = this.#clock.monotonicMs();
    this.#timer = undefined;
    for (const entry of this.#entries) {
      if (entry.dueMs > nowMs) {
        this.#arm(entry.dueMs - nowMs);
        return;
      }
      this.#entries.delete(entry);
      entry.missed();
    }
  }
}

/** What the client allows in its query; undefined: as long as the server does. Throws BadRequest. */
export function requestedTimeoutMs(query: URLSearchParams): number | undefined {
  const text = query.get('timeout');
  if (!text) return undefined;
  const { ms, problem } = goDurationMs(text);
  if (problem !== undefined) throw badRequest(`invalid timeout specified in the request URL - ${problem}`);
  return ms > 0 ? ms : undefined;
}
