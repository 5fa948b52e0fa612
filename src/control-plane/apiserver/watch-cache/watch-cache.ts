/**
 * The watch cache: every object under one storage prefix, in memory, kept current by one watch of the store. GET, LIST and
 * WATCH are answered from here; none of them touches the disk or serialises an object that was serialised when written.
 * One cache serves all versions of a stored kind (and both groups of Event). Behaviour: API concepts, "Resource versions",
 * "Efficient detection of changes", "Streaming lists"; KEP-2340 (consistent reads from cache), KEP-3157 (watch list).
 *
 * Made by `openWatchCache` in `open-watch-cache.ts`.
 */

import type { KubeObject } from '#api/machinery/object.ts';
import type { Clock } from '#base/clock.ts';
import type { Followable } from '#base/followable.ts';
import type { Log } from '#base/log.ts';
import type { Signal } from '#base/plain-signal.ts';
import type { Soon } from '#base/soon.ts';
import type { Revision, Storage, Stored } from '#control-plane/storage/storage.ts';

/**
 * How one served version shows what is stored. Forms of an object are cached under the identity of this value: keep one per
 * kind and definition, and make a new one when the definition changes.
 */
export interface ServedForm {
  apiVersion: string;
  kind: string;
  /** Hub object → object of this version, without losing the resourceVersion. undefined: stored bytes go out as they are. */
  convert?: (hub: KubeObject) => KubeObject;
}

/** One state of one object. Immutable. */
export interface CachedObject {
  /** The whole storage key. */
  readonly key: string;
  /** '' for a cluster-scoped object. */
  readonly namespace: string;
  readonly name: string;
  /** Its resourceVersion as a number: of the last change, or of the deletion in a DELETED event. */
  readonly revision: Revision;
  /** What the store's compare needs; stays the revision of the last put in a DELETED event. */
  readonly stored: Stored;
  /** Frozen, with its resourceVersion; the hub version when no form is given. Parsed on first use. */
  object(form?: ServedForm): KubeObject;
  /** Its JSON with the resourceVersion in it; unless it is kept with the object, in a buffer of its own or in `memory`. */
  json(form: ServedForm, memory?: (length: number) => Buffer): Uint8Array;
  jsonLength(form: ServedForm): number;
  /** Writes its JSON into `target` at `offset`; returns the offset behind it. Cheaper than `json` for lists. */
  copyJson(target: Uint8Array, offset: number, form: ServedForm): number;
  /** Whatever is derived from this state and a form: made once, kept as long as the state (table cells, other encodings). */
  memo<T>(form: ServedForm, name: string, make: () => T): T;
}

export type Predicate = (object: CachedObject) => boolean;

/**
 * How new an answer must be.
 * 'newest': everything acknowledged before the call is in it (resourceVersion unset). 'any': what is here (resourceVersion 0).
 * Too large a revision: 504 Timeout with cause ResourceVersionTooLarge, after 3 s. An exact one that is gone: 410 Expired.
 */
export type Freshness = 'newest' | 'any' | { notOlderThan: Revision } | { exact: Revision };

/** Which objects: all parts must hold. */
export interface Selection {
  namespace?: string;
  /** `metadata.name=…` in the field selector: at most one object per namespace. */
  name?: string;
  /** An equality of a registered field, taken from the field selector: looked up in an index instead of compared everywhere. */
  where?: { field: string; equals: string };
  /** What the above do not cover (labels, other fields). Called with matching candidates only. */
  match?: Predicate;
}

export interface ListOptions extends Selection {
  freshness: Freshness;
  /** 0 or undefined: everything. */
  limit?: number;
  /** From an earlier page; then `freshness` is ignored. 400 when it is malformed; 410 with a new token when its snapshot is gone. */
  continue?: string;
}

export interface ListPage {
  /** In key order. */
  items: readonly CachedObject[];
  /** The resourceVersion of the list; all pages of one listing have the same. */
  revision: Revision;
  /** undefined on the last page. */
  continue?: string;
  /** Only when there is more and the selection has neither `where` nor `match` nor `name`. */
  remainingItemCount?: number;
}

export type CacheEventType = 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK';

