/**
 * Where in a list a value stands that was in it before: the indices. In one walk, since whoever writes an object chooses how long
 * its lists are, and looking back from every item would hold up the whole server for as long as somebody likes.
 */
export function repeatedIn(values: readonly unknown[]): ReadonlySet<number> {
  if (values.length < 2) return NONE;
  const seen = new Set<unknown>();
  const repeated = new Set<number>();
  for (const [index, value] of values.entries()) {
    if (seen.has(value)) repeated.add(index);
    else seen.add(value);
  }
  return repeated;
}

const NONE: ReadonlySet<number> = new Set();
