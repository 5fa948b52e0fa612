/** Whether two JSON values say the same. An absent field, undefined and an empty list are one, as upstream compares. */
export function isEqual(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (isNothing(a) && isNothing(b)) return true;
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false;
    return a.every((item, index) => isEqual(item, b[index]));
  }
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  return haveEqualFields(a as Record<string, unknown>, b as Record<string, unknown>);
}

const isNothing = (value: unknown) =>
  value === undefined || value === null || (Array.isArray(value) && value.length === 0);

function haveEqualFields(a: Record<string, unknown>, b: Record<string, unknown>): boolean {
  for (const name in a) if (!isEqual(a[name], Object.hasOwn(b, name) ? b[name] : undefined)) return false;
  for (const name in b) if (!Object.hasOwn(a, name) && !isNothing(b[name])) return false;
  return true;
}
