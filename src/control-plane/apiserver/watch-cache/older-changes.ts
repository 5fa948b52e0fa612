/** Changes that are no longer at hand, from the history of the store. */
import type { Revision, Storage, Stored } from '#control-plane/storage/storage.ts';
import { Change } from './cache-event.ts';
import { CachedState, type StateContext } from './cached-state.ts';

/** All above `after` and up to `upTo`, in order. Throws Compacted. */
export async function olderChanges(
  storage: Storage,
  context: StateContext,
  { after, upTo }: { after: Revision; upTo: Revision },
): Promise<Change[]> {
  const passing = { ...context, parsed: undefined };
  const stateOf = (stored: Stored | undefined) => stored && new CachedState(stored, passing);
  const latest = new Map<string, CachedState | undefined>();
  const changes: Change[] = [];
  const stop = new AbortController();
  try {
    for await (const batch of storage.watch({ prefix: context.prefix, after, signal: stop.signal })) {
      for (const { key, revision, before, now } of batch.events) {
        if (revision > upTo) return changes;
        const change = new Change(revision, latest.has(key) ? latest.get(key) : stateOf(before), stateOf(now));
        latest.set(key, change.now);
        changes.push(change);
      }
      if (batch.revision >= upTo) return changes;
    }
    return changes;
  } finally {
    stop.abort();
  }
}
