/** What the processes of an Ingress and the one that starts them tell one another. */
import type { AccessLine } from './access-log.ts';
import type { TableChange } from './ingress-server.ts';
import type { ListeningAt } from './listening-sockets.ts';
import type { LimitAnswer, LimitQuestion } from './shared-limits.ts';
import type { TrafficCounts } from './traffic-metrics.ts';

export type Message =
  | { listen: readonly string[] }
  | { change: TableChange }
  | { count: number }
  | { mayBegin: LimitAnswer }
  /** Comes with the socket, or with why there is none. */
  | { opened: ListeningAt; refused?: string };

export interface Report {
  hears?: true;
  /** What it wants to listen on. */
  open?: ListeningAt;
  complaint?: string;
  access?: AccessLine[];
  /** Lines that were left out of `access`. */
  left?: number;
  /** The answer to `count`. */
  counted?: number;
  counts?: TrafficCounts;
  limit?: LimitQuestion;
}

/** Of a process that ends: nobody asked. */
export const LAST_COUNT = 0;