export interface CacheEvent {
  readonly type: CacheEventType;
  readonly revision: Revision;
  /**
   * undefined for a BOOKMARK. In a DELETED event the last state that matched the selection, under the revision of the event.
   */
  readonly object: CachedObject | undefined;
  /** The bookmark that closes the initial events (annotation k8s.io/initial-events-end). */
  readonly initialEventsEnd: boolean;
  /** `{"type":…,"object":…}` and a newline, as sent. Encoded once per form and shared by all watchers: never write to it. */
  frame(form: ServedForm): Uint8Array;
  frameLength(form: ServedForm): number;
  /** Writes the frame into `target` at `offset`; returns the offset behind it. What only one watcher gets is not encoded for it. */
  copyFrame(target: Uint8Array, offset: number, form: ServedForm): number;
  /** As `CachedObject.memo`, for a frame of another shape (Table, PartialObjectMetadata). */
  memo<T>(form: ServedForm, name: string, make: () => T): T;
}

export interface WatchOptions extends Selection {
  /**
   * Changes after this revision. undefined: first an ADDED for every object that is here now, then changes; for "most
   * recent" await `freshen()` before, for "not older than" await `waitUntil(revision)`.
   */
  after?: Revision;
  /** Put a BOOKMARK with the initial-events-end annotation behind the initial events. Only with `after` undefined. */
  initialEventsEnd?: boolean;
  /** Called once when the initial events have been taken, or there were none to take. */
  caughtUp?: () => void;
  /** A BOOKMARK about once a minute. */
  bookmarks?: boolean;
  /** Asks for one more BOOKMARK, up to the newest revision, when it aborts: the watch is about to end. */
  endsSoon?: Signal;
  signal: Signal;
}

/**
 * Events in revision order, without gaps, in batches (never empty) as they came. Leaving the objects of a selection is a
 * DELETED, entering it an ADDED. Throws 410 Expired `too old resource version` before the first event when history does not
 * reach back to `after`. Ends without an error when `signal` aborts, when the cache closes, and when this watcher has let more
 * than `watcherEvents` events pile up: the client then resumes from the last revision it has seen.
 */
export type CacheWatch = Followable<readonly CacheEvent[]>;

export interface WatchCache {
  readonly prefix: string;
  /** How far this cache has come: every change under its prefix up to here is in it. 0 before the first load. */
  readonly revision: Revision;
  /** Resolves when the first load is complete. All methods below wait for it themselves. */
  ready(): Promise<void>;
  /** See `Freshness`. The default wait is 3 s. */
  waitUntil(revision: Revision, signal?: Signal): Promise<void>;
  /** The barrier of a consistent read: afterwards everything acknowledged before the call is in the cache. */
  freshen(): Soon<Revision>;
  /** `key` is the whole storage key (`storageKey`). undefined: there is none. Mostly at once: see `Freshness`. */
  get(key: string, freshness: Freshness): Soon<CachedObject | undefined>;
  /** What is here at this moment; for code that must not wait. */
  peek(key: string): CachedObject | undefined;
  list(options: ListOptions): Promise<ListPage>;
  watch(options: WatchOptions): CacheWatch;
  /** A BOOKMARK of this moment, e.g. to send just before a watch times out. */
  bookmark(): CacheEvent;
  /** How many objects are here, and how long their stored bytes are together. */
  readonly size: { objects: number; bytes: number };
  /** How many watchers there are now. */
  readonly watchers: number;
  /** As if their time were over: the kind is another one now, and their clients come back to it. */
  endWatches(): void;
  close(): Promise<void>;
}

export interface WatchCacheOptions {
  storage: Storage;
  /** With both slashes: `/registry/pods/`. */
  prefix: string;
  /** Keys are `namespace/name` behind the prefix; else `name`. */
  namespaced: boolean;
  /**
   * Stored JSON (without resourceVersion) → hub object; the cache adds the resourceVersion and freezes. Default: JSON.parse.
   * Here go decryption and what changed since the object was written (defaults, custom kinds); the served form then needs a
   * `convert` as well, because stored bytes would otherwise go out as they are.
   */
  decode?: (value: Uint8Array) => KubeObject;
  /** The registered fields that `where` may name, as read from the hub object. Indexed when first asked for. */
  fields?: Readonly<Record<string, (object: KubeObject) => string>>;
  clock: Clock;
  log: Log;
  limits?: Partial<WatchCacheLimits>;
}

export interface WatchCacheLimits {
  /** Recent events kept for watchers and older listings, in bytes of their objects. Behind them the store's history is asked. */
  eventBytes: number;
  /** Events that may wait for one slow watcher. */
  watcherEvents: number;
  /** Objects whose parsed form is kept. */
  parsedObjects: number;
  freshnessTimeoutMs: number;
  bookmarkIntervalMs: number;
}
