/** What a watch without a revision begins with: an ADDED for everything that is there, made as it is sent. */
import type { Revision } from '#control-plane/storage/storage.ts';
import { Bookmark, InitialEvent } from './cache-event.ts';
import type { CachedState } from './cached-state.ts';
import type { CacheEvent } from './watch-cache.ts';

/** Events. Informers often begin at the same time, and what sends them has to come round to the others. */
const BATCH = 32;

/** `closed`: a bookmark of `revision` says that this was all. */
export function* initialEvents(
  states: readonly CachedState[],
  { revision, closed }: { revision: Revision; closed: boolean },
): Generator<CacheEvent[], void, undefined> {
  for (let start = 0; start < states.length; start += BATCH) {
    yield states.slice(start, start + BATCH).map((state) => new InitialEvent(state));
  }
  if (closed) yield [new Bookmark(revision, { initialEventsEnd: true })];
}
