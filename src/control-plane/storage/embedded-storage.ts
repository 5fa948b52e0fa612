/** A store inside this process: the commit queue, the visible state, the history and the watches over one backend. */
import type { Followable } from '#base/followable.ts';
import type { Signal } from '#base/plain-signal.ts';
import type { Backend } from './backend.ts';
import { AcceptedState, CommitQueue, FlushCycle, type OnFailure } from './commit-queue.ts';
import { StorageClosed } from './errors.ts';
import { Floors } from './floors.ts';
import { History } from './history.ts';
import {
  type EventBatch,
  FutureRevision,
  type RangeOptions,
  type RangeResult,
  type Revision,
  type Storage,
  type Stored,
  type Txn,
  type TxnResult,
} from './storage.ts';
import { VisibleState } from './visible-state.ts';
import { WatchHub } from './watch-hub.ts';

export class EmbeddedStorage implements Storage {
  readonly #backend: Backend;
  readonly #visible: VisibleState;
  readonly #history: History;
  readonly #floors: Floors;
  readonly #hub: WatchHub;
  readonly #flushes: FlushCycle;
  readonly #commits: CommitQueue;
  #compacting: Promise<void> = Promise.resolve();
  #closing: Promise<void> | undefined;

  constructor(backend: Backend, onFailure?: OnFailure) {
    const { revision, items, floors } = backend.load();
    this.#backend = backend;
    this.#floors = new Floors(floors);
    this.#visible = new VisibleState(items, revision);
    this.#history = new History({ backend, visible: this.#visible, floors: this.#floors });
    this.#hub = new WatchHub((prefix, after, upTo) => this.#history.events(prefix, after, upTo), revision);
    const accepted = new AcceptedState(this.#visible);
    this.#flushes = new FlushCycle(
      { backend, accepted, visible: this.#visible, watchers: this.#hub },
      revision,
      onFailure,
    );
    this.#commits = new CommitQueue(accepted, this.#flushes);
  }

  currentRevision(): Revision {
    return this.#visible.revision;
  }

  async get(key: string, revision?: Revision): Promise<Stored | undefined> {
    if (!this.#isPast(key, revision)) return this.#visible.get(key);
    return this.#history.takenBack(key, revision, (replaced) =>
      replaced.has(key) ? replaced.get(key) : this.#visible.get(key),
    );
  }

  newestUnder(prefix: string): Revision | undefined {
    return this.#hub.newestUnder(prefix);
  }

  async range(options: RangeOptions): Promise<RangeResult> {
    if (this.#isPast(options.prefix, options.revision))
      return this.#rangeOfPast({ ...options, revision: options.revision });
    const { prefix, after, limit } = options;
    const items: Stored[] = [];
    for (const key of this.#visible.keys.under(prefix, after)) {
      if (limit && items.length === limit) break;
      items.push(this.#visible.get(key)!);
    }
    const count = this.#visible.keys.countUnder(prefix, after);
    return { items, revision: this.#visible.revision, more: count > items.length, count };
  }

  commit(txn: Txn): Promise<TxnResult> {
    return this.#closing ? Promise.reject(new StorageClosed()) : this.#commits.commit(txn);
  }

  watch(options: { prefix: string; after?: Revision; signal: Signal }): Followable<EventBatch> {
    return this.#hub.watch(options);
  }

  async requestProgress(prefix: string, revision = 0): Promise<Revision> {
    this.#hub.askProgress(prefix, Math.max(revision, this.#visible.revision));
    return this.#visible.revision;
  }

  /** One at a time: the next one starts where the one before has ended. */
  compact(prefix: string, revision: Revision): Promise<void> {
    const compacting = this.#compacting.then(async () => {
      if (this.#closing) throw new StorageClosed();
      if (revision > this.#visible.revision) throw new FutureRevision(this.#visible.revision);
      if (this.#floors.raise(prefix, revision)) await this.#backend.forget(prefix, revision);
    });
    this.#compacting = compacting.catch(() => undefined); // its caller has the error; the next one is not concerned
    return compacting;
  }

  async sizeBytes(): Promise<number | undefined> {
    return this.#backend.sizeBytes?.();
  }

  async compactedRevision(prefix: string): Promise<Revision> {
    return this.#floors.of(prefix);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#flushes.idle();
    await this.#compacting;
    this.#hub.close();
    await this.#backend.close();
  }

  #isPast(prefix: string, revision: Revision | undefined): revision is Revision {
    if (revision === undefined) return false;
    if (revision > this.#visible.revision) throw new FutureRevision(this.#visible.revision);
    this.#floors.refuseBelow(prefix, revision);
    return revision < this.#visible.revision;
  }

  #rangeOfPast({ prefix, after, limit, revision }: RangeOptions & { revision: Revision }): Promise<RangeResult> {
    return this.#history.takenBack(prefix, revision, (replaced) => {
      const keys = new Set([...this.#visible.keys.under(prefix), ...replaced.keys()]);
      const all = [...keys]
        .filter((key) => after === undefined || key > after)
        .sort(byCodeUnit)
        .flatMap((key) => (replaced.has(key) ? replaced.get(key) : this.#visible.get(key)) ?? []);
      const items = limit ? all.slice(0, limit) : all;
      return { items, revision, more: all.length > items.length, count: all.length };
    });
  }
}

const byCodeUnit = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
