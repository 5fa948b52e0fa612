/** What is remembered of requests that have ended: counts and times by route, and a line for each where somebody wants that. */
import type { Arrival } from './arrival.ts';

export interface Ended {
  arrival: Arrival;
  /** Of the route; undefined: none was found. */
  owner: string | undefined;
  /** 499: the client went before it had one. */
  status: number;
  ms: number;
  /** Of the answer's body. */
  bytes: number;
  /** No backend was asked. */
  isOwn: boolean;
}

export interface TrafficRecord {
  ended(what: Ended): void;
}
