/** Asked again and again for the same few things, one need not find each anew. */

export interface RememberingOptions {
  /** With more than so many all are forgotten: that costs less than knowing which of them was asked for last. */
  most: number;
  /** Of a text: a longer one is found each time. Many are chosen by clients, who are not to fill the memory with them. */
  longest?: number;
}

const LONGEST = 1_000;

/** `find`, which has to say the same of a key whenever it is asked, but asked once. */
export function remembering<K extends string | number, V>(
  find: (key: K) => V,
  { most, longest = LONGEST }: RememberingOptions,
): (key: K) => V {
  const known = new Map<K, V>();
  return (key) => {
    const before = known.get(key);
    if (before !== undefined || known.has(key)) return before as V;
    const value = find(key);
    if (typeof key === 'string' && key.length > longest) return value;
    if (known.size >= most) known.clear();
    known.set(key, value);
    return value;
  };
}
