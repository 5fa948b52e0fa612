/**
 * The requests of one priority level: those that are carried out, and those that wait in queues, of which the one goes
 * first that would finish first if every queue had a server of its own. Source: KEP-1040, "Fair Queuing for Server
 * Requests"; upstream's fairqueuing/queueset, doc.go.
 */
import type { Clock } from '#base/clock.ts';
import { LinkedList } from '#base/linked-list.ts';
import { SeatDemand } from './seat-demand.ts';
import { dealtHand, flowHash } from './shuffle-sharding.ts';
import { type Arrival, ESTIMATED_SERVICE_MS, emptyQueue, type Queue, Work } from './work.ts';

export interface Queuing {
  queues: number;
  handSize: number;
  queueLengthLimit: number;
}

/** 'exempt': nobody waits. 'reject': who finds no seat is turned away. */
export type QueuingMode = 'exempt' | 'reject' | Queuing;

/** Hands that are remembered: beyond so many they are dealt anew. */
const MAX_HANDS = 10_000;

export class QueueSet {
  readonly demand: SeatDemand;
  readonly #clock: Clock;
  #mode: QueuingMode;
  #limit: number;
  #queues: Queue[] = [];
  #hands = new Map<string, readonly number[]>();
  readonly #executingWithoutQueue = new LinkedList<Work>();
  #virtualNow = 0;
  #lastMs: number;
  #robin = 0;
  #enqueued = 0;
  /** Queues with something in them, and the seats that what is in them holds or wants. */
  #active = 0;
  #seatsInQueues = 0;
  waiting = 0;
  waitingSeats = 0;
  executing = 0;
  seatsInUse = 0;
  dispatched = 0;
  rejected = 0;
  cancelled = 0;

