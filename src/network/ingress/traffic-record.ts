/** What is told of each request that has ended, to whoever counts or writes it down. */
import type { Arrival } from './arrival.ts';
import type { Route } from './route-table.ts';

export interface Ended {
  arrival: Arrival;
  /** undefined: none was found. */
  route: Route | undefined;
  /** 499: the client went before it had one. */
  status: number;
  ms: number;
  /** Of the answer's body. */
  bytes: number;
  /** How many endpoints were asked in vain. */
  failedTries: number;
}

export interface TrafficRecord {
  ended(what: Ended): void;
}
