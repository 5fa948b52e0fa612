/** What is done with whole lists. */
import { CelError, List, type Value } from '../value.ts';
import { equals, keyOf } from './equality.ts';

/** Lists of a schema that are sets or maps are merged: what is there keeps its place. */
export function addLists(a: List, b: List): List | CelError {
  if (a.kind) return merged(a, b);
  if (a.size === 0) return b;
  if (b.size === 0) return a;
  if (a.adapt === b.adapt) return new List([...a.items, ...b.items], a.adapt);
  const [left, right] = [valuesOf(a), valuesOf(b)];
  if (left instanceof CelError) return left;
  return right instanceof CelError ? right : new List([...left, ...right]);
}

function merged(a: List, b: List): List {
  const { kind } = a;
  const keyOfItem = (item: unknown) => (kind?.kind === 'map' ? keyOf(item, kind.keys) : item);
  const items = [...a.items];
  const places = new Map(items.map((item, i) => [keyOfItem(item), i]));
  for (const item of b.items) {
    const key = keyOfItem(item);
    const place = places.get(key);
    if (place === undefined) places.set(key, items.push(item) - 1);
    else items[place] = item;
  }
  return new List(items, a.adapt, kind);
}

/** The first error, when an item is none of its type. */
export function valuesOf(list: List): readonly Value[] | CelError {
  if (!list.adapt) return list.items as readonly Value[];
  const values: Value[] = [];
  for (let i = 0; i < list.size; i++) {
    const value = list.at(i);
    if (value instanceof CelError) return value;
    values.push(value);
  }
  return values;
}

/** `value in list`. */
export function contains(list: List, value: Value): boolean | CelError {
  let error: CelError | undefined;
  for (let i = 0; i < list.size; i++) {
    const item = list.at(i);
    const isEqual = item instanceof CelError ? item : equals(value, item);
    if (isEqual === true) return true;
    if (isEqual instanceof CelError) error ??= isEqual;
  }
  return error ?? false;
}