  constructor(clock: Clock, { mode, limit }: { mode: QueuingMode; limit: number }) {
    this.#clock = clock;
    this.#lastMs = clock.monotonicMs();
    this.demand = new SeatDemand(this.#lastMs);
    this.#mode = mode;
    this.#limit = limit;
    this.configure(mode, limit);
  }

  get isIdle(): boolean {
    return this.waiting === 0 && this.executing === 0;
  }

  get queues(): readonly Readonly<Queue>[] {
    return this.#queues;
  }

  get withoutQueue(): Iterable<Work> {
    return this.#executingWithoutQueue;
  }

  get virtualNow(): number {
    return this.#virtualNow;
  }

  /** Queues that are too many go when they are empty. */
  configure(mode: QueuingMode, limit: number): void {
    this.#passTime();
    const wanted = queuesOf(mode);
    if (wanted !== queuesOf(this.#mode) || handSizeOf(mode) !== handSizeOf(this.#mode)) this.#hands.clear();
    while (this.#queues.length < wanted) this.#queues.push(emptyQueue());
    this.#mode = mode;
    this.#limit = limit;
    this.#dropSurplus();
    this.#dispatch();
  }

  /**
   * Work that has begun, a promise of it when it has to wait (undefined when it waited in vain), or undefined: turned
   * away. Whoever gets Work must finish it.
   */
  start(arrival: Arrival, patience: () => Patience): Work | Promise<Work | undefined> | undefined {
    const nowMs = this.#passTime();
    const { statistics } = arrival;
    if (typeof this.#mode === 'string') {
      const work = this.#arrived(arrival, nowMs, undefined);
      if (this.#fits(work.seats)) return this.#execute(work, nowMs);
      statistics.reject('concurrency-limit');
      this.rejected++;
      return undefined;
    }
    const queue = this.#queueFor(arrival, this.#mode);
    if (this.seatsInUse >= this.#limit && queue.waiting.length >= this.#mode.queueLengthLimit) {
      statistics.reject('queue-full');
      this.rejected++;
      return undefined;
    }
    if (isEmpty(queue)) queue.nextDispatch = this.#virtualNow;
    const work = this.#arrived(arrival, nowMs, queue);
    if (this.waiting === 0 && this.#fits(work.seats)) return this.#begin(work, nowMs);
    this.#enqueue(work, queue);
    this.#dispatch();
    return work.startedMs === undefined ? this.#waiting(work, patience()) : work;
  }

  #arrived(arrival: Arrival, ms: number, queue: Queue | undefined): Work {
    return new Work(arrival, { ms, virtual: this.#virtualNow, queue }, (work) => this.#finish(work));
  }

  #waiting(work: Work, { limitMs, signal }: Patience): Promise<Work | undefined> {
    const { statistics } = work.arrival;
    return new Promise((resolve) => {
      const done = () => {
        timer.cancel();
        signal?.removeEventListener('abort', gone);
        const waitedMs = this.#clock.monotonicMs() - work.arrivedMs;
        (work.startedMs === undefined ? statistics.waitedInVain : statistics.waited).observe(waitedMs / 1000);
      };
      const giveUp = (reason: 'time-out' | 'cancelled') => {
        this.#passTime();
        this.#remove(work);
        statistics.reject(reason);
        this.rejected++;
        this.cancelled++;
        done();
        resolve(undefined);
      };
      const gone = () => giveUp('cancelled');
      const timer = this.#clock.timer(limitMs, () => giveUp('time-out'));
      const begin = () => {
        done();
        resolve(work);
      };
      work.begin = begin; // not written here: the engine makes it among the old objects then (decision 27)
      if (signal?.aborted) gone();
      else signal?.addEventListener('abort', gone, { once: true });
    });
  }

  #dispatch(): void {
    while (this.waiting > 0 && this.seatsInUse < this.#limit) {
      const work = this.#next();
      if (!work) return;
      this.#remove(work);
      if (work.finalSeats > this.#limit) {
        // The same work in fewer seats takes longer.
        work.lingerMs = (work.finalSeats * work.lingerMs) / this.#limit;
        work.finalSeats = this.#limit;
      }
      this.#begin(work, this.#lastMs);
      work.begin?.();
    }
  }

  /** The oldest request of the queue that would finish first; undefined when it does not fit yet: no other goes before it. */
  #next(): Work | undefined {
    let first: Work | undefined;
    let firstFinish = Number.POSITIVE_INFINITY;
    let firstIndex = 0;
    const count = this.#queues.length;
    for (let i = 1; i <= count; i++) {
      const index = (this.#robin + i) % count;
      const queue = this.#queues[index]!;
      const oldest = queue.waiting[0];
      if (!oldest) continue;
      const finish = queue.nextDispatch + oldest.total;
      if (finish >= firstFinish) continue;
      [first, firstFinish, firstIndex] = [oldest, finish, index];
    }
    if (!first) return undefined;
    if (!this.#fits(first.seats)) {
      first.arrival.statistics.noAccommodation++;
      return undefined;
    }
    this.#robin = firstIndex;
    return first;
  }

  /** What wants more seats than there are begins when it is alone. */
  #fits(seats: number): boolean {
    if (this.#mode === 'exempt') return true;
    if (seats > this.#limit) return this.executing === 0;
    return this.seatsInUse + seats <= this.#limit;
  }

  #begin(work: Work, nowMs: number): Work {
    const queue = work.queue!;
    if (isEmpty(queue)) this.#active++;
    queue.executing.add(work);
    queue.seatsInUse += work.seats;
    this.#seatsInQueues += work.seats;
    queue.nextDispatch += work.total;
    boundToArrival(queue);
    return this.#execute(work, nowMs);
  }

  #execute(work: Work, nowMs: number): Work {
    const { statistics } = work.arrival;
    work.startedMs = nowMs;
    if (!work.queue) this.#executingWithoutQueue.add(work);
    this.executing++;
    this.seatsInUse += work.seats;
    this.dispatched++;
    statistics.dispatched++;
    statistics.executing++;
    statistics.executingSeats += work.seats;
    this.demand.set(this.seatsInUse + this.waitingSeats, nowMs);
    return work;
  }

  #finish(work: Work): void {
    const nowMs = this.#passTime();
    const { queue, startedMs = nowMs, arrival } = work;
    const tookMs = nowMs - startedMs;
    this.executing--;
    arrival.statistics.executing--;
    arrival.statistics.executed.observe(tookMs / 1000);
    if (queue) {
      queue.executing.delete(work);
      if (isEmpty(queue)) this.#active--;
      queue.nextDispatch -= work.initialSeats * (ESTIMATED_SERVICE_MS - tookMs);
      boundToArrival(queue);
    } else this.#executingWithoutQueue.delete(work);
    if (work.lingerMs <= 0) this.#release(work);
    else
      this.#clock.timer(work.lingerMs, () => {
        this.#passTime();
        this.#release(work);
      });
  }

  #release(work: Work): void {
    const { seats, queue, arrival } = work;
    this.seatsInUse -= seats;
    arrival.statistics.executingSeats -= seats;
    if (queue) {
      queue.seatsInUse -= seats;
      this.#seatsInQueues -= seats;
    }
    this.demand.set(this.seatsInUse + this.waitingSeats, this.#lastMs);
    if (this.#queues.length > queuesOf(this.#mode)) this.#dropSurplus();
    this.#dispatch();
  }

  #enqueue(work: Work, queue: Queue): void {
    const { statistics } = work.arrival;
    if (isEmpty(queue)) this.#active++;
    queue.waiting.push(work);
    this.#count(work, queue, 1);
    boundToArrival(queue);
    statistics.queueLengths.observe(queue.waiting.length);
  }

  #remove(work: Work): void {
    const queue = work.queue!;
    queue.waiting.splice(queue.waiting.indexOf(work), 1);
    this.#count(work, queue, -1);
    if (isEmpty(queue)) this.#active--;
    boundToArrival(queue);
  }

