/** Calls of functions and operators. */
import { defaultCost } from '../cost/call-cost.ts';
import type { Evaluate, RunTimeCost } from '../library.ts';
import { valuesOf } from '../operations/lists.ts';
import { isSimple, memberSet } from '../operations/member-set.ts';
import { patternOf } from '../operations/patterns.ts';
import { type Call, OPERATORS } from '../syntax/ast.ts';
import { CelError, List, type Result, type Value } from '../value.ts';
import { type Frame, type Step, spend } from './frame.ts';
import { evaluatorOf } from './overload-choice.ts';
import { planOperator } from './plan-operators.ts';
import { constantly, type Planned, type Planner } from './planner.ts';

export function planCall(planner: Planner, expr: Call): Planned {
  const special = planOperator(planner, expr);
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
