/**
 * `next` with every part that says the same as at its place in `known` being the known part itself: who compares, freezes,
 * judges or keeps the two afterwards passes over what has not changed at no cost. Items of lists are looked for at their own
 * place only. The same JSON, though keys may stand in the order of `known`; neither argument is changed.
 */
export function keepSame<T>(next: T, known: unknown): T {
  if (next === known || typeof next !== 'object' || next === null) return next;
  if (typeof known !== 'object' || known === null) return next;
  if (Array.isArray(next)) return Array.isArray(known) ? (keepItems(next, known) as T) : next;
  return Array.isArray(known) ? next : (keepFields(next as Fields, known as Fields) as T);
}

type Fields = Readonly<Record<string, unknown>>;

function keepItems(next: readonly unknown[], known: readonly unknown[]): readonly unknown[] {
  let isSame = next.length === known.length;
  let kept: unknown[] | undefined;
  for (let index = 0; index < next.length; index++) {
    const item = next[index];
    const part = keepSame(item, known[index]);
    if (part !== known[index]) isSame = false;
    if (part === item) continue;
    kept ??= [...next];
    kept[index] = part;
  }
  return isSame ? known : (kept ?? next);
}

function keepFields(next: Fields, known: Fields): Fields {
  let isSame = true;
  let count = 0;
  let kept: [string, unknown][] | undefined;
  for (const name in next) {
    count++;
    const was = Object.hasOwn(known, name) ? known[name] : undefined;
    const part = keepSame(next[name], was);
    if (part !== was || (part === undefined && !Object.hasOwn(known, name))) isSame = false;
    if (part === next[name]) continue;
    kept ??= [];
    kept.push([name, part]);
  }
  if (isSame && Object.keys(known).length === count) return known;
  return kept ? withFields(next, kept) : next;
}

/** All of `changed` are fields of their own already: also `__proto__` is set like any other then. */
function withFields(fields: Fields, changed: readonly [string, unknown][]): Fields {
  const kept: Record<string, unknown> = { ...fields };
  for (const [name, part] of changed) kept[name] = part;
  return kept;
}
