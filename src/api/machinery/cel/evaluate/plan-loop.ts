/** Comprehensions: what the macros `all`, `map`, `filter` and so on are made of, and `cel.bind`. */
import { type Comprehension, type Expr, OPERATORS } from '../syntax/ast.ts';
import { CelError, List, MapLike, type Result, typeOfValue, type Value } from '../value.ts';
import { spendWork } from '../work.ts';
import type { Frame, Step } from './frame.ts';
import { GrowingList } from './growing-list.ts';
import { NativeMap } from './native-map.ts';
import type { Planner } from './planner.ts';

export function planLoop(planner: Planner, expr: Comprehension): Step {
  return isBinding(expr) ? planBinding(planner, expr) : planTurning(planner, expr);
}

/** A loop that never turns. */
const isBinding = ({ range, condition }: Comprehension): boolean =>
  range.kind === 'list' && range.items.length === 0 && condition.kind === 'literal' && condition.value === false;

/** The value is made when it is first asked for. */
function planBinding(planner: Planner, expr: Comprehension): Step {
  const init = planner.plan(expr.init).run;
  return planner.withLocal(expr.accumulator, { init }, ({ slot }) => {
    const result = planner.plan(expr.result).run;
    return (frame) => {
      frame.locals[slot] = undefined;
      return result(frame);
    };
  });
}

const isEmptyLiteral = (expr: Expr): boolean =>
  (expr.kind === 'list' && expr.items.length === 0) || (expr.kind === 'map' && expr.entries.length === 0);

/** Where each variable of a loop is kept, and its steps. */
interface Loop {
  accumulator: number;
  first: number;
  second: number | undefined;
  /** undefined: true each time. */
  condition: Step | undefined;
  step: Step;
}

function planTurning(planner: Planner, expr: Comprehension): Step {
  const range = planner.plan(expr.range).run;
  const init = planInit(planner, expr.init);
  const isGrowing = isEmptyLiteral(expr.init);
  return planner.withLocal(expr.accumulator, { isGrowing }, (accumulator) => {
    const loop = planBody(planner, expr, accumulator.slot);
    const result = planner.plan(expr.result).run;
    return (frame) => {
      const values = range(frame);
      if (values instanceof CelError) return values;
      if (!(values instanceof List || values instanceof MapLike)) return notIterable(values);
      frame.locals[accumulator.slot] = init(frame);
      if (values instanceof List) overList(frame, loop, values);
      else overMap(frame, loop, values);
      return result(frame);
    };
  });
}

/** Loops that collect begin with a list or map of their own. */
function planInit(planner: Planner, init: Expr): Step {
  if (!isEmptyLiteral(init)) return planner.plan(init).run;
  return init.kind === 'list' ? () => new GrowingList() : () => new NativeMap();
}

function planBody(planner: Planner, expr: Comprehension, accumulator: number): Loop {
  return planner.withLocal(expr.variable, {}, (first) => {
    const withSecond = (second: number | undefined): Loop => {
      const { run, constant } = planner.plan(expr.condition);
      const condition = constant === true ? undefined : run;
      return { accumulator, first: first.slot, second, condition, step: planner.plan(expr.step).run };
    };
    if (expr.variable2 === undefined) return withSecond(undefined);
    return planner.withLocal(expr.variable2, {}, (second) => withSecond(second.slot));
  });
}

/** False when the loop is over. */
function turn(frame: Frame, { accumulator, condition, step }: Loop): boolean {
  if (condition && condition(frame) === false) return false;
  frame.locals[accumulator] = step(frame);
  return true;
}

function overList(frame: Frame, loop: Loop, list: List): void {
  const { first, second } = loop;
  const { size } = list;
  for (let i = 0; i < size; i++) {
    if (second === undefined) {
      frame.locals[first] = list.at(i);
    } else {
      frame.locals[first] = i;
      frame.locals[second] = list.at(i);
    }
    if (!turn(frame, loop)) return;
  }
}

function overMap(frame: Frame, loop: Loop, map: MapLike): void {
  spendWork(map.size);
  for (const key of map.keys()) {
    frame.locals[loop.first] = key;
    if (loop.second !== undefined) frame.locals[loop.second] = map.find(key) ?? null;
    if (!turn(frame, loop)) return;
  }
}

const GO_NAMES: Readonly<Record<string, string>> = {
  bool: 'types.Bool',
  int: 'types.Int',
  uint: 'types.Uint',
  double: 'types.Double',
  string: 'types.String',
  bytes: 'types.Bytes',
  null_type: 'types.Null',
};

const notIterable = (value: Value): Result => {
  const { name } = typeOfValue(value);
  return new CelError(`got '${GO_NAMES[name] ?? name}', expected iterable type`);
};

/** `[x]` where the step of a loop adds x to the list that it collects. */
export function collectedItem(planner: Planner, expr: Expr): Expr | undefined {
  if (expr.kind !== 'call' || expr.name !== OPERATORS.add) return undefined;
  const [to, items] = expr.args as [Expr, Expr];
  if (to.kind !== 'ident' || items.kind !== 'list' || items.items.length !== 1) return undefined;
  const reference = planner.referenceOf(to);
  if (reference?.kind !== 'local' || !planner.local(reference.name).isGrowing) return undefined;
  const [item] = items.items;
  return item!.isOptional ? undefined : item!.value;
}
