/**
 * The revisioned store: keys and bytes, one revision for every transaction that changes something, history for watchers.
 * Three backends (memory, LMDB, etcd) pass one conformance suite. Keys are laid out as upstream's (`/registry/pods/ns/name`).
 */

import type { Followable } from '#base/followable.ts';
import type { Signal } from '#base/plain-signal.ts';
import type { Soon } from '#base/soon.ts';
import type { DeferredValue } from './deferred-value.ts';

/** The store's counter. 1 is an empty store, as in etcd. */
export type Revision = number;

export interface Stored {
  key: string;
  /** Never changed by anybody: the backend's or the cache's own copy. */
  readonly value: Uint8Array;
  /** The same before it is bytes. Only of a store that `defers`. */
  readonly deferred?: DeferredValue;
  createRevision: Revision;
  modRevision: Revision;
  /** It was sealed with another key or cipher than values are now: to write the same again is worth it. */
  isStale?: boolean;
}

export type Write = Put | { delete: string };

export interface Put {
  put: string;
  readonly value: Uint8Array;
  /** Only for a store that `defers`. */
  readonly deferred?: DeferredValue;
}

/** Applied as a whole or not at all. `modRevision` 0 means: the key does not exist. */
export interface Txn {
  when: readonly { key: string; modRevision: Revision }[];
  then: readonly Write[];
}

export interface TxnResult {
  succeeded: boolean;
  /** The revision that holds the result: of this write when it changed something, else the current one. */
  revision: Revision;
  /** When not succeeded: what stood at each compared key instead, in the order of `when`. */
  found: readonly (Stored | undefined)[];
}

export interface StoreEvent {
  key: string;
  revision: Revision;
  /** undefined: deleted. */
  now: Stored | undefined;
  /** What stood there before; undefined: created. */
  before: Stored | undefined;
}

/** All events of consecutive revisions that became durable together, in revision order. */
export interface EventBatch {
  events: readonly StoreEvent[];
  /** Everything up to here has been delivered. */
  revision: Revision;
}

export interface RangeOptions {
  prefix: string;
  /** Only keys after this one. */
  after?: string;
  limit?: number;
  /** Read as of this revision. Throws `Compacted` when it is gone, `FutureRevision` when it is not yet. */
  revision?: Revision;
}

export interface RangeResult {
  items: Stored[];
  revision: Revision;
  more: boolean;
  /** How many keys match in all (behind `after`, when it is given), what is not returned included. */
  count: number;
}

export interface Storage {
  /** It keeps deferred values as they are, and hands them out so. */
  readonly defers?: boolean;
  /** The newest revision that is durable and visible. */
  currentRevision(): Soon<Revision>;
  get(key: string, revision?: Revision): Promise<Stored | undefined>;
  /**
   * A revision that no durable change of a key under `prefix` exceeds, when that is known without asking anybody. Only for
   * prefixes that are watched.
   */
  newestUnder(prefix: string): Revision | undefined;
  range(options: RangeOptions): Promise<RangeResult>;
  /** Resolves when the transaction is on disk. Neighbours share a flush. */
  commit(txn: Txn): Promise<TxnResult>;
  /**
   * Events of keys under `prefix` with a revision above `after`, in order, each once, without gaps, until `signal` aborts.
   * `after` undefined: from now on; the first batch is empty and names the revision it starts from. Throws `Compacted`.
   * Who follows an embedded store has heard of a write before it is acknowledged.
   */
  watch(options: { prefix: string; after?: Revision; signal: Signal }): Followable<EventBatch>;
  /**
   * Makes every watch of exactly `prefix` hand out batches, empty ones if need be, until they reach the returned revision (the
   * current one) and `revision`, if it comes. Without it a watch of quiet keys does not say how far it has come.
   */
  requestProgress(prefix: string, revision?: Revision): Promise<Revision>;
  /** Forgets history of `prefix` below `revision`: reads and watches from there on still work. Objects stay. */
  compact(prefix: string, revision: Revision): Promise<void>;
  compactedRevision(prefix: string): Promise<Revision>;
  /** What the database takes on disk; undefined where it is on none. */
  sizeBytes(): Promise<number | undefined>;
  /** Flushes what is accepted and lets go of files and sockets. */
  close(): Promise<void>;
}

export class Compacted extends Error {
  readonly code = 'Compacted';
  readonly compactedRevision: Revision;
  constructor(compactedRevision: Revision) {
    super(`history before revision ${compactedRevision} is gone`);
    this.compactedRevision = compactedRevision;
  }
}

export class FutureRevision extends Error {
  readonly code = 'FutureRevision';
  readonly currentRevision: Revision;
  constructor(currentRevision: Revision) {
    super(`the store is at revision ${currentRevision}`);
    this.currentRevision = currentRevision;
  }
}
