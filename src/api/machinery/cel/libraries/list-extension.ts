/** Lists that are cut, flattened, sorted, made: cel-go's list library, version 3. */
import * as cel from '../cel-type.ts';
import { type CallEstimate, fixed, plus, type Range, scaled, times } from '../cost/estimate-call.ts';
import { sizeOf, TRAVERSAL } from '../cost/size.ts';
import { COSTS } from '../evaluate/frame.ts';
import { type FunctionDeclaration, knownOnly, type Library, member, overload, type RunTimeCost } from '../library.ts';
import { equals } from '../operations/equality.ts';
import { NO_OVERLOAD } from '../operations/errors.ts';
import { valuesOf } from '../operations/lists.ts';
import { compare } from '../operations/ordering.ts';
import type { Call, Expr } from '../syntax/ast.ts';
import { collect, ident, type Macro, MacroError, type MacroUse, oneVariable } from '../syntax/macro.ts';
import { CelError, type Int, List, type Result, typeOfValue, type Value } from '../value.ts';
import { spendWork } from '../work.ts';
import { COMPARABLE } from './list-functions.ts';
import { bound } from './optionals.ts';

const T = cel.paramNamed('T');
const LIST = cel.listOf(T);
const DYNS = cel.listOf(cel.DYN);
/** More would take longer than the cost that upstream counts for it allows. */
const MAX_RANGE = 1_000_000;

function slice(list: List, start: Int, end: Int): Result {
  const call = `cannot slice(${start}, ${end})`;
  if (start < 0 || end < 0) return new CelError(`${call}, negative indexes not supported`);
  if (start > end) return new CelError(`${call}, start index must be less than or equal to end index`);
  if (end > list.size) return new CelError(`${call}, list is length ${list.size}`);
  const values: Value[] = [];
  for (let i = Number(start); i < end; i++) {
    const value = list.at(i);
    if (value instanceof CelError) return value;
    values.push(value);
  }
  return new List(values);
}

function flatten(list: List, depth: Int = 1): Result {
  if (depth < 0) return new CelError('level must be non-negative');
  const values: Value[] = [];
  const error = flattenInto(values, list, Number(depth));
  return error ?? new List(values);
}

function flattenInto(values: Value[], list: List, depth: number): CelError | undefined {
  spendWork(4 * list.size); // each item that is a list is made anew
  for (let i = 0; i < list.size; i++) {
    const item = list.at(i);
    if (item instanceof CelError) return item;
    const error = item instanceof List && depth > 0 ? flattenInto(values, item, depth - 1) : void values.push(item);
    if (error) return error;
  }
  return undefined;
}

function range(count: Int): Result {
  if (count > MAX_RANGE) return new CelError(`lists.range(${count}) is too large`);
  return new List(Array.from({ length: Math.max(0, Number(count)) }, (_, i) => i));
}

function reverse(list: List): Result {
  const values = valuesOf(list);
  return values instanceof CelError ? values : new List(values.toReversed());
}

function distinct(list: List): Result {
  const values = valuesOf(list);
  if (values instanceof CelError) return values;
  const found: Value[] = [];
  for (const value of values) if (!found.some((other) => equals(value, other) === true)) found.push(value);
  return new List(found);
}

function sortBy(list: List, by: List): Result {
  const [values, keys] = [valuesOf(list), valuesOf(by)];
  if (values instanceof CelError) return values;
  if (keys instanceof CelError) return keys;
  if (values.length !== keys.length) return differentSizes(values.length, keys.length);
  const [first] = keys;
  if (first === undefined) return list;
  if (!ORDERED.has(typeOfValue(first).kind)) return new CelError('list elements must be comparable');
  if (keys.some((key) => typeOfValue(key).kind !== typeOfValue(first).kind))
    return new CelError('list elements must have the same type');
  const order = keys.map((_, i) => i).sort((a, b) => orderOf(keys[a]!, keys[b]!));
  return new List(order.map((i) => values[i]!));
}

const ORDERED: ReadonlySet<string> = new Set(COMPARABLE.map(([, { kind }]) => kind));

const orderOf = (a: Value, b: Value): number => {
  const order = compare(a, b);
  return order instanceof CelError ? 0 : order;
};

const differentSizes = (list: number, keys: number): CelError =>
  new CelError(
    `@sortByAssociatedKeys() expected a list of the same size as the associated keys list, but got ${list} and ${keys} elements respectively`,
  );

/** A call that makes a list. */
const made = (factor: number, size: number): number => Math.floor(size * factor) + 1 + COSTS.list;
const mayMake = (factor: number, size: Range): CallEstimate => ({
  cost: plus(scaled(size, factor), fixed(1 + COSTS.list)),
  resultSize: size,
});

const ofResult: RunTimeCost = ({ result }) => made(1, sizeOf(result));

