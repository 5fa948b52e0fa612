/** Ways to a value: names, `.field`, `[index]`, their optional forms, and `?:`, whose branches may be such ways. */

import { NO_OVERLOAD } from '../operations/errors.ts';
import { type Call, type Expr, OPERATORS, type Select } from '../syntax/ast.ts';
import {
  CelError,
  Double,
  List,
  MapLike,
  Optional,
  type Result,
  StructValue,
  typeOfValue,
  Uint,
  type Value,
} from '../value.ts';
import { COSTS, type Frame, type Step, spend } from './frame.ts';
import { isPath, type Planner } from './planner.ts';

/** `isCounted`: whether the start of the way costs something. */
export function planPath(planner: Planner, expr: Expr, isCounted: boolean): Step {
  if (expr.kind === 'ident') return planner.planName(expr, isCounted);
  if (expr.kind === 'select') return planSelect(planner, expr, isCounted);
  if (expr.kind === 'call' && isPath(expr)) return planOperator(planner, expr, isCounted);
  const run = planner.plan(expr).run;
  if (!isCounted) return run;
  return (frame) => {
    const value = run(frame);
    spend(frame, COSTS.name);
    return value;
  };
}

function planSelect(planner: Planner, expr: Select, isCounted: boolean): Step {
  if (planner.referenceOf(expr)) return planner.planName(expr, isCounted);
  const { field } = expr;
  if (!expr.isTest) return selected(planPath(planner, expr.operand, isCounted), field);
  const operand = planPath(planner, expr.operand, false);
  return (frame) => {
    const target = operand(frame);
    if (target instanceof CelError) return target;
    const found = findPresent(target, field);
    spend(frame, COSTS.select);
    return found instanceof CelError ? found : found !== undefined;
  };
}

function selected(operand: Step, field: string): Step {
  const missing = new CelError(`no such key: ${field}`);
  return (frame) => {
    const target = operand(frame);
    if (target instanceof CelError) return target;
    if (target instanceof Optional) return optionalPart(frame, target, field);
    spend(frame, COSTS.select);
    if (!(target instanceof MapLike)) return partOf(target, field);
    const found = target.find(field);
    return found === undefined ? missing : found;
  };
}

function planOperator(planner: Planner, expr: Call, isCounted: boolean): Step {
  const [first, second, third] = expr.args as [Expr, Expr, Expr];
  if (expr.name === OPERATORS.conditional) return planConditional(planner, [first, second, third]);
  const operand = planPath(planner, first, isCounted);
  const index = planner.planFree(second);
  const isOptional = expr.name !== OPERATORS.index;
  return (frame) => {
    const target = operand(frame);
    if (target instanceof CelError) return target;
    const key = index(frame);
    if (key instanceof CelError) return key;
    if (isOptional || target instanceof Optional) return optionalPart(frame, target, key);
    spend(frame, COSTS.select);
    return partOf(target, key);
  };
}

function planConditional(planner: Planner, [condition, yes, no]: [Expr, Expr, Expr]): Step {
  const test = planner.plan(condition).run;
  const whenTrue = planner.planFree(yes);
  const whenFalse = planner.planFree(no);
  return (frame) => {
    const holds = test(frame);
    if (holds === true) return whenTrue(frame);
    if (holds === false) return whenFalse(frame);
    return holds instanceof CelError ? holds : NO_OVERLOAD;
  };
}

const keyText = (key: Value): string => {
  if (key instanceof Double || key instanceof Uint) return String(key.value);
  return typeof key === 'object' && key !== null ? typeOfValue(key).name : String(key);
};

/** `target[key]` or `target.key`. */
export function partOf(target: Value, key: Value): Result {
  const found = findPresent(target, key);
  if (found !== undefined) return found;
  if (target instanceof StructValue) return target.unset(key);
  return target instanceof List ? new CelError(`index out of bounds: ${keyText(key)}`) : missingKey(key);
}

const missingKey = (key: Value) => new CelError(`no such key: ${keyText(key)}`);

/** undefined when the list is not that long. */
function itemAt(list: List, key: Value): Result | undefined {
  const index = key instanceof Uint || key instanceof Double ? key.value : key;
  if (typeof index !== 'number' && typeof index !== 'bigint')
    return new CelError(`unsupported index type '${typeOfValue(key).name}' in list`);
  if (typeof index === 'bigint' || !Number.isInteger(index))
    return new CelError(`unsupported index value ${keyText(key)} in list`);
  return index >= 0 && index < list.size ? list.at(index) : undefined;
}

/** undefined when it is not there; also of values that have no parts. */
function findPresent(target: Value, key: Value): Result | undefined {
  if (target instanceof MapLike) return target.find(key);
  if (target instanceof List) return itemAt(target, key);
  if (target instanceof StructValue) return typeof key === 'string' ? target.fields.get(key) : undefined;
  if (target instanceof Optional) return target.value === undefined ? undefined : findPresent(target.value, key);
  return undefined;
}

/** What is not there costs nothing. */
function optionalPart(frame: Frame, target: Value, key: Value): Result {
  const found = findPresent(target, key);
  if (found === undefined) return Optional.none;
  spend(frame, COSTS.select);
  return found instanceof CelError ? found : new Optional(found);
}
