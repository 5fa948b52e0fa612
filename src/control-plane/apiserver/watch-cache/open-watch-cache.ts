/** Keeps a watch cache current and answers from it. What it promises: `watch-cache.ts`. */

import { expired, internalError, type StatusError, serviceUnavailable } from '#api/machinery/status.ts';
import { sleep } from '#base/clock.ts';
import { type Following, follow } from '#base/followable.ts';
import { PlainSignal, type Signal } from '#base/plain-signal.ts';
import { otherwise, type Soon, soon } from '#base/soon.ts';
import { Unreadable } from '#control-plane/storage/errors.ts';
import { Compacted, type EventBatch, type Revision, type Stored } from '#control-plane/storage/storage.ts';
import { Bookmark, Change } from './cache-event.ts';
import { CacheWatcher, CacheWatchers } from './cache-watchers.ts';
import { CachedState, type StateContext } from './cached-state.ts';
import { type ContinueAt, decodeContinue, snapshotGone } from './continue-token.ts';
import { initialEvents } from './initial-events.ts';
import { ObjectSet } from './object-set.ts';
import { olderChanges } from './older-changes.ts';
import { ParsedForms } from './parsed-forms.ts';
import { RecentChanges } from './recent-changes.ts';
import { RevisionBarrier } from './revision-barrier.ts';
import { pageOf } from './snapshot-listing.ts';
import { decode } from './stored-object.ts';
import type {
  CachedObject,
  CacheEvent,
  CacheWatch,
  Freshness,
  ListOptions,
  ListPage,
  WatchCache,
  WatchCacheLimits,
  WatchCacheOptions,
  WatchOptions,
} from './watch-cache.ts';

const LIMITS: WatchCacheLimits = {
  eventBytes: 8 << 20,
  watcherEvents: 10_000,
  parsedObjects: 10_000,
  freshnessTimeoutMs: 3000, // upstream's (cacher, blockTimeout)
  bookmarkIntervalMs: 60_000,
};
const LOAD_PAGE = 5000; // objects a read when loading: bounds what a remote store sends at once
const RETRY_MS = 1000;
const NOTHING: ReadonlyMap<string, CachedState> = new Map();

/** Starts to load at once. */
export const openWatchCache = (options: WatchCacheOptions): WatchCache => new StorageWatchCache(options);

class StorageWatchCache implements WatchCache {
  readonly prefix: string;
  readonly #options: WatchCacheOptions;
  readonly #limits: WatchCacheLimits;
  readonly #parsed: ParsedForms;
  readonly #context: StateContext;
  readonly #objects: ObjectSet;
  readonly #watchers: CacheWatchers;
  readonly #barrier: RevisionBarrier;
  readonly #stop = new PlainSignal();
  readonly #running: Promise<void>;
  #loaded!: Promise<void>;
  #settleLoaded: { resolve(): void; reject(error: unknown): void } | undefined;
  #recent: RecentChanges;
  #isRefused = false;
  #bookmarkDue = false;

  constructor(options: WatchCacheOptions) {
    const { prefix, namespaced, fields = {}, clock } = options;
    this.prefix = prefix;
    this.#options = options;
    this.#limits = { ...LIMITS, ...options.limits };
    this.#parsed = new ParsedForms(this.#limits.parsedObjects);
    this.#context = { prefix, namespaced, decode: options.decode ?? decode, parsed: this.#parsed };
    this.#objects = new ObjectSet({ prefix, namespaced, fields });
    this.#watchers = new CacheWatchers(this.#objects);
    this.#barrier = new RevisionBarrier(clock, this.#limits.freshnessTimeoutMs);
    this.#recent = new RecentChanges(this.#limits.eventBytes, 0);
    this.#awaitLoad();
    this.#running = this.#run();
  }

  get revision(): Revision {
    return this.#barrier.reached;
  }

  get size(): { objects: number; bytes: number } {
    return { objects: this.#objects.count, bytes: this.#objects.bytes };
  }

  get watchers(): number {
    return this.#watchers.size;
  }

  ready(): Promise<void> {
    return this.#loaded;
  }

  get #isLoaded(): boolean {
    return this.revision > 0 && !this.#isRefused;
  }

