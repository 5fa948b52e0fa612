/** Lists that are sorted, added up, searched: the list library of Kubernetes. */
import * as cel from '../cel-type.ts';
import { type Evaluate, type FunctionDeclaration, type Library, member } from '../library.ts';
import { add } from '../operations/arithmetic.ts';
import { equals } from '../operations/equality.ts';
import { compare } from '../operations/ordering.ts';
import { CelError, Double, Duration, type List, type Result, Uint, type Value } from '../value.ts';
import { overItems } from './costs.ts';

const SUMMABLE = [
  ['int', cel.INT, 0],
  ['uint', cel.UINT, new Uint(0)],
  ['double', cel.DOUBLE, new Double(0)],
  ['duration', cel.DURATION, new Duration(0n)],
] as const;

export const COMPARABLE = [
  ['int', cel.INT],
  ['uint', cel.UINT],
  ['double', cel.DOUBLE],
  ['bool', cel.BOOL],
  ['duration', cel.DURATION],
  ['timestamp', cel.TIMESTAMP],
  ['string', cel.STRING],
  ['bytes', cel.BYTES],
] as const;

/** From one item to the next; ends with the first error. */
function fold(list: List, first: Value | undefined, next: (before: Value, item: Value) => Result): Result | undefined {
  let result = first;
  for (let i = 0; i < list.size; i++) {
    const item = list.at(i);
    if (item instanceof CelError) return item;
    const value = result === undefined ? item : next(result, item);
    if (value instanceof CelError) return value;
    result = value;
  }
  return result;
}

/** The item that `isBetter` prefers. */
const best =
  (name: string, isBetter: (order: number) => boolean): Evaluate =>
  (list: List) =>
    fold(list, undefined, (before, item) => {
      const order = compare(before, item);
      if (order instanceof CelError) return order;
      return isBetter(order) ? item : before;
    }) ?? new CelError(`${name} called on empty list`);

function isSorted(list: List): Result {
  let isInOrder = true;
  const last = fold(list, undefined, (before, item) => {
    const order = compare(before, item);
    if (order instanceof CelError) return order;
    isInOrder &&= order <= 0;
    return item;
  });
  return last instanceof CelError ? last : isInOrder;
}

const search =
  (indexes: (size: number) => Iterable<number>) =>
  (list: List, wanted: Value): Result => {
    for (const i of indexes(list.size)) {
      const item = list.at(i);
      if (!(item instanceof CelError) && equals(item, wanted) === true) return i;
    }
    return -1;
  };

function* upwards(size: number) {
  for (let i = 0; i < size; i++) yield i;
}
function* downwards(size: number) {
  for (let i = size - 1; i >= 0; i--) yield i;
}

const A = cel.paramNamed('A');

const ofComparable = (name: string, id: (type: string) => string, evaluate: Evaluate): FunctionDeclaration => ({
  name,
  overloads: COMPARABLE.map(([type, item]) => member(id(type), [cel.listOf(item)], item, evaluate)),
  ...overItems,
});

export const listFunctions: Library = {
  name: 'kubernetes.lists',
  functions: [
    {
      name: 'isSorted',
      overloads: COMPARABLE.map(([type, item]) =>
        member(`list_${type}_is_sorted_bool`, [cel.listOf(item)], cel.BOOL, isSorted),
      ),
      ...overItems,
    },
    {
      name: 'sum',
      overloads: SUMMABLE.map(([type, item, zero]) =>
        member(`list_${type}_sum_${type}`, [cel.listOf(item)], item, (list: List) => fold(list, zero, add) ?? zero),
      ),
      ...overItems,
    },
    ofComparable(
      'max',
      (type) => `list_${type}_max_${type}`,
      best('max', (order) => order < 0),
    ),
    ofComparable(
      'min',
      (type) => `list_${type}_min_${type}`,
      best('min', (order) => order > 0),
    ),
    {
      name: 'indexOf',
      overloads: [member('list_a_index_of_int', [cel.listOf(A), A], cel.INT, search(upwards))],
      ...overItems,
    },
    {
      name: 'lastIndexOf',
      overloads: [member('list_a_last_index_of_int', [cel.listOf(A), A], cel.INT, search(downwards))],
      ...overItems,
    },
  ],
};
