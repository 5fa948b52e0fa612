/**
 * Defaults, mostly of what has them already: an update brings the whole object back. What would change nothing makes no copy, so that
 * the part stays the very same, and whoever compares it with the one before need not look into it.
 */

/** `object` with these fields, those that are undefined left as they are; itself when it has all of them. */
export function withFields<T extends object>(object: T, fields: { [Name in keyof T]?: T[Name] | undefined }): T {
  let copy: T | undefined;
  for (const name in fields) {
    const value = fields[name];
    if (value === undefined || value === object[name]) continue;
    copy ??= Object.assign({}, object);
    copy[name] = value as T[typeof name];
  }
  return copy ?? object;
}

/** Every item as `change` leaves it; the list itself when all stay what they are, undefined when there is none. */
export function eachWith<Given, T>(list: readonly Given[] | undefined, change: (item: Given) => T): T[] | undefined {
  const changed = list?.map((item) => change(item));
  const isSame = changed?.every((item, index) => (item as unknown) === list![index]);
  return isSame ? (list as unknown as T[]) : changed;
}
