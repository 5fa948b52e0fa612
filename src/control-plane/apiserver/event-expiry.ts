/**
 * Events are for people who look soon: they go an hour after they last happened. Source: kube-apiserver, --event-ttl.
 */
import { Event } from '#api/core/v1/event.ts';
import type { Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { Storage } from '#control-plane/storage/storage.ts';
import type { Caches } from './registry/caches.ts';
import type { CachedObject } from './watch-cache/watch-cache.ts';

const TTL_MS = 60 * 60_000;
const LOOK_EVERY_MS = 60_000;
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
  const look = () => {
    if (signal.aborted) return;
    removeExpired(options).catch((error: unknown) => {
      if (!signal.aborted) log.warn('events could not be removed', { error: String(error) });
    });
    timer = clock.timer(LOOK_EVERY_MS, look);
  };
  let timer = clock.timer(LOOK_EVERY_MS, look);
  signal.addEventListener('abort', () => timer.cancel(), { once: true });
}

export async function removeExpired({
  storage,
  caches,
  clock,
}: Omit<EventExpiryOptions, 'log' | 'signal'>): Promise<void> {
  const { items } = await caches.of(Event).list({ freshness: 'any' });
  const oldestMs = clock.now() - TTL_MS;
  const expired = items.filter((item) => lastSeenMs(item) < oldestMs);
  for (let at = 0; at < expired.length; at += AT_ONCE) {
    const some = expired.slice(at, at + AT_ONCE);
    // When one of them happened again meanwhile, all of these wait for the next look.
    await storage.commit({
      when: some.map(({ key, stored }) => ({ key, modRevision: stored.modRevision })),
      then: some.map(({ key }) => ({ delete: key })),
    });
  }
}

/** Of each state once, however often it is looked at. */
const seen = new WeakMap<CachedObject, number>();

function lastSeenMs(item: CachedObject): number {
  const known = seen.get(item);
  if (known !== undefined) return known;
  const ms = lastSeenIn(item);
  seen.set(item, ms);
  return ms;
}

function lastSeenIn(item: CachedObject): number {
  const { metadata, lastTimestamp, eventTime, series } = item.object() as unknown as Event;
  const times = [metadata.creationTimestamp, lastTimestamp, eventTime, series?.lastObservedTime];
  return Math.max(...times.map((time) => (time ? Date.parse(time) : 0)));
}
