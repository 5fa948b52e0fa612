/** Literals that cannot be right: found when an expression is compiled, rather than each time that it runs. */
import { type CelType, formatType, isOptionalType } from '../cel-type.ts';
import * as convert from '../operations/convert.ts';
import { NO_OVERLOAD } from '../operations/errors.ts';
import { patternOf } from '../operations/patterns.ts';
import type { Call, Expr, ListExpr, MapExpr } from '../syntax/ast.ts';
import type { ParseError } from '../syntax/parser.ts';
import { eachPart } from '../syntax/walk.ts';
import { CelError, type Value } from '../value.ts';
import type { Checked } from './checker.ts';
import { formatErrors } from './format-rules.ts';

/** `duration('1x')`, `timestamp('never')`, `'a'.matches('(')`, `[1, dyn('a')]`. */
export function literalErrors({ expr, types }: Checked): ParseError[] {
  const errors: ParseError[] = [];
  const free = new Set<Expr>();
  eachPart(expr, (part) => {
    if (part.kind === 'call') {
      errors.push(...callErrors(part), ...formatErrors(part, types));
      if (part.name === 'format') for (const arg of part.args) eachPart(arg, (inner) => free.add(inner));
    }
    // What is formatted may be of any types.
    if (part.kind === 'list' && !free.has(part)) errors.push(...listErrors(part, types));
    if (part.kind === 'map' && !free.has(part)) errors.push(...mapErrors(part, types));
  });
  return errors;
}

const CHECKS: ReadonlyMap<string, (value: Value) => unknown> = new Map<string, (value: Value) => unknown>([
  ['duration', (value) => (typeof value === 'string' ? convert.durationOfText(value) : NO_OVERLOAD)],
  ['timestamp', (value) => (typeof value === 'string' ? convert.timestampOfText(value) : timestampOf(value))],
  ['matches', (value) => (typeof value === 'string' ? patternOf(value) : undefined)],
]);

const timestampOf = (value: Value): unknown =>
  typeof value === 'number' || typeof value === 'bigint' ? convert.timestampOfInt(value) : NO_OVERLOAD;

function callErrors({ name, args: [first] }: Call): ParseError[] {
  const check = CHECKS.get(name);
  const value: Value | undefined = first?.kind === 'literal' ? first.value : undefined;
  if (!check || value === undefined || !(check(value) instanceof CelError)) return [];
  return [{ at: first!.at, message: `invalid ${name} argument` }];
}

type Types = ReadonlyMap<Expr, CelType>;

const mismatch = ({ at }: Expr, expected: CelType, found: CelType): ParseError => ({
  at,
  message: `expected type '${formatType(expected)}' but found '${formatType(found)}'`,
});

const typeOf = (types: Types, expr: Expr, isOptional: boolean): CelType => {
  const type = types.get(expr)!;
  return isOptional && isOptionalType(type) ? type.params[0]! : type;
};

/** The same but for what is not known yet. */
const isEquivalent = (a: CelType, b: CelType): boolean =>
  a.kind === b.kind && a.name === b.name && a.params.length === b.params.length;

function listErrors({ items }: ListExpr, types: Types): ParseError[] {
  const first = items[0] && typeOf(types, items[0].value, items[0].isOptional);
  const other = items.find(({ value, isOptional }) => !isEquivalent(first!, typeOf(types, value, isOptional)));
  return other ? [mismatch(other.value, first!, typeOf(types, other.value, other.isOptional))] : [];
}

function mapErrors({ entries }: MapExpr, types: Types): ParseError[] {
  const [first, ...rest] = entries;
  if (!first) return [];
  const [key, value] = [types.get(first.key)!, typeOf(types, first.value, first.isOptional)];
  return rest.flatMap((entry) => {
    const [otherKey, otherValue] = [types.get(entry.key)!, typeOf(types, entry.value, entry.isOptional)];
    return [
      ...(isEquivalent(key, otherKey) ? [] : [mismatch(entry.key, key, otherKey)]),
      ...(isEquivalent(value, otherValue) ? [] : [mismatch(entry.value, value, otherValue)]),
    ];
  });
}
