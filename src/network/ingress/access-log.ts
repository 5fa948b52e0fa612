/** A line for each request to a route that wants it. Without queries and headers: secrets stand there. Lines are handed on together, and not without limit. */
import type { Clock } from '#base/clock.ts';
import type { Ended, TrafficRecord } from './traffic-record.ts';

export interface AccessLine {
  route: string;
  method: string;
  host: string;
  path: string;
  status: number;
  ms: number;
  bytes: number;
  client: string;
  requestId: string;
}

const HAND_ON_MS = 500;
/** In that time; the rest is counted. */
const MOST_LINES = 2_000;

export class AccessLog implements TrafficRecord {
  readonly #clock: Clock;
  readonly #handOn: (lines: AccessLine[], left: number) => void;
  #lines: AccessLine[] = [];
  #left = 0;
  #isDue = false;

  /** @param handOn gets the lines, and how many there were beyond the limit. */
  constructor(clock: Clock, handOn: (lines: AccessLine[], left: number) => void) {
    this.#clock = clock;
    this.#handOn = handOn;
  }

  ended({ arrival, route, status, ms, bytes }: Ended): void {
    if (!route?.options.logsAccess) return;
    if (this.#lines.length >= MOST_LINES) this.#left++;
    else
      this.#lines.push({
        route: route.owner,
        method: arrival.method,
        host: arrival.hostname,
        path: arrival.path,
        status,
        ms: Math.round(ms * 10) / 10,
        bytes,
        client: arrival.address,
        requestId: arrival.requestId,
      });
    if (this.#isDue) return;
    this.#isDue = true;
    this.#clock.timer(HAND_ON_MS, () => this.flush());
  }

  flush(): void {
    this.#isDue = false;
    if (this.#lines.length > 0) this.#handOn(this.#lines, this.#left);
    this.#lines = [];
    this.#left = 0;
  }
}
