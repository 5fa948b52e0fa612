/** What is done with whole lists. */
import { CelError, JoinedList, List, type Value } from '../value.ts';
import { spendWork } from '../work.ts';
import { equals } from './equality.ts';
import { keyOf, rawItemsOf } from './raw-items.ts';

/** Lists of a schema that are sets or maps are merged: what is there keeps its place. */
export function addLists(a: List, b: List): List {
  if (a.kind) return merged(a, b);
  if (a.size === 0) return b;
  if (b.size === 0) return a;
  return new JoinedList(a, b);
}

function merged(a: List, b: List): List {
  const { kind } = a;
  const keyOfItem = (item: unknown) => (kind?.kind === 'map' ? keyOf(item, kind.keys) : item);
  const items = rawItemsOf(a);
  const places = new Map(items.map((item, i) => [keyOfItem(item), i]));
  for (const item of rawItemsOf(b)) {
    const key = keyOfItem(item);
    const place = places.get(key);
    if (place === undefined) places.set(key, items.push(item) - 1);
    else items[place] = item;
  }
  return new List(items, a.adapt, kind);
}

/** The first error, when an item is none of its type. */
export function valuesOf(list: List): readonly Value[] | CelError {
  spendWork(list.size);
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
