/**
 * Applies transactions in the order they arrive, and makes those that wait together durable together.
 *
 * A transaction is checked against everything accepted so far, on disk or not, so two writers of one key are ordered
 * here and nowhere else. Nobody sees a revision before it is on disk: readers and watchers learn of a batch after its flush.
 */
import { type Soon, soon } from '#base/soon.ts';
import { DeferredStored } from './deferred-value.ts';
import { StorageFailed } from './errors.ts';
import type { EventBatch, Revision, Stored, StoreEvent, Txn, TxnResult, Write } from './storage.ts';

export class CommitQueue {
  readonly #accepted: AcceptedState;
  readonly #flushes: FlushCycle;

  constructor(accepted: AcceptedState, flushes: FlushCycle) {
    this.#accepted = accepted;
    this.#flushes = flushes;
  }

  /** A no-op uses up no revision; its answer, too, waits until what it was compared with is on disk. */
  commit({ when, then }: Txn): Promise<TxnResult> {
    return new Promise((resolve, reject) => {
      this.#flushes.refuseIfFailed();
      refuseTwice(then);
      const stood = when.map(({ key }) => this.#accepted.get(key));
      const succeeded = when.every(({ modRevision }, index) => (stood[index]?.modRevision ?? 0) === modRevision);
      const events = succeeded ? this.#accepted.apply(then) : [];
      const { revision } = this.#accepted;
      const result = { succeeded, revision, found: succeeded ? [] : stood };
      this.#flushes.include(events, { revision, resolve: () => resolve(result), reject });
    });
  }
}

/** The state that the next transaction is compared with: what is visible, and over it what waits for its flush. */
export class AcceptedState {
  readonly #visible: { get(key: string): Stored | undefined };
  /** undefined: deleted. */
  readonly #waiting = new Map<string, { revision: Revision; now: Stored | undefined }>();
  revision: Revision;

  constructor(visible: { get(key: string): Stored | undefined; revision: Revision }) {
    this.#visible = visible;
    this.revision = visible.revision;
  }

  get(key: string): Stored | undefined {
    const waiting = this.#waiting.get(key);
    return waiting ? waiting.now : this.#visible.get(key);
  }

  /** All changes of one transaction under one new revision; empty, and no revision used, when nothing changes. */
  apply(writes: readonly Write[]): StoreEvent[] {
    const revision = this.revision + 1;
    const events: StoreEvent[] = [];
    for (const write of writes) {
      const event = this.#eventOf(write, revision);
      if (event) events.push(event);
    }
    if (events.length > 0) this.revision = revision;
    for (const { key, now } of events) this.#waiting.set(key, { revision, now });
    return events;
  }

  /** These have become visible. */
  settle({ events }: EventBatch): void {
    for (const { key, revision } of events) {
      if (this.#waiting.get(key)?.revision === revision) this.#waiting.delete(key);
    }
  }

  #eventOf(write: Write, revision: Revision): StoreEvent | undefined {
    const key = 'put' in write ? write.put : write.delete;
    const before = this.get(key);
    if (!('put' in write)) return before && { key, revision, before, now: undefined };
    const { deferred } = write;
    const revisions = { createRevision: before?.createRevision ?? revision, modRevision: revision };
    if (deferred) return { key, revision, before, now: new DeferredStored(key, deferred, revisions) };
    const { value } = write;
    if (before && Buffer.compare(before.value, value) === 0) return undefined;
    return { key, revision, before, now: { key, value, ...revisions } };
  }
}

export interface FlushTargets {
  backend: { write(batch: EventBatch): Soon<void> };
  accepted: { settle(batch: EventBatch): void };
  visible: { apply(batch: EventBatch): void };
  watchers: { notify(batch: EventBatch): void };
}

/** Told once, when a batch could not be written; from then on nothing is accepted. */
export type OnFailure = (error: StorageFailed) => void;

/** One turn of the cycle; the next begins with whatever arrived meanwhile. */
export function flush(batch: EventBatch, { backend, accepted, visible, watchers }: FlushTargets): Soon<void> {
  // Durable before anybody can see it.
  return soon(backend.write(batch), () => {
    visible.apply(batch);
    accepted.settle(batch);
    watchers.notify(batch);
  });
}

interface Waiter {
  revision: Revision;
  resolve(): void;
  reject(error: unknown): void;
}

export class FlushCycle {
  readonly #targets: FlushTargets;
  #events: StoreEvent[] = [];
  #waiters: Waiter[] = [];
  #running: Promise<void> | undefined;
  #flushed: Revision;
  #failure: StorageFailed | undefined;
  readonly #onFailure: OnFailure;

  constructor(targets: FlushTargets, revision: Revision, onFailure: OnFailure = () => undefined) {
    this.#targets = targets;
    this.#flushed = revision;
    this.#onFailure = onFailure;
  }

  /** The waiter is told when `events`, and everything else up to its revision, is durable and visible. */
  include(events: readonly StoreEvent[], waiter: Waiter): void {
    if (events.length === 0 && waiter.revision <= this.#flushed) {
      waiter.resolve();
      return;
    }
    this.#events.push(...events);
    this.#waiters.push(waiter);
    this.#running ??= this.#run();
  }

  refuseIfFailed(): void {
    if (this.#failure) throw this.#failure;
  }

  /** Resolves when nothing waits any more, however it ended. */
  async idle(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    await Promise.resolve(); // who commits in the same turn goes along
    try {
      while (this.#events.length > 0) {
        const flushing = this.#flushOnce();
        if (flushing instanceof Promise) await flushing;
      }
    } catch (error) {
      this.#fail(error);
    }
    this.#running = undefined;
  }

  #flushOnce(): Soon<void> {
    const events = this.#events;
    this.#events = [];
    const revision = events.at(-1)!.revision;
    return soon(flush({ events, revision }, this.#targets), () => this.#acknowledge(revision));
  }

  #acknowledge(revision: Revision): void {
    this.#flushed = revision;
    const waiters = this.#waiters;
    this.#waiters = waiters.filter((waiter) => waiter.revision > revision);
    for (const waiter of waiters) if (waiter.revision <= revision) waiter.resolve();
  }

  /** What is accepted is ahead of the disk and cannot be taken back, so nothing more may build on it. */
  #fail(cause: unknown): void {
    this.#failure = new StorageFailed('a batch of transactions could not be made durable', { cause });
    this.#events = [];
    for (const waiter of this.#waiters.splice(0)) waiter.reject(this.#failure);
    this.#onFailure(this.#failure);
  }
}

function refuseTwice(writes: readonly Write[]): void {
  if (writes.length < 2) return;
  const keys = new Set(writes.map((write) => ('put' in write ? write.put : write.delete)));
  if (keys.size < writes.length) throw new Error('a transaction writes a key twice');
}
