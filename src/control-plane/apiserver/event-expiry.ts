/**
 * Events are for people who look soon: they go an hour after they were last written. Source: kube-apiserver, --event-ttl.
 */
import { Event } from '#api/core/v1/event.ts';
import type { Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { Revision, Storage } from '#control-plane/storage/storage.ts';
import type { Caches } from './registry/caches.ts';
import type { CachedObject } from './watch-cache/watch-cache.ts';

const TTL_MS = 60 * 60_000;
const LOOK_EVERY_MS = 60_000;
const LIST_EVERY_MS = 10 * 60_000;
/** In one transaction. */
const AT_ONCE = 100;

export interface EventExpiryOptions {
  storage: Storage;
  caches: Caches;
  clock: Clock;
  log: Log;
  signal: AbortSignal;
}

/** Looks once a minute until the signal aborts. */
export function expireEvents(options: EventExpiryOptions): void {
  const { clock, log, signal } = options;
  const ageing = new AgeingEvents(options);
  const look = () => {
    if (signal.aborted) return;
    removeExpired(ageing, options).catch((error: unknown) => {
      if (!signal.aborted) log.warn('events could not be removed', { error: String(error) });
    });
    timer = clock.timer(LOOK_EVERY_MS, look);
  };
  let timer = clock.timer(LOOK_EVERY_MS, look);
  signal.addEventListener('abort', () => timer.cancel(), { once: true });
}

async function removeExpired(ageing: AgeingEvents, { storage }: EventExpiryOptions): Promise<void> {
  const expired = await ageing.expired();
  for (let at = 0; at < expired.length; at += AT_ONCE) {
    const some = expired.slice(at, at + AT_ONCE);
    // When one of them was written meanwhile, all of these wait for the next look.
    await storage.commit({
      when: some.map(({ key, stored }) => ({ key, modRevision: stored.modRevision })),
      then: some.map(({ key }) => ({ delete: key })),
    });
  }
}

/**
 * Those that may go before all are listed again. There can be a hundred thousand Events, of which a look finds few: what is written
 * after a listing has an hour, so the listing knows them all.
 */
class AgeingEvents {
  readonly #caches: Caches;
  readonly #clock: Clock;
  /** Of each state once, however often it is listed. */
  readonly #writtenMs = new WeakMap<CachedObject, number>();
  #events: readonly { key: string; modRevision: Revision; writtenMs: number }[] = [];
  #listedMs = Number.NEGATIVE_INFINITY;
  #listedRevision = Number.POSITIVE_INFINITY;

  constructor({ caches, clock }: Pick<EventExpiryOptions, 'caches' | 'clock'>) {
    this.#caches = caches;
    this.#clock = clock;
  }

  /** They are told again until they are gone. */
  async expired(): Promise<CachedObject[]> {
    const sinceMs = this.#clock.now() - this.#listedMs;
    if (sinceMs >= LIST_EVERY_MS || sinceMs < 0) await this.#list();
    const cache = this.#caches.of(Event);
    const oldestMs = this.#clock.now() - TTL_MS;
    const expired: CachedObject[] = [];
    this.#events = this.#events.filter(({ key, modRevision, writtenMs }) => {
      if (writtenMs >= oldestMs) return true;
      const event = cache.peek(key);
      if (event?.stored.modRevision !== modRevision) return false; // gone, or written since: that has another hour
      expired.push(event);
      return true;
    });
    return expired;
  }

  async #list(): Promise<void> {
    const nowMs = this.#clock.now();
    const { items, revision } = await this.#caches.of(Event).list({ freshness: 'any' });
    const all = items.map((item) => ({
      key: item.key,
      modRevision: item.stored.modRevision,
      writtenMs: this.#whenWritten(item, nowMs),
    }));
    this.#events = all.filter(({ writtenMs }) => writtenMs < nowMs + LIST_EVERY_MS - TTL_MS);
    this.#listedMs = nowMs;
    this.#listedRevision = revision;
  }

  /** As it says itself, where that can be: not after now, and not before a listing that did not have it yet. */
  #whenWritten(item: CachedObject, nowMs: number): number {
    const known = this.#writtenMs.get(item);
    if (known !== undefined) return known;
    const saidMs = lastSeenMs(item);
    const isLater = item.stored.modRevision > this.#listedRevision && saidMs < this.#listedMs;
    const ms = isLater ? nowMs : Math.min(saidMs, nowMs);
    this.#writtenMs.set(item, ms);
    return ms;
  }
}

function lastSeenMs(item: CachedObject): number {
  const { metadata, lastTimestamp, eventTime, series } = item.object() as unknown as Event;
  const times = [metadata.creationTimestamp, lastTimestamp, eventTime, series?.lastObservedTime];
  return Math.max(...times.map((time) => (time ? Date.parse(time) : 0)));
}
