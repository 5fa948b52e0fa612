/** What a watch without a revision begins with: an ADDED for everything that is there, made as it is sent. */
import type { Revision } from '#control-plane/storage/storage.ts';
import { Bookmark, ObjectEvent } from './cache-event.ts';
import type { CachedState } from './cached-state.ts';
import type { CacheEvent } from './watch-cache.ts';

// Events. Each watcher has bytes of its own for one batch, and informers often begin at the same time: 100 KB of pods, not 1.5 MB.
const BATCH = 32;

/** `closed`: a bookmark of `revision` says that this was all. */
export function* initialEvents(
  states: readonly CachedState[],
  { revision, closed }: { revision: Revision; closed: boolean },
): Generator<CacheEvent[], void, undefined> {
  for (let start = 0; start < states.length; start += BATCH) {
    yield states.slice(start, start + BATCH).map((state) => new ObjectEvent('ADDED', state));
  }
  if (closed) yield [new Bookmark(revision, { initialEventsEnd: true })];
}
