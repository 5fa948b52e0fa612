import type { KubeObject } from '#api/machinery/object.ts';

/** Whether two states of an object would be stored alike: their versions are not stored. */
export const isSameState = (a: KubeObject, b: KubeObject): boolean =>
  hasSameFields(a, b, 'metadata') && hasSameFields(a.metadata, b.metadata, 'resourceVersion');

/**
 * Whether two JSON values would be stored alike: the order of keys and keys without a value do not count, all else
 * does.
 */
export function isSameJson(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false;
    return a.every((item, index) => isSameJson(item, b[index]));
  }
  return hasSameFields(a, b);
}

/** `except`: a field that may differ. */
function hasSameFields(one: object, other: object, except?: string): boolean {
  const [a, b] = [one as Record<string, unknown>, other as Record<string, unknown>];
  let count = 0;
  for (const name in a) {
    if (a[name] === undefined || name === except) continue;
    if (!Object.hasOwn(b, name) || !isSameJson(a[name], b[name])) return false;
    count += 1;
  }
  for (const name in b) if (b[name] !== undefined && name !== except) count -= 1;
  return count === 0;
}
