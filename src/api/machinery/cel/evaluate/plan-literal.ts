/** Lists, maps and objects that an expression makes. */

import type { DeclaredField } from '../declared-type.ts';
import type { ListExpr, MapExpr, StructExpr } from '../syntax/ast.ts';
import { CelError, List, Optional, type Result, StructValue, typeOfValue, type Value } from '../value.ts';
import { COSTS, type Frame, type Step, spend } from './frame.ts';
import { NativeMap } from './native-map.ts';
import { constantly, type Planned, type Planner } from './planner.ts';

/** What `?value` stands for: undefined when there is nothing to be added. */
function unwrap(value: Value): Value | undefined | CelError {
  if (value instanceof Optional) return value.value;
  return new CelError(`cannot initialize optional list element from non-optional value ${String(value)}`);
}

/** A value that does not need any step; its cost is not spent. */
const whenConstant = (parts: readonly Planned[], make: Step): Value | undefined => {
  if (!parts.every(({ constant }) => constant !== undefined)) return undefined;
  const frame: Frame = { activation: {}, globals: [], locals: [], cost: 0, limit: Number.POSITIVE_INFINITY };
  const value = make(frame);
  return value instanceof CelError ? undefined : value;
};

export function planList(planner: Planner, { items }: ListExpr): Planned {
  const parts = items.map(({ value }) => planner.plan(value));
  const steps = parts.map(({ run }, i) => ({ run, isOptional: items[i]!.isOptional }));
  const run: Step = (frame) => {
    const values: Value[] = [];
    spend(frame, COSTS.list);
    for (const step of steps) {
      const value = step.run(frame);
      if (value instanceof CelError) return value;
      const added = step.isOptional ? unwrap(value) : value;
      if (added instanceof CelError) return added;
      if (added !== undefined) values.push(added);
    }
    return new List(values);
  };
  const constant = whenConstant(parts, run);
  return constant === undefined ? { run } : constantly(constant);
}

export function planMap(planner: Planner, { entries }: MapExpr): Planned {
  const keys = entries.map(({ key }) => planner.plan(key));
  const values = entries.map(({ value }) => planner.plan(value));
  const steps = entries.map(({ isOptional }, i) => ({ key: keys[i]!.run, value: values[i]!.run, isOptional }));
  const run: Step = (frame) => {
    const map = new NativeMap();
    spend(frame, COSTS.map);
    for (const step of steps) {
      const error = addEntry(frame, map, step);
      if (error) return error;
    }
    return map;
  };
  const constant = whenConstant([...keys, ...values], run);
  return constant === undefined ? { run } : constantly(constant);
}

function addEntry(
  frame: Frame,
  map: NativeMap,
  { key, value, isOptional }: { key: Step; value: Step; isOptional: boolean },
): CelError | undefined {
  const name = key(frame);
  if (name instanceof CelError) return name;
  const given = value(frame);
  if (given instanceof CelError) return given;
  const added = isOptional ? unwrap(given) : given;
  if (added instanceof CelError) return added;
  return added === undefined ? undefined : map.set(name, added);
}

export function planStruct(planner: Planner, expr: StructExpr): Planned {
  const reference = planner.referenceOf(expr);
  const type = reference?.kind === 'type' ? reference.type : undefined;
  const declared = type && planner.objectType(type.name)?.fields;
  const defaults = new Map([...(declared ?? [])].filter(([, field]) => isText(field)).map(([name]) => [name, '']));
  const steps = expr.fields.map(({ name, value, isOptional }) => ({ name, isOptional, run: planner.plan(value).run }));
  const run = (frame: Frame): Result => {
    const fields = new Map<string, Value>();
    spend(frame, COSTS.struct);
    for (const step of steps) {
      const value = step.run(frame);
      if (value instanceof CelError) return value;
      const added = step.isOptional ? unwrap(value) : value;
      if (added instanceof CelError) return added;
      if (added !== undefined) fields.set(step.name, added);
    }
    return badField(declared, fields) ?? new StructValue(type!, fields, defaults);
  };
  return { run };
}

const isText = ({ type }: DeclaredField): boolean => type.type.kind === 'string';

/** What the checker could not see, because it was dyn. */
function badField(
  declared: ReadonlyMap<string, DeclaredField> | undefined,
  fields: ReadonlyMap<string, Value>,
): CelError | undefined {
  for (const [name, value] of fields) {
    const field = declared?.get(name);
    if (field && isText(field) && typeof value !== 'string')
      return new CelError(`unexpected type ${typeOfValue(value).name} for field '${name}'`);
  }
  return undefined;
}
