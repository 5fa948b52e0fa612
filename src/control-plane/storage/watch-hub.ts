/**
 * Hands every batch to whoever watches. A watcher that starts in the past, or that has let too much pile up, reads the
 * history up to now and goes on from there, so no watcher can hold more than `MAX_WAITING` events and none misses one.
 */
import type { Followable, Following } from '#base/followable.ts';
import type { Signal } from '#base/plain-signal.ts';
import { StorageClosed } from './errors.ts';
import type { EventBatch, Revision, StoreEvent } from './storage.ts';

const MAX_WAITING = 50_000;
const MAX_AHEAD = 10_000; // a client's revision from some other store must not wake its watchers for ever

/** Not queueMicrotask, which in Node makes a record of an asynchronous resource each time. */
const NOW = Promise.resolve();

/** Events under `prefix` above `after` and up to `upTo`. Throws Compacted. */
export type ReadHistory = (
  prefix: string,
  after: Revision,
  upTo: Revision,
) => readonly StoreEvent[] | Promise<readonly StoreEvent[]>;

export class WatchHub {
  readonly #readHistory: ReadHistory;
  readonly #watchers = new Set<Watcher>();
  readonly #byPrefix = new Map<string, Set<Watcher>>();
  /** Of prefixes that do not end with a slash: they are not found by the keys of events. */
  readonly #uneven = new Set<Watcher>();
  /** Those that have asked for progress and have not got it yet. */
  readonly #owed = new Set<Watcher>();
  #revision: Revision;
  #closed = false;

  constructor(readHistory: ReadHistory, revision: Revision) {
    this.#readHistory = readHistory;
    this.#revision = revision;
  }

  /** Everything up to here has been handed out. */
  get revision(): Revision {
    return this.#revision;
  }

  /** Only those hear of it whom it concerns: a control plane has a watcher of each kind, and most writes concern one of them. */
  notify({ events, revision }: EventBatch): void {
    const since = this.#revision;
    this.#revision = revision;
    const toWake: Watcher[] = [];
    for (const event of events) if (event.revision > since) this.#offer(event, toWake);
    for (const watcher of toWake) watcher.wakeUp();
    for (const watcher of this.#owed) {
      watcher.wakeUp();
      if (!watcher.isOwed) this.#owed.delete(watcher);
    }
  }