/** Every item is compared to every other. */
function comparing(list: Result): number {
  if (!(list instanceof List) || list.size === 0) return made(2, 0);
  const first = list.at(0);
  const isText = typeof first === 'string' || first instanceof Uint8Array;
  return made(isText ? 2 + TRAVERSAL : 2, list.size * list.size);
}

const intOf = (expr: Expr | undefined, otherwise: number): number =>
  expr?.kind === 'literal' && typeof expr.value === 'number' ? Math.max(0, expr.value) : otherwise;

const TEXTS: ReadonlySet<string> = new Set(['string', 'bytes']);
const perType = (
  id: (name: string) => string,
  params: (type: cel.CelType) => readonly cel.CelType[],
  result?: cel.CelType,
) => COMPARABLE.map(([, type]) => member(id(type.name), params(type), result ?? cel.listOf(type)));

/** Of the types that the overload's name begins with. */
const isOfTexts = (id: string): boolean => TEXTS.has(id.split('_')[1] ?? '');

const functions: readonly FunctionDeclaration[] = [
  {
    name: 'slice',
    overloads: [member('list_slice', [LIST, cel.INT, cel.INT], LIST, slice)],
    cost: ofResult,
    estimate({ target, args: [start, end] }) {
      const size = intOf(end?.expr, target!.size.max) - intOf(start?.expr, 0);
      return mayMake(1, fixed(size < 0 ? Number.POSITIVE_INFINITY : size));
    },
  },
  {
    name: 'flatten',
    overloads: [member('list_flatten', [cel.listOf(LIST)], LIST), member('list_flatten_int', [DYNS, cel.INT], DYNS)],
    evaluate: (list: Value, depth?: Int) => (list instanceof List ? flatten(list, depth) : NO_OVERLOAD),
    cost: ({ args: [list, depth] }) => made(typeof depth === 'number' ? depth : 1, sizeOf(list!)),
    estimate: ({ target, args: [depth] }) =>
      mayMake(depth ? intOf(depth.expr, Number.POSITIVE_INFINITY) : 1, target!.size),
  },
  {
    name: 'lists.range',
    overloads: [overload('lists_range', [cel.INT], cel.listOf(cel.INT), range)],
    cost: ofResult,
    estimate: ({ args: [count] }) => mayMake(1, fixed(intOf(count?.expr, Number.POSITIVE_INFINITY))),
  },
  {
    name: 'reverse',
    overloads: [member('list_reverse', [LIST], LIST, reverse)],
    cost: ofResult,
    estimate: ({ target }) => mayMake(1, target!.size),
  },
  {
    name: 'distinct',
    overloads: [member('list_distinct', [LIST], LIST, distinct)],
    cost: ({ args: [list] }) => comparing(list!),
    estimate: ({ target }) => mayMake(2, times(target!.size, target!.size)),
  },
  {
    name: 'sort',
    overloads: perType(
      (name) => `list_${name}_sort`,
      (type) => [cel.listOf(type)],
    ),
    evaluate: (list: List) => (list instanceof List ? sortBy(list, list) : new CelError('no such overload: sort')),
    cost: ({ args: [list] }) => comparing(list!),
    estimate: ({ overload: id, target }) =>
      mayMake(isOfTexts(id) ? 2 + TRAVERSAL : 2, times(target!.size, target!.size)),
  },
  {
    name: '@sortByAssociatedKeys',
    overloads: perType(
      (name) => `list_${name}_sortByAssociatedKeys`,
      (type) => [LIST, cel.listOf(type)],
      LIST,
    ),
    evaluate: (list: List, keys: List) =>
      list instanceof List && keys instanceof List ? sortBy(list, keys) : new CelError('no such overload: sortBy'),
    cost: ({ args: [, keys] }) => comparing(keys!),
    estimate: ({ overload: id, args: [keys] }) =>
      mayMake(isOfTexts(id) ? 2 + TRAVERSAL : 2, times(keys!.size, keys!.size)),
  },
];

const INPUT = '@__sortBy_input__';

/** `list.sortBy(x, key)`: names the list, makes the keys, sorts by them. */
const sortByMacro: Macro = {
  name: 'sortBy',
  args: 2,
  isMember: true,
  expand(use: MacroUse) {
    const { at, target, args } = use;
    const variables = oneVariable(args[0]!, 'argument is not an identifier');
    if (variables instanceof MacroError) return variables;
    if (target!.kind === 'literal' || target!.kind === 'map' || target!.kind === 'struct')
      return new MacroError(
        target!.at,
        'sortBy can only be applied to a list, identifier, comprehension, call or select expression',
      );
    const keys = collect({ ...use, target: ident(at, INPUT) }, variables, { transform: args[1]! });
    const sorted: Call = { kind: 'call', at, name: '@sortByAssociatedKeys', target: ident(at, INPUT), args: [keys] };
    return bound(at, INPUT, target!, sorted);
  },
};

export const listExtension: Library = {
  name: 'cel.lib.ext.lists',
  functions: functions.map(knownOnly),
  macros: [sortByMacro],
};