  async waitUntil(revision: Revision, signal?: Signal): Promise<void> {
    if (this.revision >= revision) return;
    await this.ready();
    await Promise.all([
      this.#barrier.until(revision, signal),
      this.#options.storage.requestProgress(this.prefix, revision),
    ]);
  }

  freshen(): Soon<Revision> {
    return this.#isLoaded ? this.#freshened() : this.ready().then(() => this.#freshened());
  }

  #freshened(): Soon<Revision> {
    if (!this.#isFresh('newest')) return this.#caughtUp();
    return soon(
      this.#options.storage.currentRevision(),
      (revision) => (this.#isFresh('newest') ? this.#reach(revision) : this.#caughtUp()), // nothing up to there is on its way
    );
  }

  async #caughtUp(): Promise<Revision> {
    const revision = await this.#options.storage.requestProgress(this.prefix);
    await this.#barrier.until(revision);
    return revision;
  }

  peek(key: string): CachedObject | undefined {
    return this.#objects.get(key);
  }

  get(key: string, freshness: Freshness): Soon<CachedObject | undefined> {
    return this.#isFresh(freshness) ? this.#objects.get(key) : this.#getWhenFresh(key, freshness);
  }

  async #getWhenFresh(key: string, freshness: Freshness): Promise<CachedObject | undefined> {
    await this.#awaitFreshness(freshness);
    if (typeof freshness !== 'object' || !('exact' in freshness)) return this.#objects.get(key);
    return this.#with(freshness.exact, listTooOld, () => {
      const replaced = this.#recent.replacedSince(freshness.exact);
      return replaced.has(key) ? replaced.get(key) : this.#objects.get(key);
    });
  }

  async list(options: ListOptions): Promise<ListPage> {
    if (options.continue) return this.#nextPage(options, decodeContinue(options.continue));
    const { freshness } = options;
    await this.#awaitFreshness(freshness);
    if (typeof freshness !== 'object' || !('exact' in freshness)) return this.#page(options, {});
    return this.#with(freshness.exact, listTooOld, () => this.#page(options, { revision: freshness.exact }));
  }

  watch(options: WatchOptions): CacheWatch {
    return {
      [Symbol.asyncIterator]: () => this.#batches(options),
      follow: (take) => this.#follow(options, take),
    };
  }

  #follow(options: WatchOptions, take: (batch: readonly CacheEvent[]) => void): Following {
    let isStopped = false;
    let joined: CacheWatcher | undefined;
    const followed = async () => {
      await this.ready();
      const { watcher, initial } = await this.#join(options);
      joined = watcher;
      const stop = () => watcher.end();
      options.signal.addEventListener('abort', stop, { once: true });
      try {
        if (isStopped || options.signal.aborted) return;
        for (const batch of initial) {
          take(batch);
          if (watcher.ended) return;
        }
        options.caughtUp?.();
        await watcher.handTo(take);
      } finally {
        options.signal.removeEventListener('abort', stop);
        this.#watchers.delete(watcher);
      }
    };
    return {
      ended: followed(),
      stop() {
        isStopped = true;
        joined?.end();
      },
    };
  }

  async *#batches(options: WatchOptions): AsyncGenerator<readonly CacheEvent[], void, undefined> {
    await this.ready();
    const { watcher, initial } = await this.#join(options);
    const stop = () => watcher.end();
    options.signal.addEventListener('abort', stop, { once: true });
    try {
      if (options.signal.aborted) return;
      for (const batch of initial) {
        yield batch;
        if (watcher.ended) return;
      }
      options.caughtUp?.();
      for (;;) {
        const events = watcher.take();
        if (events.length > 0) yield events;
        else if (watcher.ended) return;
        else await watcher.something();
      }
    } finally {
      options.signal.removeEventListener('abort', stop);
      this.#watchers.delete(watcher);
    }
  }

  bookmark(): CacheEvent {
    return new Bookmark(this.revision);
  }

  endWatches(): void {
    this.#watchers.endAll();
  }

  async close(): Promise<void> {
    this.#stop.abort();
    this.#watchers.endAll();
    const closing = serviceUnavailable('the server is shutting down');
    this.#barrier.rejectAll(closing);
    this.#settleLoaded?.reject(closing);
    await this.#running;
  }

  // Keeping current

  async #run(): Promise<void> {
    const signal = this.#stop;
    const { clock, log, storage } = this.#options;
    while (!signal.aborted) {
      try {
        const after = await this.#load();
        // Within the store's own turn: so who wrote finds the write here as soon as it is acknowledged, and need not wait for it.
        await follow(storage.watch({ prefix: this.prefix, after, signal }), (batch) => this.#apply(batch)).ended;
        if (!signal.aborted) log.info('the watch of the store ended', { prefix: this.prefix });
      } catch (error) {
        if (!signal.aborted) log.warn('the watch cache starts again', { prefix: this.prefix, error: String(error) });
        if (error instanceof Unreadable) this.#refuse(internalError(error.message, error));
      }
      // Events may be missing from here on, and every watcher is owed all of them: so they resume by themselves.
      this.#watchers.endAll();
      await sleep(clock, RETRY_MS, signal).catch(() => undefined); // only ever ends early because of the signal
    }
  }

  #awaitLoad(): void {
    this.#loaded = new Promise((resolve, reject) => {
      this.#settleLoaded = { resolve, reject };
    });
    this.#loaded.catch(() => undefined); // whoever waits for it hears of it; nobody may be waiting
  }

  /** Until it can be loaded again: who asks is told why not, instead of being kept waiting. */
  #refuse(error: StatusError): void {
    this.#settleLoaded?.reject(error);
    this.#awaitLoad();
    this.#settleLoaded?.reject(error);
    this.#objects.clear();
    this.#isRefused = true;
  }

  async #load(): Promise<Revision> {
    const items: Stored[] = [];
    let revision: Revision | undefined;
    for (let more = true; more; ) {
      const after = items.at(-1)?.key;
      const page = await this.#options.storage.range({ prefix: this.prefix, limit: LOAD_PAGE, after, revision });
      items.push(...page.items);
      revision ??= page.revision;
      more = page.more;
    }
    this.#watchers.endAll(); // whoever joined since the last watch broke: what happened in between never came by here
    this.#objects.clear();
    this.#parsed.forgetAll();
    for (const stored of items) this.#objects.set(stored.key, new CachedState(stored, this.#context));
    this.#recent = new RecentChanges(this.#limits.eventBytes, revision!);
    this.#barrier.reach(revision!);
    if (this.#isRefused) this.#awaitLoad();
    this.#isRefused = false;
    this.#settleLoaded?.resolve();
    return revision!;
  }

  #apply({ events, revision }: EventBatch): void {
    for (const event of events) {
      const before = this.#objects.get(event.key);
      const now = event.now && new CachedState(event.now, this.#context);
      if (before) this.#parsed.forget(before);
      if (!before && !now) continue;
      this.#objects.set(event.key, now);
      const change = new Change(event.revision, before, now);
      this.#recent.push(change);
      this.#watchers.dispatch(change);
    }
    this.#reach(revision);
  }

  /** Not back: what the store tells may be older than what this cache has found out. */
  #reach(revision: Revision): Revision {
    if (revision > this.revision) this.#barrier.reach(revision);
    return revision;
  }

  // Answering

  /** What is here answers as well as what would be here after waiting. */
  #isFresh(freshness: Freshness): boolean {
    if (!this.#isLoaded || typeof freshness === 'object') return false;
    if (freshness === 'any') return true;
    const newest = this.#options.storage.newestUnder(this.prefix);
    return newest !== undefined && newest <= this.revision;
  }

  async #awaitFreshness(freshness: Freshness): Promise<void> {
    await this.ready();
    if (freshness === 'newest') await this.freshen();
    else if (freshness !== 'any') await this.waitUntil('exact' in freshness ? freshness.exact : freshness.notOlderThan);
  }

  async #nextPage(options: ListOptions, at: ContinueAt): Promise<ListPage> {
    await this.ready();
    const { revision, after } = at;
    if (revision === undefined) {
      await this.freshen();
      return this.#page(options, { after });
    }
    await this.waitUntil(revision);
    const gone = () => snapshotGone(at);
    // Though all may be at hand: how long a token is good must not depend on how much happens meanwhile.
    if (revision < (await this.#options.storage.compactedRevision(this.prefix))) throw gone();
    return this.#with(revision, gone, () => this.#page(options, { after, revision }));
  }

  #page(
    selection: ListOptions,
    { after, revision = this.revision }: { after?: string; revision?: Revision },
  ): ListPage {
    return pageOf({
      objects: this.#objects,
      prefix: this.prefix,
      replaced: revision < this.revision ? this.#recent.replacedSince(revision) : NOTHING,
      after: after && this.prefix + after,
      revision,
      limit: selection.limit,
      selection,
    });
  }

  async #join(options: WatchOptions): Promise<{ watcher: CacheWatcher; initial: Iterable<CacheEvent[]> }> {
    const { after } = options;
    const limits = { objects: this.#objects, limit: this.#limits.watcherEvents };
    const add = (from: Revision) => {
      if (this.#stop.aborted) throw serviceUnavailable('the server is shutting down');
      const watcher = new CacheWatcher(options, { after: from, ...limits });
      this.#watchers.add(watcher);
      if (options.bookmarks) this.#scheduleBookmark();
      options.endsSoon?.addEventListener('abort', () => void this.#lastBookmark(watcher), { once: true });
      return watcher;
    };
    if (after === undefined) {
      const { items, revision } = this.#page({ ...options, freshness: 'any' }, {});
      const closed = options.initialEventsEnd ?? false;
      return { watcher: add(revision), initial: initialEvents(items as CachedState[], { revision, closed }) };
    }
    const tooOld = () => expired(`too old resource version: ${after} (${this.#recent.floor})`);
    return this.#with(after, tooOld, () => {
      const watcher = add(after);
      for (const change of this.#recent.since(after)) watcher.offer(change);
      return { watcher, initial: [] };
    });
  }

  /** Runs `use` while all changes above `revision` are at hand; asks the store for those that are no longer. */
  async #with<T>(revision: Revision, gone: () => Error, use: () => T): Promise<T> {
    while (revision < this.#recent.floor) {
      const unpin = this.#recent.pin();
      try {
        await this.#extendBack(revision, this.#recent);
        if (revision >= this.#recent.floor) return use();
      } catch (error) {
        throw error instanceof Compacted ? gone() : error;
      } finally {
        unpin();
      }
    }
    return use();
  }

  async #extendBack(revision: Revision, recent: RecentChanges): Promise<void> {
    const upTo = recent.floor;
    const changes = await olderChanges(this.#options.storage, this.#context, { after: revision, upTo });
    if (recent.floor === upTo) recent.prepend(changes, revision); // else somebody else was faster
  }

  async #lastBookmark(watcher: CacheWatcher): Promise<void> {
    await this.#freshenQuietly();
    watcher.push(this.bookmark());
  }

  /** A watch of quiet keys gets further by it; when the store cannot say, the next bookmark will. */
  #freshenQuietly(): Soon<unknown> {
    return otherwise<unknown>(
      () => this.freshen(),
      (error): unknown => this.#options.log.debug('no bookmark', { error: String(error) }),
    );
  }

  #scheduleBookmark(): void {
    if (this.#bookmarkDue) return;
    this.#bookmarkDue = true;
    this.#options.clock.timer(this.#limits.bookmarkIntervalMs, () => {
      this.#bookmarkDue = false;
      if (this.#stop.aborted || !this.#watchers.wantBookmarks) return;
      this.#scheduleBookmark();
      void soon(this.#freshenQuietly(), () => this.#watchers.bookmark(this.bookmark()));
    });
  }
}

const listTooOld = () => expired('The resourceVersion for the provided list is too old.');
