/** Asked again and again for the same few things, one need not find each anew. */

export interface RememberingOptions<K, V> {
  /** With more than so many all are forgotten: that costs less than knowing which of them was asked for last. */
  most: number;
  /** Whether it is worth its room; everything is, unless told. */
  isKept?: (key: K, value: V) => boolean;
}

/** `find`, which has to say the same of a key whenever it is asked, but asked once. */
export function remembering<K, V>(find: (key: K) => V, { most, isKept }: RememberingOptions<K, V>): (key: K) => V {
  const known = new Map<K, V>();
  return (key) => {
    const before = known.get(key);
    if (before !== undefined || known.has(key)) return before as V;
    const value = find(key);
    if (isKept && !isKept(key, value)) return value;
    if (known.size >= most) known.clear();
    known.set(key, value);
    return value;
  };
}