  /** Some events never came by here (the source was cut off): everybody reads the history up to `revision`. */
  skipTo(revision: Revision): void {
    this.#revision = revision;
    for (const watcher of this.#watchers) watcher.fallBehind();
  }

  /** Every watcher of keys under `prefix` gets a batch that reaches at least `revision`, an empty one if need be. */
  askProgress(prefix: string, revision: Revision): void {
    const wanted = Math.min(revision, this.#revision + MAX_AHEAD);
    for (const watcher of this.#byPrefix.get(prefix) ?? []) {
      watcher.askProgress(wanted);
      if (watcher.isOwed) this.#owed.add(watcher);
    }
  }

  /** A revision that no change under `prefix` that was handed out exceeds; undefined when nobody watches just that. */
  newestUnder(prefix: string): Revision | undefined {
    for (const watcher of this.#byPrefix.get(prefix) ?? []) return watcher.newest;
    return undefined;
  }

  /** Starts now, not at the first read. Who follows is told within `notify`. */
  watch({ prefix, after, signal }: { prefix: string; after?: Revision; signal: Signal }): Followable<EventBatch> {
    if (this.#closed) throw new StorageClosed();
    const watcher = new Watcher({ prefix, after, hub: this });
    this.#add(watcher);
    const stop = () => {
      signal.removeEventListener('abort', stop);
      this.#delete(watcher);
      watcher.end();
    };
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
    return {
      [Symbol.asyncIterator]: () => this.#batches(watcher, stop),
      follow: (take) => this.#follow(watcher, { take, stop }),
    };
  }

  close(): void {
    this.#closed = true;
    for (const watcher of this.#watchers) watcher.end();
    this.#watchers.clear();
    this.#byPrefix.clear();
    this.#uneven.clear();
    this.#owed.clear();
  }

  #offer(event: StoreEvent, toWake: Watcher[]): void {
    const { key } = event;
    for (let end = key.indexOf('/') + 1; end > 0; end = key.indexOf('/', end) + 1) {
      const watchers = this.#byPrefix.get(key.slice(0, end));
      if (watchers) for (const watcher of watchers) if (watcher.collect(event)) toWake.push(watcher);
    }
    for (const watcher of this.#uneven)
      if (key.startsWith(watcher.prefix) && watcher.collect(event)) toWake.push(watcher);
  }

  #add(watcher: Watcher): void {
    this.#watchers.add(watcher);
    const same = this.#byPrefix.get(watcher.prefix);
    if (same) same.add(watcher);
    else this.#byPrefix.set(watcher.prefix, new Set([watcher]));
    if (!watcher.prefix.endsWith('/')) this.#uneven.add(watcher);
  }

  #delete(watcher: Watcher): void {
    this.#watchers.delete(watcher);
    this.#uneven.delete(watcher);
    this.#owed.delete(watcher);
    const same = this.#byPrefix.get(watcher.prefix);
    same?.delete(watcher);
    if (same?.size === 0) this.#byPrefix.delete(watcher.prefix);
  }

  async *#batches(watcher: Watcher, stop: () => void): AsyncGenerator<EventBatch, void, undefined> {
    try {
      while (!watcher.ended) {
        if (watcher.behind) yield await this.#catchUp(watcher);
        const batch = watcher.take();
        if (batch) yield batch;
        else if (!watcher.behind) await watcher.something();
      }
    } finally {
      stop();
    }
  }

  #follow(watcher: Watcher, { take, stop }: { take: (batch: EventBatch) => void; stop: () => void }): Following {
    const followed = async () => {
      try {
        while (!watcher.ended) {
          const missed = watcher.behind && (await this.#catchUp(watcher));
          if (missed && !watcher.ended) take(missed);
          await watcher.handTo(take);
        }
      } finally {
        stop();
      }
    };
    return { ended: followed(), stop };
  }

  async #catchUp(watcher: Watcher): Promise<EventBatch> {
    const upTo = Math.max(this.#revision, watcher.delivered);
    const from = watcher.collectFrom(upTo);
    return { events: await this.#readHistory(watcher.prefix, from, upTo), revision: upTo };
  }
}

class Watcher {
  readonly prefix: string;
  readonly #hub: { readonly revision: Revision };
  /** Everything up to here was given out or is being given out. */
  delivered: Revision;
  behind: boolean;
  ended = false;
  /** Of its keys, the last change that has come by; or up to where it has read the history, or has begun. */
  #newest: Revision;
  #waiting: StoreEvent[] = [];
  /** What comes by up to here is not for it: it is in the history that it has read. */
  #from: Revision;
  #wanted: Revision;
  #wake: (() => void) | undefined;

  constructor({
    prefix,
    after,
    hub,
  }: {
    prefix: string;
    after: Revision | undefined;
    hub: { readonly revision: Revision };
  }) {
    const now = hub.revision;
    this.prefix = prefix;
    this.#hub = hub;
    this.delivered = after ?? now;
    this.behind = after !== undefined && after < now;
    this.#from = this.delivered;
    this.#wanted = now;
    this.#newest = Math.max(this.delivered, now);
    if (after === undefined) this.delivered = now - 1; // so that the first batch names where it starts
  }

  /** No change of its keys that has come by is above this. */
  get newest(): Revision {
    return this.behind ? Math.max(this.#newest, this.#hub.revision) : this.#newest;
  }

  /** It has asked for more than it was given. */
  get isOwed(): boolean {
    return this.#wanted > this.delivered;
  }

  /** How far it has seen what came by. */
  get #seen(): Revision {
    return Math.max(this.#from, this.#hub.revision);
  }

  /** True when this is the first that waits: it has to be woken up. */
  collect(event: StoreEvent): boolean {
    if (this.behind || event.revision <= this.#from) return false;
    this.#newest = event.revision;
    if (this.#waiting.push(event) > MAX_WAITING) this.fallBehind();
    return this.#waiting.length === 1;
  }

  /** Up to where the hub is there may be something. */
  fallBehind(): void {
    this.behind = true;
    this.#waiting = [];
    this.wakeUp();
  }

  /** What comes above `upTo` is collected from now on; returns from where the history has to be read. */
  collectFrom(upTo: Revision): Revision {
    const from = this.delivered;
    this.behind = false;
    this.#waiting = [];
    this.#newest = Math.max(this.#newest, upTo);
    this.#from = upTo;
    this.delivered = upTo;
    return from;
  }

  askProgress(revision: Revision): void {
    if (revision <= this.#wanted || revision <= this.delivered) return;
    this.#wanted = revision;
    if (this.#seen > this.delivered) this.wakeUp();
  }

  take(): EventBatch | undefined {
    if (this.behind) return undefined;
    if (this.#waiting.length === 0 && !(this.isOwed && this.#seen > this.delivered)) return undefined;
    const events = this.#waiting;
    this.#waiting = [];
    this.delivered = this.#seen;
    return { events, revision: this.delivered };
  }

  something(): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        this.#wake = undefined;
        resolve();
      };
      this.#wake = wake; // not written here: the engine makes it among the old objects then (decision 27)
      if (this.ended) this.wakeUp();
    });
  }

  /**
   * In place of asking: `take` is given what there is, after this has returned, and what comes when it comes. Resolves when this
   * has ended or the history has to be read, rejects with what `take` throws.
   */
  handTo(take: (batch: EventBatch) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      const wake = () => {
        try {
          for (let batch = this.take(); batch && !this.ended; batch = this.take()) take(batch);
          if (!this.ended && !this.behind) return;
          resolve();
        } catch (error) {
          reject(error);
        }
        this.#wake = undefined;
      };
      this.#wake = wake;
      void NOW.then(() => this.wakeUp());
    });
  }

  end(): void {
    this.ended = true;
    this.wakeUp();
  }

  wakeUp(): void {
    this.#wake?.();
  }
}
