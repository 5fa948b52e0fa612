/** Calls of functions and operators. */

import type { CelType } from '../cel-type.ts';
import { defaultCost } from '../cost/call-cost.ts';
import { sizeOf, traversal } from '../cost/size.ts';
import type { Evaluate, FunctionDeclaration, Overload, RunTimeCost } from '../library.ts';
import { equals } from '../operations/equality.ts';
import { NO_OVERLOAD, noOverloadOf } from '../operations/errors.ts';
import { valuesOf } from '../operations/lists.ts';
import { isSimple, memberSet } from '../operations/member-set.ts';
import { patternOf } from '../operations/patterns.ts';
import { notStrictlyFalse } from '../standard/operators.ts';
import { type Call, type Expr, OPERATORS } from '../syntax/ast.ts';
import {
  CelError,
  Double,
  Duration,
  List,
  MapLike,
  Optional,
  type Result,
  Timestamp,
  TypeValue,
  typeOfValue,
  Uint,
  type Value,
} from '../value.ts';
import { COSTS, type Frame, type Step, spend } from './frame.ts';
import type { GrowingList } from './growing-list.ts';
import { collectedItem } from './plan-loop.ts';
import { constantly, type Planned, type Planner } from './planner.ts';

export function planCall(planner: Planner, expr: Call): Planned {
  const special = planSpecial(planner, expr);
  if (special) return special;
  const reference = planner.referenceOf(expr);
  if (reference?.kind !== 'function') throw new TypeError(`a call of ${expr.name} that was not checked`);
  const { declaration, overloads, isNamespaced } = reference;
  const operands = expr.target && !isNamespaced ? [expr.target, ...expr.args] : expr.args;
  const planned = operands.map((operand) => planner.plan(operand));
  const id = overloads.length === 1 ? overloads[0]!.id : undefined;
  if (declaration.name === OPERATORS.in && id === 'in_list') {
    const known = planMembership(planned as [Planned, Planned]);
    if (known) return known;
  }
  const isFreeOnError = SEARCHES.has(declaration.name) && planned[1]?.constant !== undefined;
  if (isFreeOnError) checkPattern(planner, expr, planned[1]!.constant!);
  const call: PlannedCall = {
    evaluate: evaluatorOf(declaration, overloads),
    cost: declaration.cost ?? defaultCost(id),
    overload: id,
    isFreeOnError,
  };
  const run = stepOf(
    planned.map((part) => part.run),
    withDefault(call, id),
  );
  return CONVERSIONS.has(declaration.name) ? folded(planner, expr, planned, run) : { run };
}

interface PlannedCall {
  evaluate: Evaluate;
  /** undefined: one unit. */
  cost: RunTimeCost | undefined;
  overload: string | undefined;
  /** A search for a pattern that stands in the source. */
  isFreeOnError: boolean;
}

/** A declaration's cost may leave some overloads to the common rule. */
function withDefault(call: PlannedCall, id: string | undefined): PlannedCall {
  const { cost } = call;
  const otherwise = defaultCost(id);
  if (!cost || cost === otherwise) return call;
  return { ...call, cost: (finished) => cost(finished) ?? otherwise?.(finished) ?? 1 };
}

const SEARCHES: ReadonlySet<string> = new Set(['matches', 'find', 'findAll']);

/** A pattern that is none is said before anything runs. */
function checkPattern(planner: Planner, { at }: Call, pattern: Value): void {
  const compiled = typeof pattern === 'string' ? patternOf(pattern) : undefined;
  if (compiled instanceof CelError) planner.problems.push({ at, message: compiled.message });
}

const CONVERSIONS: ReadonlySet<string> = new Set([
  ...['bool', 'bytes', 'double', 'duration', 'dyn', 'int', 'string', 'timestamp', 'type', 'uint'],
]);

/** A conversion of a constant is one itself. */
function folded(planner: Planner, { at }: Call, [arg]: readonly Planned[], run: Step): Planned {
  if (arg?.constant === undefined) return { run };
  const value = run({ activation: {}, globals: [], locals: [], cost: 0, limit: Number.POSITIVE_INFINITY });
  if (!(value instanceof CelError)) return constantly(value);
  planner.problems.push({ at, message: value.message });
  return { run };
}

function planSpecial(planner: Planner, expr: Call): Planned | undefined {
  const { name, args, target } = expr;
  const [first, second] = args as [Expr, Expr];
  switch (name) {
    case OPERATORS.and:
      return { run: planLogic(planner, [first, second], false) };
    case OPERATORS.or:
      return { run: planLogic(planner, [first, second], true) };
    case OPERATORS.equals:
      return { run: planEquality(planner, [first, second], true) };
    case OPERATORS.notEquals:
      return { run: planEquality(planner, [first, second], false) };
    case OPERATORS.notStrictlyFalse:
      return { run: planNotStrictlyFalse(planner, first) };
    case OPERATORS.add:
      return planCollecting(planner, expr);
    case 'or':
    case 'orValue':
      return target && isOptionalCall(planner, expr) ? { run: planOr(planner, [target, first], name) } : undefined;
    default:
      return undefined;
  }
}

