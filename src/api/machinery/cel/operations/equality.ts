/** `==`: values of different types are different, only numbers compare across theirs. */

import {
  CelError,
  Duration,
  List,
  MapLike,
  Opaque,
  Optional,
  type Result,
  StructValue,
  Timestamp,
  TypeValue,
  type Value,
} from '../value.ts';
import { spendWork } from '../work.ts';
import { comparable } from './numbers.ts';
import { keyOf, rawItemsOf } from './raw-items.ts';
import { compareBytes } from './text.ts';

/** An error only when a part of one of them is none of its type. */
export function equals(a: Value, b: Value): boolean | CelError {
  if (a === b) return true;
  if (typeof a === 'string' || typeof b === 'string' || a === null || b === null) return false;
  if (typeof a === 'boolean' || typeof b === 'boolean') return false;
  const numbers = comparable(a, b);
  if (numbers) return numbers[0] <= numbers[1] && numbers[0] >= numbers[1];
  if (typeof a !== 'object' || typeof b !== 'object') return false;
  return equalObjects(a, b);
}

type Primitive = string | boolean | number | bigint | null;

function equalObjects(a: Exclude<Value, Primitive>, b: Exclude<Value, Primitive>): boolean | CelError {
  if (a instanceof List) return b instanceof List && equalLists(a, b);
  if (a instanceof MapLike) return b instanceof MapLike && equalMaps(a, b);
  if (a instanceof Uint8Array) return b instanceof Uint8Array && compareBytes(a, b) === 0;
  if (a instanceof Timestamp) return b instanceof Timestamp && a.seconds === b.seconds && a.nanos === b.nanos;
  if (a instanceof Duration) return b instanceof Duration && a.nanos === b.nanos;
  if (a instanceof TypeValue) return b instanceof TypeValue && a.of.name === b.of.name;
  if (a instanceof Optional) return b instanceof Optional && equalOptionals(a, b);
  if (a instanceof StructValue) return b instanceof StructValue && equalStructs(a, b);
  return a instanceof Opaque && a.equals(b);
}

const equalResults = (a: Result, b: Result): boolean | CelError => {
  if (a instanceof CelError) return a;
  return b instanceof CelError ? b : equals(a, b);
};

function equalOptionals({ value: a }: Optional, { value: b }: Optional): boolean | CelError {
  return a === undefined || b === undefined ? a === b : equals(a, b);
}

function equalLists(a: List, b: List): boolean | CelError {
  if (a.size !== b.size) return false;
  if (a.kind?.kind === 'set') return equalSets(a, b);
  if (a.kind?.kind === 'map') return equalKeyed(a, b, a.kind.keys);
  for (let i = 0; i < a.size; i++) {
    spendWork(1);
    const isEqual = equalResults(a.at(i), b.at(i));
    if (isEqual !== true) return isEqual;
  }
  return true;
}

/** The order does not matter. Sets are of scalars. */
function equalSets(a: List, b: List): boolean {
  const items = new Set(rawItemsOf(a));
  return rawItemsOf(b).every((item) => items.has(item));
}

function equalKeyed(a: List, b: List, keys: readonly string[]): boolean | CelError {
  const places = new Map(rawItemsOf(a).map((item, i) => [keyOf(item, keys), i]));
  for (let i = 0; i < b.size; i++) {
    const place = places.get(keyOf(b.rawAt(i), keys));
    if (place === undefined) return false;
    const isEqual = equalResults(a.at(place), b.at(i));
    if (isEqual !== true) return isEqual;
  }
  return true;
}

function equalMaps(a: MapLike, b: MapLike): boolean | CelError {
  if (a.size !== b.size) return false;
  for (const key of a.keys()) {
    spendWork(1);
    const [left, right] = [a.find(key), b.find(key)];
    if (left === undefined || right === undefined) {
      if (left !== right) return false;
      continue;
    }
    const isEqual = equalResults(left, right);
    if (isEqual !== true) return isEqual;
  }
  return a.equalsHidden(b);
}

function equalStructs(a: StructValue, b: StructValue): boolean | CelError {
  if (a.type.name !== b.type.name || a.fields.size !== b.fields.size) return false;
  for (const [name, value] of a.fields) {
    const other = b.fields.get(name);
    const isEqual = other === undefined ? false : equals(value, other);
    if (isEqual !== true) return isEqual;
  }
  return true;
}
