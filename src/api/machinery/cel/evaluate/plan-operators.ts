/** Operators and functions that need not evaluate all that they are given, or that a loop collects with. */
import { sizeOf, traversal } from '../cost/size.ts';
import { equals } from '../operations/equality.ts';
import { NO_OVERLOAD } from '../operations/errors.ts';
import { notStrictlyFalse } from '../standard/operators.ts';
import { type Call, type Expr, OPERATORS } from '../syntax/ast.ts';
import { CelError, Optional } from '../value.ts';
import { COSTS, type Step, spend } from './frame.ts';
import type { GrowingList } from './growing-list.ts';
import { collectedItem } from './plan-loop.ts';
import type { Planned, Planner } from './planner.ts';

/** undefined for a call like any other. */
export function planOperator(planner: Planner, expr: Call): Planned | undefined {
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
