/**
 * Keeps an ObjectCache equal to what the API server holds: one listing, then a watch from there, resumed where it ended.
 * Only when the server no longer knows that place (410) is everything listed again. Source: client-go, reflector.
 * Where a watch can begin with what there is, one request is both (KEP-3157).
 */
import type { Kind } from '#api/machinery/kind.ts';
import { resourceName } from '#api/machinery/kind.ts';
import type { KubeObject, ResourceVersion } from '#api/machinery/object.ts';
import { hasReason, StatusError } from '#api/machinery/status.ts';
import { BackOff } from '#base/back-off.ts';
import type { Clock } from '#base/clock.ts';
import { sleep } from '#base/clock.ts';
import { type Followable, follow } from '#base/followable.ts';
import type { Log } from '#base/log.ts';
import type { Signal } from '#base/plain-signal.ts';
import type { Random } from '#base/random.ts';
import type { Client } from './client.ts';
import type { ObjectCache } from './object-cache.ts';
import { Unreachable, type WatchEvent } from './transport.ts';

export interface Scope {
  namespace?: string;
  labelSelector?: string;
  fieldSelector?: string;
}

export interface ReflectorOptions<T extends KubeObject> {
  client: Client;
  kind: Kind<T>;
  scope: Scope;
  cache: ObjectCache<T>;
  /** What of each object is put into the cache; the object itself unless given. */
  keep?(object: T): T;
  clock: Clock;
  random: Random;
  log: Log;
  signal: Signal;
  /** Told when a pause between two tries begins and ends. */
  paused?(isPaused: boolean): void;
}

/** How many objects a page of the first listing holds. Source: client-go, pager. */
const PAGE_SIZE = 500;
/** Short at first: right after a start the server, or the right to list, is often only moments away. */
const BACK_OFF = { firstMs: 100, mostMs: 30_000, jitter: 1 };
/** A watch that lived this long was healthy: the next failure starts from the shortest delay. */
const HEALTHY_MS = 2_000;

/** Runs until `signal` aborts; resolves then. Rejects only for a bug (a listener that throws). */
export async function reflect<T extends KubeObject>(options: ReflectorOptions<T>): Promise<void> {
  const { cache, clock, random, log, kind, signal } = options;
  const backOff = new BackOff(random, BACK_OFF);
  let resumeAt: ResourceVersion | undefined;
  const isStreamed = options.client.transport.streamsLists === true && !kind.servedElsewhere;
  const listed = (resourceVersion: ResourceVersion) => {
    resumeAt = resourceVersion;
  };

  while (!signal.aborted) {
    const startedMs = clock.monotonicMs();
    try {
      if (resumeAt === undefined && !isStreamed) listed(await listAll(options));
      await (resumeAt === undefined ? streamAll(options, listed) : watchFrom(resumeAt, options));
      resumeAt &&= cache.resourceVersion;
      if (clock.monotonicMs() - startedMs >= HEALTHY_MS) {
        backOff.reset();
        continue;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (!isExpected(error)) throw error;
      if (kind.mayBeMissing && !cache.hasSynced && hasReason(error, 'NotFound')) cache.replace([], '0');
      const isExpired = hasReason(error, 'Expired', 'Gone');
      log.debug('watch interrupted', { resource: resourceName(kind), error: error.message });
      if (clock.monotonicMs() - startedMs >= HEALTHY_MS) backOff.reset();
      resumeAt = isExpired ? undefined : resumeAt && cache.resourceVersion;
      if (isExpired && backOff.failures === 0) {
        backOff.nextMs(); // the first relist need not wait, a server that answers 410 again and again must
        continue;
      }
    }
    options.paused?.(true);
    await sleep(clock, backOff.nextMs(), signal).catch(ignoreAbort(signal));
    options.paused?.(false);
  }
}

async function listAll<T extends KubeObject>(options: ReflectorOptions<T>): Promise<ResourceVersion> {
  const { client, kind, scope, cache, keep } = options;
  const items: T[] = [];
  let token: string | undefined;
  for (;;) {
    const page = await client.list(kind, { ...scope, limit: PAGE_SIZE, ...(token && { continue: token }) });
    // A list of one kind leaves out what every item is; frozen items stay the server's own objects.
    for (const item of page.items) items.push(keep ? keep(item) : item);
    token = page.metadata.continue || undefined;
    if (!token) {
      const resourceVersion = page.metadata.resourceVersion ?? '0';
      cache.replace(items, resourceVersion);
      return resourceVersion;
    }
  }
}

async function watchFrom<T extends KubeObject>(
  resourceVersion: ResourceVersion,
  options: ReflectorOptions<T>,
): Promise<void> {
  const { client, kind, scope, signal } = options;
  const events = client.watch(kind, { ...scope, resourceVersion, allowWatchBookmarks: true, signal });
  await toEnd(events, signal, (event) => take(event, options));
}

/** `listed` is told when all that there is has come. What comes behind that is taken as by any watch. */
async function streamAll<T extends KubeObject>(
  options: ReflectorOptions<T>,
  listed: (resourceVersion: ResourceVersion) => void,
): Promise<void> {
  const { client, kind, scope, cache, keep, signal } = options;
  const events = client.watch(kind, { ...scope, ...FROM_NOW_ON, allowWatchBookmarks: true, signal });
  let items: T[] | undefined = [];
  await toEnd(events, signal, (event) => {
    if (!items) take(event, options);
    else if (event.type !== 'BOOKMARK') items.push(keep ? keep(event.object) : event.object);
    else if (event.object.metadata.annotations?.[INITIAL_EVENTS_END] === 'true') {
      const { resourceVersion } = event.object.metadata;
      cache.replace(items, resourceVersion);
      items = undefined;
      listed(resourceVersion);
    }
  });
}

/** What `taken` throws is no answer of the server, and comes out as it is. */
async function toEnd<T>(events: Followable<T>, signal: Signal, taken: (event: T) => void): Promise<void> {
  let bug: { error: unknown } | undefined;
  const following = follow(events, (event) => {
    if (signal.aborted || bug) return;
    try {
      taken(event);
    } catch (error) {
      bug = { error };
      following.stop();
    }
  });
  await following.ended;
  if (bug) throw (bug as { error: unknown }).error;
}

/** On the bookmark behind the last of what there is; one without it says only how far the server is. */
export const INITIAL_EVENTS_END = 'k8s.io/initial-events-end';
/** Of a watch that begins with what there is. */
export const FROM_NOW_ON = { sendInitialEvents: true, resourceVersionMatch: 'NotOlderThan' } as const;

function take<T extends KubeObject>({ type, object }: WatchEvent<T>, { cache, keep }: ReflectorOptions<T>): void {
  if (type === 'BOOKMARK') cache.advance(object.metadata.resourceVersion);
  else if (type === 'DELETED') cache.remove(object);
  else cache.put(keep ? keep(object) : object);
}

const isExpected = (error: unknown): error is StatusError | Unreachable =>
  error instanceof StatusError || error instanceof Unreachable;

const ignoreAbort = (signal: Signal) => (error: unknown) => {
  if (!signal.aborted) throw error;
};
