/**
 * The watch cache of one version of a custom kind that a webhook converts. When the webhook fails, requests fail with its
 * reason at once, and the next request tries again; an object that can be converted can be read even if others cannot.
 */
import type { Kind } from '#api/machinery/kind.ts';
import { StatusError } from '#api/machinery/status.ts';
import type { Signal } from '#base/plain-signal.ts';
import type { Soon } from '#base/soon.ts';
import type { Revision } from '#control-plane/storage/storage.ts';
import { CachedState } from '../watch-cache/cached-state.ts';
import { openWatchCache } from '../watch-cache/open-watch-cache.ts';
import { decode } from '../watch-cache/stored-object.ts';
import type {
  CachedObject,
  CacheEvent,
  CacheWatch,
  Freshness,
  ListOptions,
  ListPage,
  WatchCache,
  WatchCacheOptions,
  WatchOptions,
} from '../watch-cache/watch-cache.ts';
import { ConvertingStorage } from './converting-storage.ts';

/** Longer than a webhook may take: a write is answered when its version has come by here. */
const FRESHNESS_TIMEOUT_MS = 35_000;

export class ConvertedCache implements WatchCache {
  readonly prefix: string;
  readonly #kind: Kind;
  readonly #options: WatchCacheOptions;
  #storage: ConvertingStorage;
  #cache: WatchCache;
  #closing: Promise<unknown> = Promise.resolve();
  #isClosed = false;

  constructor(kind: Kind, options: WatchCacheOptions) {
    this.prefix = options.prefix;
    this.#kind = kind;
    this.#options = options;
    this.#storage = new ConvertingStorage(options.storage, kind);
    this.#cache = this.#open();
  }

  get revision(): Revision {
    return this.#cache.revision;
  }

  get size(): WatchCache['size'] {
    return this.#cache.size;
  }

  get watchers(): number {
    return this.#cache.watchers;
  }

  ready(): Promise<void> {
    return this.#unlessFailed((cache) => cache.ready());
  }

  waitUntil(revision: Revision, signal?: Signal): Promise<void> {
    return this.#unlessFailed((cache) => cache.waitUntil(revision, signal));
  }

  freshen(): Promise<Revision> {
    return this.#unlessFailed((cache) => cache.freshen());
  }

  async get(key: string, freshness: Freshness): Promise<CachedObject | undefined> {
    try {
      return await this.#unlessFailed((cache) => cache.get(key, freshness));
    } catch (error) {
      if (!(error instanceof StatusError) || !this.#storage.hasFailed) throw error;
      return this.#alone(key);
    }
  }

  peek(key: string): CachedObject | undefined {
    return this.#cache.peek(key);
  }

  list(options: ListOptions): Promise<ListPage> {
    return this.#unlessFailed((cache) => cache.list(options));
  }

  async *watch(options: WatchOptions): CacheWatch {
    const cache = await this.#unlessFailed(async (current) => {
      await current.ready();
      return current;
    });
    yield* cache.watch(options);
  }

  bookmark(): CacheEvent {
    return this.#cache.bookmark();
  }

  endWatches(): void {
    this.#cache.endWatches();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([this.#closing, this.#cache.close()]);
  }

  #open(): WatchCache {
    const limits = { freshnessTimeoutMs: FRESHNESS_TIMEOUT_MS, ...this.#options.limits };
    return openWatchCache({ ...this.#options, storage: this.#storage, limits });
  }

  async #unlessFailed<T>(use: (cache: WatchCache) => Soon<T>): Promise<T> {
    if (this.#storage.hasFailed && !this.#isClosed) {
      this.#closing = Promise.all([this.#closing, this.#cache.close()]);
      this.#storage = new ConvertingStorage(this.#options.storage, this.#kind);
      this.#cache = this.#open();
    }
    return Promise.race([use(this.#cache), this.#storage.failure]);
  }

  /** Without its neighbours. Throws what keeps it from being converted. */
  async #alone(key: string): Promise<CachedObject | undefined> {
    const { storage, prefix, namespaced } = this.#options;
    const stored = await new ConvertingStorage(storage, this.#kind).get(key);
    return stored && new CachedState(stored, { prefix, namespaced, decode });
  }
}
