/**
 * Hands every batch to whoever watches. A watcher that starts in the past, or that has let too much pile up, reads the
 * history up to now and goes on from there, so no watcher can hold more than `MAX_WAITING` events and none misses one.
 */
import type { Signal } from '#base/plain-signal.ts';
import { StorageClosed } from './errors.ts';
import type { EventBatch, Revision, StoreEvent } from './storage.ts';

const MAX_WAITING = 50_000;
const MAX_AHEAD = 10_000; // a client's revision from some other store must not wake its watchers for ever

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

  notify(batch: EventBatch): void {
    this.#revision = batch.revision;
    for (const watcher of this.#watchers) watcher.offer(batch);
  }

  /** Some events never came by here (the source was cut off): everybody reads the history up to `revision`. */
  skipTo(revision: Revision): void {
    this.#revision = revision;
    for (const watcher of this.#watchers) watcher.fallBehind(revision);
  }

  /** Every watcher of keys under `prefix` gets a batch that reaches at least `revision`, an empty one if need be. */
  askProgress(prefix: string, revision: Revision): void {
    const wanted = Math.min(revision, this.#revision + MAX_AHEAD);
    for (const watcher of this.#byPrefix.get(prefix) ?? []) watcher.askProgress(wanted);
  }

  /** A revision that no change under `prefix` that was handed out exceeds; undefined when nobody watches just that. */
  newestUnder(prefix: string): Revision | undefined {
    for (const watcher of this.#byPrefix.get(prefix) ?? []) return watcher.newest;
    return undefined;
  }

  /** Starts now, not at the first read. */
  watch({ prefix, after, signal }: { prefix: string; after?: Revision; signal: Signal }): AsyncIterable<EventBatch> {
    if (this.#closed) throw new StorageClosed();
    const watcher = new Watcher({ prefix, after, now: this.#revision });
    this.#add(watcher);
    const stop = () => {
      this.#delete(watcher);
      watcher.end();
    };
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
    return this.#batches(watcher, () => {
      signal.removeEventListener('abort', stop);
      stop();
    });
  }

  close(): void {
    this.#closed = true;
    for (const watcher of this.#watchers) watcher.end();
    this.#watchers.clear();
    this.#byPrefix.clear();
  }

  #add(watcher: Watcher): void {
    this.#watchers.add(watcher);
    const same = this.#byPrefix.get(watcher.prefix);
    if (same) same.add(watcher);
    else this.#byPrefix.set(watcher.prefix, new Set([watcher]));
  }

  #delete(watcher: Watcher): void {
    this.#watchers.delete(watcher);
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

  async #catchUp(watcher: Watcher): Promise<EventBatch> {
    const upTo = Math.max(this.#revision, watcher.delivered);
    const from = watcher.collectFrom(upTo);
    return { events: await this.#readHistory(watcher.prefix, from, upTo), revision: upTo };
  }
}

class Watcher {
  readonly prefix: string;
  /** Everything up to here was given out or is being given out. */
  delivered: Revision;
  behind: boolean;
  /** No change of its keys that has come by is above this. */
  newest: Revision;
  ended = false;
  #waiting: StoreEvent[] = [];
  #seen: Revision;
  #wanted: Revision;
  #wake: (() => void) | undefined;

  constructor({ prefix, after, now }: { prefix: string; after: Revision | undefined; now: Revision }) {
    this.prefix = prefix;
    this.delivered = after ?? now;
    this.behind = after !== undefined && after < now;
    this.#seen = this.delivered;
    this.#wanted = now;
    this.newest = Math.max(this.delivered, now);
    if (after === undefined) this.delivered = now - 1; // so that the first batch names where it starts
  }

  offer({ events, revision }: EventBatch): void {
    if (this.behind) this.newest = revision;
    if (this.behind || revision <= this.#seen) return;
    for (const event of events) {
      if (event.revision <= this.#seen || !event.key.startsWith(this.prefix)) continue;
      this.#waiting.push(event);
      this.newest = event.revision;
    }
    this.#seen = revision;
    if (this.#waiting.length > MAX_WAITING) this.fallBehind(revision);
    if (this.#waiting.length > 0 || this.#wanted > this.delivered) this.#wakeUp();
  }

  /** Up to `revision` there may be something. */
  fallBehind(revision: Revision): void {
    this.behind = true;
    this.newest = Math.max(this.newest, revision);
    this.#waiting = [];
    this.#wakeUp();
  }

  /** What comes above `upTo` is collected from now on; returns from where the history has to be read. */
  collectFrom(upTo: Revision): Revision {
    const from = this.delivered;
    this.behind = false;
    this.#waiting = [];
    this.#seen = upTo;
    this.delivered = upTo;
    return from;
  }

  askProgress(revision: Revision): void {
    if (revision <= this.#wanted || revision <= this.delivered) return;
    this.#wanted = revision;
    if (this.#seen > this.delivered) this.#wakeUp();
  }

  take(): EventBatch | undefined {
    if (this.behind) return undefined;
    const owes = this.#wanted > this.delivered && this.#seen > this.delivered;
    if (this.#waiting.length === 0 && !owes) return undefined;
    const events = this.#waiting;
    this.#waiting = [];
    this.delivered = this.#seen;
    return { events, revision: this.#seen };
  }

  something(): Promise<void> {
    return new Promise((resolve) => {
      if (this.ended) resolve();
      else this.#wake = resolve;
    });
  }

  end(): void {
    this.ended = true;
    this.#wakeUp();
  }

  #wakeUp(): void {
    this.#wake?.();
    this.#wake = undefined;
  }
}
