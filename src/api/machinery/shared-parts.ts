/**
 * Parts that many objects have, the very same: the specification of all pods of one template. What is found out of such a part (its
 * JSON, the places in it, that it has no fault) is found once and kept beside it, for as long as somebody has the part.
 */
import { deepFreeze } from '#base/deep-freeze.ts';

const shared = new WeakSet<object>();

/** Marks it, and what it is made of at its first level: a copy that adds a field to it shares those. Frozen all the way down. */
export function share<T extends object>(part: T): T {
  shared.add(deepFreeze(part));
  for (const field of Object.values(part)) if (typeof field === 'object' && field !== null) shared.add(field);
  return part;
}

export const isShared = (part: unknown): part is object =>
  typeof part === 'object' && part !== null && shared.has(part);

/** `find`, which asks of nothing but the part: once of a shared one, each time of any other. */
export function findingOnce<T extends object, V>(find: (part: T) => V): (part: T) => V {
  const found = new WeakMap<T, { value: V }>();
  return (part) => {
    const before = found.get(part);
    if (before) return before.value;
    const value = find(part);
    if (shared.has(part)) found.set(part, { value });
    return value;
  };
}
