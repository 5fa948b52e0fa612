/** A page of a listing, of this moment or of an earlier one: what has changed since is taken back. */
import type { Revision } from '#control-plane/storage/storage.ts';
import type { CachedState } from './cached-state.ts';
import { encodeContinue } from './continue-token.ts';
import { byCodeUnit, type ObjectSet } from './object-set.ts';
import type { ListPage, Selection } from './watch-cache.ts';

export interface PageOfSnapshot {
  objects: ObjectSet;
  /** Of the snapshot. */
  revision: Revision;
  /** What stood there then, where something has changed since; empty for this moment. */
  replaced: ReadonlyMap<string, CachedState | undefined>;
  selection: Selection;
  /** The whole key that the page before ended with. */
  after?: string;
  limit?: number;
  prefix: string;
}

export function pageOf({ objects, revision, replaced, selection, after, limit, prefix }: PageOfSnapshot): ListPage {
  const plain = selection.name === undefined && !selection.where && !selection.match;
  const items: CachedState[] = [];
  const keys =
    replaced.size === 0 ? objects.candidates(selection, after) : keysThen(objects, replaced, selection, after);
  for (const key of keys) {
    const state = replaced.has(key) ? replaced.get(key) : objects.get(key);
    if (!state || !objects.selects(selection, state)) continue;
    if (limit && items.length === limit) {
      const last = items.at(-1)!.key;
      const token = encodeContinue({ after: last.slice(prefix.length), revision });
      const left = plain ? { remainingItemCount: countThen(objects, replaced, objects.prefixOf(selection), last) } : {};
      return { items, revision, continue: token, ...left };
    }
    items.push(state);
  }
  return { items, revision };
}

/** Candidates of now and of then: an index knows only those of now. */
function keysThen(
  objects: ObjectSet,
  replaced: ReadonlyMap<string, CachedState | undefined>,
  selection: Selection,
  after: string | undefined,
): string[] {
  const prefix = objects.prefixOf(selection);
  const keys = new Set(objects.candidates(selection, after));
  for (const [key, state] of replaced) {
    if (state && key.startsWith(prefix) && (after === undefined || key > after)) keys.add(key);
  }
  return [...keys].sort(byCodeUnit);
}

function countThen(
  objects: ObjectSet,
  replaced: ReadonlyMap<string, CachedState | undefined>,
  prefix: string,
  after: string,
): number {
  let count = objects.keys.countUnder(prefix, after);
  for (const [key, state] of replaced) {
    if (!key.startsWith(prefix) || key <= after) continue;
    count += (state ? 1 : 0) - (objects.get(key) ? 1 : 0);
  }
  return count;
}
