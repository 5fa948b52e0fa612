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
  return hasSameFields(a as Record<string, unknown>, b as Record<string, unknown>);
}

function hasSameFields(a: Record<string, unknown>, b: Record<string, unknown>): boolean {
  let count = 0;
  for (const name in a) {
    if (a[name] === undefined) continue;
    if (!Object.hasOwn(b, name) || !isSameJson(a[name], b[name])) return false;
    count += 1;
  }
  for (const name in b) if (b[name] !== undefined) count -= 1;
  return count === 0;
}
