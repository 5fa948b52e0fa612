/** Which overload of a function a call means, where only the values can tell. */
import type { CelType } from '../cel-type.ts';
import type { Evaluate, FunctionDeclaration, Overload } from '../library.ts';
import { noOverloadOf } from '../operations/errors.ts';
import {
  CelError,
  Double,
  Duration,
  List,
  MapLike,
  type Result,
  Timestamp,
  TypeValue,
  typeOfValue,
  Uint,
  type Value,
} from '../value.ts';

/** Finds the overload by the kinds of the arguments, as far as the checker could not. */
export function evaluatorOf(declaration: FunctionDeclaration, overloads: readonly Overload[]): Evaluate {
  if (declaration.evaluate) return declaration.evaluate;
  const guarded = overloads.map(({ params, evaluate }) => ({ accepts: params.map(guardOf), evaluate }));
  return (...args: Value[]): Result => {
    for (const { accepts, evaluate } of guarded)
      if (evaluate && accepts.every((accept, i) => accept(args[i]!)))
        return (evaluate as (...values: Value[]) => Result)(...args);
    return noOverloadOf(declaration.name, args);
  };
}

type Guard = (value: Value) => boolean;

/** Of lists and maps the first part is looked at, as upstream does. */
function guardOf(type: CelType): Guard {
  const [first, second] = type.params.map(guardOf);
  if (type.kind === 'list' && first) return (value) => value instanceof List && holdsFirst(value, first);
  if (type.kind === 'map' && first && second)
    return (value) => value instanceof MapLike && holdsFirstEntry(value, first, second);
  const guard = GUARDS[type.kind];
  return guard ?? ((value) => value !== null && typeOfValue(value).name === type.name);
}

function holdsFirst(list: List, guard: Guard): boolean {
  const item = list.size === 0 ? undefined : list.at(0);
  return item === undefined || (!(item instanceof CelError) && guard(item));
}

function holdsFirstEntry(map: MapLike, keys: Guard, values: Guard): boolean {
  const [key] = map.keys();
  const value = key === undefined ? undefined : map.find(key);
  return key === undefined || value === undefined || (!(value instanceof CelError) && keys(key) && values(value));
}

const isInt: Guard = (value) => typeof value === 'number' || typeof value === 'bigint';

const GUARDS: Partial<Record<CelType['kind'], Guard>> = {
  bool: (value) => typeof value === 'boolean',
  int: isInt,
  uint: (value) => value instanceof Uint,
  double: (value) => value instanceof Double,
  string: (value) => typeof value === 'string',
  bytes: (value) => value instanceof Uint8Array,
  null: (value) => value === null,
  duration: (value) => value instanceof Duration,
  timestamp: (value) => value instanceof Timestamp,
  list: (value) => value instanceof List,
  map: (value) => value instanceof MapLike,
  type: (value) => value instanceof TypeValue,
  dyn: () => true,
  param: () => true,
};
