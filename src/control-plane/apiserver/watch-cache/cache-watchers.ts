/** Who watches a cache. A change is offered to those whose selection it can concern, not to everybody. */
import type { Revision } from '#control-plane/storage/storage.ts';
import type { Change } from './cache-event.ts';
import type { CachedState } from './cached-state.ts';
import type { ObjectSet } from './object-set.ts';
import type { CacheEvent, WatchOptions } from './watch-cache.ts';

/** Not queueMicrotask, which in Node makes a record of an asynchronous resource each time. */
const NOW = Promise.resolve();

/** One watcher's events, waiting to be sent. */
export class CacheWatcher {
  readonly options: WatchOptions;
  readonly #objects: ObjectSet;
  readonly #limit: number;
  readonly #after: Revision;
  #waiting: CacheEvent[] = [];
  #wake: (() => void) | undefined;
  #failure: unknown;
  ended = false;

  /** `after`: changes up to here are not for it. */
  constructor(
    options: WatchOptions,
    { objects, limit, after }: { objects: ObjectSet; limit: number; after: Revision },
  ) {
    this.options = options;
    this.#objects = objects;
    this.#limit = limit;
    this.#after = after;
  }

  offer(change: Change): void {
    if (change.revision <= this.#after) return;
    try {
      const event = change.eventFor(this.#selects(change.before), this.#selects(change.now));
      if (event) this.push(event);
    } catch (error) {
      this.end(error); // a selection that cannot be evaluated is the end of its watch, not of the cache
    }
  }

  push(event: CacheEvent): void {
    if (this.ended || event.revision < this.#after) return;
    this.#waiting.push(event);
    if (this.#waiting.length > this.#limit) this.end();
    this.#wakeUp();
  }

  /** Throws what ended it, when that was an error. */
  take(): CacheEvent[] {
    if (this.#failure !== undefined) throw this.#failure;
    const events = this.#waiting;
    this.#waiting = [];
    return events;
  }

  /** Resolves when there is something to take, or it has ended. */
  something(): Promise<void> {
    if (this.ended || this.#waiting.length > 0) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = () => {
        this.#wake = undefined;
        resolve();
      };
      this.#wake = wake; // not written here: the engine makes it among the old objects then (decision 27)
    });
  }

  /**
   * In place of asking: `take` is given what there is, and then what comes, after whoever brings it has done. Resolves when this
   * has ended, rejects with what ended it.
   */
  handTo(take: (events: readonly CacheEvent[]) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      let isDue = false;
      const over = (settle: () => void) => {
        this.#wake = undefined;
        settle();
        this.end();
      };
      const hand = () => {
        isDue = false;
        try {
          const events = this.take();
          if (events.length > 0) take(events);
          if (this.ended) this.take(); // what ended it meanwhile is thrown
        } catch (error) {
          return over(() => reject(error));
        }
        if (this.ended) over(resolve);
      };
      const wake = () => {
        if (!isDue) void NOW.then(hand);
        isDue = true;
      };
      this.#wake = wake;
      hand();
    });
  }

  /** What waits is let go of: the client resumes from what it has seen. */
  end(failure?: unknown): void {
    this.#failure ??= failure;
    this.ended = true;
    this.#waiting = [];
    this.#wakeUp();
  }

  #selects(state: CachedState | undefined): boolean {
    return state !== undefined && this.#objects.selects(this.options, state);
  }

  #wakeUp(): void {
    this.#wake?.();
  }
}

export class CacheWatchers {
  readonly #objects: ObjectSet;
  readonly #everything = new Set<CacheWatcher>();
  /** field → value → watchers: thousands of kubelets watch the pods of one node each. */
  readonly #byField = new Map<string, Map<string, Set<CacheWatcher>>>();
  readonly #all = new Set<CacheWatcher>();

  constructor(objects: ObjectSet) {
    this.#objects = objects;
  }

  get size(): number {
    return this.#all.size;
  }

  add(watcher: CacheWatcher): void {
    this.#all.add(watcher);
    const { where } = watcher.options;
    if (!where) return void this.#everything.add(watcher);
    const byValue = getOrAdd(this.#byField, where.field, () => new Map<string, Set<CacheWatcher>>());
    getOrAdd(byValue, where.equals, () => new Set<CacheWatcher>()).add(watcher);
  }

  delete(watcher: CacheWatcher): void {
    this.#all.delete(watcher);
    this.#everything.delete(watcher);
    const { where } = watcher.options;
    const byValue = where && this.#byField.get(where.field);
    const watchers = byValue?.get(where!.equals);
    watchers?.delete(watcher);
    if (watchers?.size === 0) byValue!.delete(where!.equals);
    if (byValue?.size === 0) this.#byField.delete(where!.field);
  }

  dispatch(change: Change): void {
    for (const watcher of this.#everything) watcher.offer(change);
    for (const [field, byValue] of this.#byField) {
      const was = change.before && this.#objects.fieldOf(change.before, field);
      const is = change.now && this.#objects.fieldOf(change.now, field);
      for (const watcher of (is !== undefined && byValue.get(is)) || []) watcher.offer(change);
      if (was === is || was === undefined) continue;
      for (const watcher of byValue.get(was) ?? []) watcher.offer(change);
    }
  }

  bookmark(event: CacheEvent): void {
    for (const watcher of this.#all) if (watcher.options.bookmarks) watcher.push(event);
  }

  /** Whether anybody waits for bookmarks. */
  get wantBookmarks(): boolean {
    for (const watcher of this.#all) if (watcher.options.bookmarks) return true;
    return false;
  }

  endAll(): void {
    for (const watcher of this.#all) watcher.end();
  }
}

function getOrAdd<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const there = map.get(key);
  if (there !== undefined) return there;
  const made = make();
  map.set(key, made);
  return made;
}