  #count({ seats, total, arrival }: Work, queue: Queue, sign: 1 | -1): void {
    queue.waitingSeats += sign * seats;
    queue.waitingWork = queue.waiting.length === 0 ? 0 : queue.waitingWork + sign * total;
    this.#seatsInQueues += sign * seats;
    this.waiting += sign;
    this.waitingSeats += sign * seats;
    arrival.statistics.waiting += sign;
    arrival.statistics.waitingSeats += sign * seats;
    this.demand.set(this.seatsInUse + this.waitingSeats, this.#lastMs);
  }

  /** Of the hand of its flow the one with the least waiting work. Where that is equal they take turns. */
  #queueFor({ distinguisher, statistics }: Arrival, { queues, handSize }: Queuing): Queue {
    const key = `${statistics.schema}\0${distinguisher}`;
    let hand = this.#hands.get(key);
    if (!hand) {
      hand = dealtHand(flowHash(statistics.schema, distinguisher), { deckSize: queues, handSize });
      if (this.#hands.size >= MAX_HANDS) this.#hands.clear();
      this.#hands.set(key, hand);
    }
    const offset = this.#enqueued++ % handSize;
    let best = this.#queues[hand[offset]!]!;
    for (let i = 1; i < handSize; i++) {
      const queue = this.#queues[hand[(offset + i) % handSize]!]!;
      if (queue.waitingWork < best.waitingWork) best = queue;
    }
    return best;
  }

  #dropSurplus(): void {
    const wanted = queuesOf(this.#mode);
    while (this.#queues.length > wanted) {
      const last = this.#queues.at(-1)!;
      if (!isEmpty(last) || last.seatsInUse > 0) return;
      this.#queues.pop();
    }
    if (this.#robin >= this.#queues.length) this.#robin = 0;
  }

  /** Moves virtual time on as if everything had stood as it is since it was last moved. Returns the time. */
  #passTime(): number {
    const nowMs = this.#clock.monotonicMs();
    if (this.#active > 0)
      this.#virtualNow += (nowMs - this.#lastMs) * (Math.min(this.#seatsInQueues, this.#limit) / this.#active);
    this.#lastMs = nowMs;
    return nowMs;
  }
}

export interface Patience {
  limitMs: number;
  /** Aborts when nobody waits for the answer any more. */
  signal?: AbortSignal;
}

const queuesOf = (mode: QueuingMode): number => (typeof mode === 'string' ? 0 : mode.queues);
const handSizeOf = (mode: QueuingMode): number => (typeof mode === 'string' ? 0 : mode.handSize);
const isEmpty = ({ waiting, executing }: Queue): boolean => waiting.length === 0 && executing.size === 0;

/** A queue that leaves seats unused must not save them up: nothing begins, virtually, before it has come. */
function boundToArrival(queue: Queue): void {
  const oldest = queue.waiting[0];
  if (oldest && queue.nextDispatch < oldest.arrivedAt) queue.nextDispatch = oldest.arrivedAt;
}