const isOptionalCall = (planner: Planner, expr: Call): boolean => {
  const reference = planner.referenceOf(expr);
  return reference?.kind === 'function' && reference.overloads[0]!.id.startsWith('optional_or');
};

/** `decisive` settles it whatever the other side is, an error included. */
function planLogic(planner: Planner, [left, right]: [Expr, Expr], decisive: boolean): Step {
  const [first, second] = [planner.plan(left).run, planner.plan(right).run];
  return (frame) => {
    const a = first(frame);
    if (a === decisive) return decisive;
    const b = second(frame);
    if (b === decisive) return decisive;
    if (typeof a !== 'boolean') return a instanceof CelError ? a : NO_OVERLOAD;
    if (typeof b !== 'boolean') return b instanceof CelError ? b : NO_OVERLOAD;
    return !decisive;
  };
}

function planEquality(planner: Planner, [left, right]: [Expr, Expr], whenEqual: boolean): Step {
  const [first, second] = [planner.plan(left).run, planner.plan(right).run];
  return (frame) => {
    const a = first(frame);
    const b = second(frame);
    if (a instanceof CelError || b instanceof CelError) {
      spend(frame, traversal(Math.min(sizeOf(a), sizeOf(b))));
      return a instanceof CelError ? a : b;
    }
    const isScalar = typeof a === 'number' || typeof a === 'boolean';
    spend(
      frame,
      isScalar && typeof b !== 'object' && typeof b !== 'string' ? 1 : traversal(Math.min(sizeOf(a), sizeOf(b))),
    );
    const isEqual = equals(a, b);
    return typeof isEqual === 'boolean' ? isEqual === whenEqual : isEqual;
  };
}

function planNotStrictlyFalse(planner: Planner, expr: Expr): Step {
  const run = planner.plan(expr).run;
  return (frame) => {
    const value = run(frame);
    spend(frame, 1);
    return notStrictlyFalse(value);
  };
}

/** `x` of `optional.or(x)` is looked at only when there is need. */
function planOr(planner: Planner, [target, otherwise]: [Expr, Expr], name: string): Step {
  const [first, second] = [planner.plan(target).run, planner.plan(otherwise).run];
  return (frame) => {
    const value = first(frame);
    if (value instanceof CelError) return value;
    if (!(value instanceof Optional)) return new CelError(`no such overload: ${name}`);
    if (value.value === undefined) return second(frame);
    return name === 'or' ? value : value.value;
  };
}

/** A loop's list grows in place instead of being copied each time. */
function planCollecting(planner: Planner, expr: Call): Planned | undefined {
  const item = collectedItem(planner, expr);
  if (!item) return undefined;
  const list = planner.plan(expr.args[0]!).run;
  const run = planner.plan(item).run;
  return {
    run: (frame) => {
      const growing = list(frame);
      const value = run(frame);
      spend(frame, COSTS.list + 1);
      if (growing instanceof CelError) return growing;
      if (value instanceof CelError) return value;
      (growing as GrowingList).push(value);
      return growing;
    },
  };
}

/** `x in [constants]`; undefined when the list is none, or has items that are not simple. */
function planMembership([value, list]: [Planned, Planned]): Planned | undefined {
  if (!(list.constant instanceof List)) return undefined;
  if (list.constant.size === 0) return constantly(false);
  const items = valuesOf(list.constant);
  if (items instanceof CelError || !items.every(isSimple)) return undefined;
  const has = memberSet(items);
  const { run } = value;
  return {
    run: (frame) => {
      const found = run(frame);
      return found instanceof CelError ? found : has(found);
    },
  };
}

/** The first error; a call that is not made costs something all the same. */
function failed(frame: Frame, call: PlannedCall, ...args: Result[]): CelError {
  const error = args.find((arg) => arg instanceof CelError)!;
  if (!call.isFreeOnError) spendCall(frame, call, error, ...args);
  return error;
}

/** By the number of arguments, so that the usual ones need no list of them. */
function stepOf(args: readonly Step[], call: PlannedCall): Step {
  const [first, second] = args as [Step, Step];
  const evaluate = call.evaluate as (...values: Value[]) => Result;
  switch (args.length) {
    case 1:
      return (frame) => {
        const a = first(frame);
        if (a instanceof CelError) return failed(frame, call, a);
        const result = evaluate(a);
        spendCall(frame, call, result, a);
        return result;
      };
    case 2:
      return (frame) => {
        const a = first(frame);
        const b = second(frame);
        if (a instanceof CelError || b instanceof CelError) return failed(frame, call, a, b);
        const result = evaluate(a, b);
        spendCall(frame, call, result, a, b);
        return result;
      };
    default:
      return (frame) => {
        const values: Value[] = [];
        for (const arg of args) {
          const value = arg(frame);
          if (value instanceof CelError) return value;
          values.push(value);
        }
        const result = evaluate(...values);
        spendCall(frame, call, result, ...values);
        return result;
      };
  }
}

function spendCall(frame: Frame, { cost, overload }: PlannedCall, result: Result, ...args: Result[]): void {
  spend(frame, cost ? (cost({ overload, args, result }) ?? 1) : 1);
}

/** Finds the overload by the kinds of the arguments, as far as the checker could not. */
function evaluatorOf(declaration: FunctionDeclaration, overloads: readonly Overload[]): Evaluate {
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
