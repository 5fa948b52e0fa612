/** Optional types: `a.?b`, `list[?i]`, `optional.of(x)`. Source: CEL language definition, "Optional Values". */
import * as cel from '../cel-type.ts';
import { type FunctionDeclaration, type Library, member, overload } from '../library.ts';
import { isZero } from '../operations/zero.ts';
import { ACCUMULATOR, type Expr, OPERATORS } from '../syntax/ast.ts';
import { call, ident, listExpr, literal, type Macro, MacroError, type MacroUse, memberCall } from '../syntax/macro.ts';
import { CelError, List, Optional, type Result, type Value } from '../value.ts';

const V = cel.paramNamed('V');
const OPTIONAL = cel.optionalOf(V);
const LIST = cel.listOf(V);

const NONE = new CelError('optional.none() dereference');

/** What there is in a list of optionals. */
function unwrap(list: List): Result {
  const values: Value[] = [];
  for (let i = 0; i < list.size; i++) {
    const item = list.at(i);
    if (item instanceof CelError) return item;
    if (!(item instanceof Optional)) return new CelError(`value ${String(item)} is not optional`);
    if (item.value !== undefined) values.push(item.value);
  }
  return new List(values);
}

function optionalAt(list: List, index: number): Result {
  if (list.size === 0) return Optional.none;
  const item = list.at(index);
  return item instanceof CelError ? item : new Optional(item);
}

const functions: readonly FunctionDeclaration[] = [
  { name: 'optional.of', overloads: [overload('optional_of', [V], OPTIONAL, (value: Value) => new Optional(value))] },
  {
    name: 'optional.ofNonZeroValue',
    overloads: [
      overload('optional_ofNonZeroValue', [V], OPTIONAL, (value: Value) =>
        isZero(value) ? Optional.none : new Optional(value),
      ),
    ],
  },
  { name: 'optional.none', overloads: [overload('optional_none', [], OPTIONAL, () => Optional.none)] },
  {
    name: 'value',
    overloads: [member('optional_value', [OPTIONAL], V, ({ value }: Optional) => (value === undefined ? NONE : value))],
  },
  {
    name: 'hasValue',
    overloads: [member('optional_hasValue', [OPTIONAL], cel.BOOL, ({ value }: Optional) => value !== undefined)],
  },
  // These two evaluate their argument only when it is needed: the planner knows them.
  { name: 'or', overloads: [member('optional_or_optional', [OPTIONAL, OPTIONAL], OPTIONAL)] },
  { name: 'orValue', overloads: [member('optional_orValue_value', [OPTIONAL, V], V)] },
  { name: 'first', overloads: [member('list_first', [LIST], OPTIONAL, (list: List) => optionalAt(list, 0))] },
  { name: 'last', overloads: [member('list_last', [LIST], OPTIONAL, (list: List) => optionalAt(list, list.size - 1))] },
  { name: 'optional.unwrap', overloads: [overload('optional_unwrap', [cel.listOf(OPTIONAL)], LIST, unwrap)] },
  { name: 'unwrapOpt', overloads: [member('optional_unwrapOpt', [cel.listOf(OPTIONAL)], LIST, unwrap)] },
];

/** A loop that never turns: its only use is that it names a value. */
export const bound = (at: number, variable: string, value: Expr, result: Expr): Expr => ({
  kind: 'comprehension',
  at,
  range: listExpr(at),
  variable: '#unused',
  accumulator: variable,
  init: value,
  condition: literal(at, false),
  step: ident(at, variable),
  result,
});

const onValue = (name: string, wrap: (at: number, value: Expr) => Expr): Macro => ({
  name,
  args: 2,
  isMember: true,
  expand({ at, target, args: [variable, transform] }: MacroUse) {
    if (variable?.kind !== 'ident' || variable.name === ACCUMULATOR)
      return new MacroError(variable!.at, `${name}() variable name must be a simple identifier`);
    const value = bound(at, variable.name, memberCall(at, 'value', target!), transform!);
    const none = call(at, 'optional.none');
    return call(at, OPERATORS.conditional, memberCall(at, 'hasValue', target!), wrap(at, value), none);
  },
});

export const optionals: Library = {
  name: 'optional',
  functions,
  macros: [
    onValue('optMap', (at, value) => call(at, 'optional.of', value)),
    onValue('optFlatMap', (_, value) => value),
  ],
  types: [cel.optionalOf(V)],
};
