/** One request on its way through a queue set. */
import { type Linked, LinkedList } from '#base/linked-list.ts';
import type { UserInfo } from '#client/transport.ts';
import type { RequestInfo } from '../request-info.ts';
import type { FlowStatistics } from './flow-statistics.ts';
import type { WorkEstimate } from './work-estimate.ts';

/** As fair queuing sees it before it is known how long a request takes: ms. Source: upstream, estimatedServiceDuration. */
export const ESTIMATED_SERVICE_MS = 3;

/** A request as its queue set is told of it. */
export interface Arrival {
  /** Which of the schema's flows, '' where it does not tell them apart. */
  distinguisher: string;
  statistics: FlowStatistics;
  estimate: WorkEstimate;
  info: RequestInfo;
  user: UserInfo;
}

export interface Queue {
  waiting: Work[];
  executing: LinkedList<Work>;
  seatsInUse: number;
  /** Of what waits: seats, and seats × ms. */
  waitingSeats: number;
  waitingWork: number;
  /** When its oldest request would begin in the virtual world, in which every queue has a server of its own. */
  nextDispatch: number;
}

export const emptyQueue = (): Queue => ({
  waiting: [],
  executing: new LinkedList(),
  seatsInUse: 0,
  waitingSeats: 0,
  waitingWork: 0,
  nextDispatch: 0,
});

export class Work implements Linked<Work> {
  previous: Work | undefined;
  next: Work | undefined;
  readonly arrival: Arrival;
  readonly arrivedMs: number;
  /** In virtual time. */
  readonly arrivedAt: number;
  /** undefined: its level has no queues. */
  readonly queue: Queue | undefined;
  readonly #finished: (work: Work) => void;
  finalSeats: number;
  lingerMs: number;
  /** Monotonic, like `arrivedMs`; undefined: it waits. */
  startedMs: number | undefined;
  /** Called when it may begin. */
  begin: (() => void) | undefined;
  #isOver = false;

  constructor(
    arrival: Arrival,
    at: { ms: number; virtual: number; queue: Queue | undefined },
    finished: (work: Work) => void,
  ) {
    this.arrival = arrival;
    this.arrivedMs = at.ms;
    this.arrivedAt = at.virtual;
    this.queue = at.queue;
    this.#finished = finished;
    this.finalSeats = arrival.estimate.finalSeats;
    this.lingerMs = arrival.estimate.lingerMs;
  }

  get initialSeats(): number {
    return this.arrival.estimate.initialSeats;
  }

  /** It holds as many for all of its time as it needs at most. */
  get seats(): number {
    return Math.max(this.initialSeats, this.finalSeats);
  }

  /** In seats × ms. */
  get total(): number {
    return this.initialSeats * ESTIMATED_SERVICE_MS + this.finalSeats * this.lingerMs;
  }

  /** For its turn. */
  get waitedMs(): number {
    return this.startedMs === undefined ? 0 : this.startedMs - this.arrivedMs;
  }

  /** Its answer is out, or a watch has sent what was there at its beginning. Later calls do nothing. */
  finish(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#finished(this);
  }
}
