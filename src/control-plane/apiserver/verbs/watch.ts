/**
 * GET with `watch=1`: changes of a collection from some point on. What can be refused is refused before the stream
 * opens; what is found out later (a version that is too old) is thrown by the first step of the iteration and sent as
 * an ERROR event.
 */
import type { Kind } from '#api/machinery/kind.ts';
import type { Clock } from '#base/clock.ts';
import { type Followable, follow } from '#base/followable.ts';
import { PlainSignal, type Signal } from '#base/plain-signal.ts';
import { watchOptionsOf } from '../list-options.ts';
import type { VerbServices } from '../registry/behaviour.ts';
import type { ResourceCall } from '../resource-call.ts';
import type { CacheWatch } from '../watch-cache/watch-cache.ts';

/**
 * Watches without a timeout of their own end after 30 to 60 minutes, spread so that they do not come back all at
 * once.
 */
const MIN_TIMEOUT_SECONDS = 1800;
/** So long before the end comes the last bookmark, so that the client's next watch need not go far back. */
const LAST_BOOKMARK_MS = 2000;

export interface OpenedWatch {
  kind: Kind;
  batches: CacheWatch;
}

export async function watch(
  { kind, info, signal, caughtUp, isFollowed = false }: ResourceCall,
  { caches, clock, random }: VerbServices,
): Promise<OpenedWatch> {
  const { selection, ...options } = watchOptionsOf(kind, info); // 400 BadRequest, 422 Invalid
  const cache = caches.of(kind);
  await cache.ready();
  let after: number | undefined;
  if (typeof options.from === 'number') {
    if (options.initialEvents)
      await cache.waitUntil(options.from, signal); // 504 Timeout
    else after = options.from;
  } else {
    const now = options.from === 'newest' ? await cache.freshen() : cache.revision;
    if (!options.initialEvents) after = now;
  }
  const seconds = options.timeoutSeconds || MIN_TIMEOUT_SECONDS * (1 + random.next());
  const limit = timeLimit(clock, seconds * 1000, signal);
  const batches = cache.watch({
    ...selection,
    ...(after !== undefined && { after }),
    initialEventsEnd: options.initialEventsEnd,
    bookmarks: options.bookmarks && !isFollowed,
    ...(caughtUp && { caughtUp }),
    ...(options.bookmarks && { endsSoon: limit.endsSoon }),
    signal: limit.signal,
  });
  return { kind, batches: thenFinally(batches, limit.cancel) };
}

/** Ends after `ms` or with `outer`, whichever comes first. */
function timeLimit(clock: Clock, ms: number, outer: Signal | undefined) {
  const signal = new PlainSignal();
  const endsSoon = new PlainSignal();
  const abort = () => signal.abort();
  const lastPart = () => {
    timer = clock.timer(LAST_BOOKMARK_MS, abort);
    endsSoon.abort();
  };
  let timer = ms > LAST_BOOKMARK_MS ? clock.timer(ms - LAST_BOOKMARK_MS, lastPart) : clock.timer(ms, abort);
  if (outer?.aborted) abort();
  outer?.addEventListener('abort', abort, { once: true });
  const cancel = () => {
    timer.cancel();
    outer?.removeEventListener('abort', abort);
    abort();
  };
  return { signal, endsSoon, cancel };
}

/** By hand, so that it can be ended before it has begun and while an event is waited for. `finish` may be called more than once. */
const thenFinally = <T>(items: Followable<T>, finish: () => void): Followable<T> => ({
  follow: (take) => ({ ended: follow(items, take).ended.finally(finish), stop: finish }),
  [Symbol.asyncIterator]() {
    const inner = items[Symbol.asyncIterator]();
    const passed = (result: IteratorResult<T>) => {
      if (result.done) finish();
      return result;
    };
    const failed = (error: unknown) => {
      finish();
      throw error;
    };
    return {
      next: () => inner.next().then(passed, failed),
      async return() {
        finish();
        return (await inner.return?.()) ?? { done: true, value: undefined };
      },
    };
  },
});
