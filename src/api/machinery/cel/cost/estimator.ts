/**
 * How much an expression may cost, before it runs: from the sizes that the variables' declared types have. Source: cel-go's
 * cost estimate with the sizes of apiextensions; the numbers are the same, because they decide which rules a CRD may have.
 */
import type { Checked } from '../check/checker.ts';
import type { DeclaredType } from '../declared-type.ts';
import { COSTS } from '../evaluate/frame.ts';
import type { Overload } from '../library.ts';
import type { Call, Comprehension, Expr } from '../syntax/ast.ts';
import {
  type CallEstimate,
  type CallToEstimate,
  defaultEstimate,
  type EstimatedNode,
  fixed,
  plus,
  type Range,
  times,
  traversed,
  union,
} from './estimate-call.ts';
import { type EntrySize, KnownSizes, type LocalSize } from './known-sizes.ts';

const NOTHING = fixed(0);

export class Estimator {
  readonly #checked: Checked;
  readonly #sizes: KnownSizes;

  constructor(checked: Checked, variables: ReadonlyMap<string, DeclaredType>) {
    this.#checked = checked;
    this.#sizes = new KnownSizes(checked.types, variables);
  }

  estimate(): Range {
    return this.#cost(this.#checked.expr);
  }

  #cost(expr: Expr): Range {
    switch (expr.kind) {
      case 'literal':
        return NOTHING;
      case 'ident':
        return this.#ofName(expr, expr.name);
      case 'select':
        return this.#ofSelect(expr);
      case 'call':
        return this.#ofCall(expr);
      case 'list':
        return this.#ofList(expr);
      case 'map':
        return this.#ofMap(expr);
      case 'struct':
        return expr.fields.reduce((sum, { value }) => plus(sum, this.#cost(value)), fixed(COSTS.struct));
      case 'comprehension':
        return isBinding(expr) ? this.#ofBinding(expr) : this.#ofLoop(expr);
    }
  }

  #ofName(expr: Expr, name: string): Range {
    const local = this.#sizes.local(name);
    this.#sizes.setPath(expr, local ? local.path : [name]);
    return fixed(COSTS.name);
  }

  #ofSelect(expr: Expr & { kind: 'select' }): Range {
    const reference = this.#checked.references.get(expr);
    if (reference?.kind === 'variable') return this.#ofName(expr, reference.name);
    if (reference?.kind === 'type') return this.#ofName(expr, reference.type.name);
    const cost = this.#cost(expr.operand);
    if (expr.isTest) return cost;
    this.#sizes.setPath(expr, this.#sizes.below(expr.operand, expr.field));
    const { kind } = this.#sizes.typeOf(expr.operand);
    return kind === 'map' || kind === 'object' || kind === 'param' ? plus(cost, fixed(COSTS.select)) : cost;
  }

  #ofList(expr: Expr & { kind: 'list' }): Range {
    let cost = fixed(COSTS.list);
    let item: Range | undefined;
    for (const { value } of expr.items) {
      cost = plus(cost, this.#cost(value));
      const size = this.#sizes.orUnknown(value);
      item = item ? union(item, size) : size;
    }
    this.#sizes.setEntry(expr, { container: 'list', key: fixed(1), value: item ?? NOTHING });
    return cost;
  }

  #ofMap(expr: Expr & { kind: 'map' }): Range {
    let cost = fixed(COSTS.map);
    let key: Range | undefined;
    let value: Range | undefined;
    for (const entry of expr.entries) {
      cost = plus(plus(cost, this.#cost(entry.key)), this.#cost(entry.value));
      const [keySize, valueSize] = [this.#sizes.orUnknown(entry.key), this.#sizes.orUnknown(entry.value)];
      key = key ? union(key, keySize) : keySize;
      value = value ? union(value, valueSize) : valueSize;
    }
    this.#sizes.setEntry(expr, { container: 'map', key: key ?? NOTHING, value: value ?? NOTHING });
    return cost;
  }

  #ofBinding(expr: Comprehension): Range {
    let cost = plus(this.#cost(expr.range), this.#cost(expr.init));
    this.#sizes.with(expr.accumulator, this.#sizes.localOf(expr.init), () => {
      cost = plus(cost, this.#cost(expr.result));
    });
    this.#sizes.copy(expr, expr.result);
    return cost;
  }

  #ofLoop(expr: Comprehension): Range {
    let cost = plus(this.#cost(expr.range), this.#cost(expr.init));
    let turn = NOTHING;
    this.#sizes.with(expr.accumulator, this.#sizes.localOf(expr.init), () => {
      this.#withLoopVariables(expr, () => {
        const condition = this.#cost(expr.condition);
        turn = plus(this.#cost(expr.step), condition);
      });
      cost = plus(cost, this.#cost(expr.result));
    });
    const count = this.#sizes.orUnknown(expr.range);
    this.#setLoopSize(expr, count);
    return plus(cost, times(count, turn));
  }

  #setLoopSize(expr: Comprehension, count: Range): void {
    const { init } = expr;
    if (init.kind === 'literal') this.#sizes.set(expr, this.#sizes.of(init));
    if (init.kind !== 'list' && init.kind !== 'map') return;
    this.#sizes.set(expr, count);
    const entry = this.#sizes.entryOf(expr.step);
    if (entry) this.#sizes.setEntry(expr, entry);
  }

  #withLoopVariables(expr: Comprehension, body: () => void): void {
    const entry = this.#sizes.entryOf(expr.range);
    const container = entry?.container ?? this.#sizes.typeOf(expr.range).kind;
    const isList = container === 'list';
    const key: LocalSize = {
      path: this.#sizes.below(expr.range, isList ? '@indices' : '@keys'),
      size: entry?.key,
      entry: undefined,
    };
    const value: LocalSize = {
      path: this.#sizes.below(expr.range, isList ? '@items' : '@values'),
      size: entry?.value,
      entry: undefined,
    };
    const { variable, variable2 } = expr;
    if (variable2 === undefined) this.#sizes.with(variable, isList ? value : key, body);
    else this.#sizes.with(variable, key, () => this.#sizes.with(variable2, value, body));
  }

  #ofCall(expr: Call): Range {
    const [first] = expr.args;
    if (expr.name === 'dyn' && first) {
      const cost = plus(fixed(1), this.#cost(first));
      this.#sizes.copy(expr, first);
      return cost;
    }
    const costs = expr.args.map((arg) => this.#cost(arg));
    const reference = this.#checked.references.get(expr);
    const overloads = reference?.kind === 'function' ? reference.overloads : SELECT_OPTIONAL;
    const isMember = expr.target !== undefined && !(reference?.kind === 'function' && reference.isNamespaced);
    const target = isMember ? this.#cost(expr.target!) : NOTHING;
    const node = isMember ? this.#sizes.nodeOf(expr.target!) : undefined;
    const args = expr.args.map((arg) => this.#sizes.nodeOf(arg));
    let cost: Range | undefined;
    let resultSize: Range | undefined;
    for (const { id } of overloads) {
      const one = this.#ofOverload(expr, { overload: id, target: node, args }, costs);
      cost = cost ? union(cost, one.cost) : one.cost;
      if (one.resultSize) resultSize = resultSize ? union(resultSize, one.resultSize) : one.resultSize;
      if (id === 'index_list' || id === 'index_map') {
        resultSize = this.#sizes.entryOf(first!)?.value;
        this.#sizes.setPath(expr, this.#sizes.below(first!, id === 'index_list' ? '@items' : '@values'));
      }
      resultSize ??= this.#sizes.of(expr);
    }
    this.#sizes.set(expr, resultSize);
    return plus(target, cost ?? NOTHING);
  }

  /** With the cost of the arguments. */
  #ofOverload(expr: Call, call: CallToEstimate, costs: readonly Range[]): CallEstimate {
    const [a, b, c] = costs as [Range, Range, Range];
    switch (call.overload) {
      case 'logical_and':
      case 'logical_or':
        return { cost: { min: a.min, max: a.max + b.max } };
      case 'conditional':
        return this.#ofConditional(expr, call, [a, b, c]);
      case 'add_string':
      case 'add_bytes':
      case 'add_list':
        return this.#ofAddition(expr, call, plus(a, b));
      default: {
        const reference = this.#checked.references.get(expr);
        const declared = reference?.kind === 'function' ? reference.declaration.estimate?.(call) : undefined;
        const { cost, resultSize } = declared ?? this.#ofOpaqueEquality(call) ?? defaultEstimate(call);
        return { cost: costs.reduce(plus, cost), resultSize };
      }
    }
  }

  /** Values of libraries are compared in one step. */
  #ofOpaqueEquality({ overload, args: [a, b] }: CallToEstimate): CallEstimate | undefined {
    if (overload !== 'equals' || a?.type.name !== b?.type.name) return undefined;
    return OPAQUE_EQUALITY.get(a!.type.name);
  }

  #ofConditional(expr: Call, { args }: CallToEstimate, [test, yes, no]: readonly [Range, Range, Range]): CallEstimate {
    const [, whenTrue, whenFalse] = args as [EstimatedNode, EstimatedNode, EstimatedNode];
    this.#sizes.setEntry(expr, this.#commonEntry(whenTrue.expr, whenFalse.expr));
    const resultSize = union(this.#sizes.orUnknown(whenTrue.expr), this.#sizes.orUnknown(whenFalse.expr));
    return { cost: plus(test, union(yes, no)), resultSize };
  }

  #ofAddition(expr: Call, { overload, args }: CallToEstimate, cost: Range): CallEstimate {
    const [left, right] = args as [EstimatedNode, EstimatedNode];
    const resultSize = plus(this.#sizes.orUnknown(left.expr), this.#sizes.orUnknown(right.expr));
    this.#sizes.setEntry(expr, this.#commonEntry(left.expr, right.expr));
    return { cost: plus(overload === 'add_list' ? fixed(1) : traversed(resultSize), cost), resultSize };
  }

  #commonEntry(a: Expr, b: Expr): EntrySize | undefined {
    const [left, right] = [this.#sizes.entryOf(a), this.#sizes.entryOf(b)];
    if (!left || !right) return undefined;
    return { container: left.container, key: union(left.key, right.key), value: union(left.value, right.value) };
  }
}

const SELECT_OPTIONAL: readonly Overload[] = [
  { id: 'select_optional_field', params: [], result: { kind: 'dyn', name: 'dyn', params: [] } },
];

const ONE: CallEstimate = { cost: fixed(1) };
const OPAQUE_EQUALITY: ReadonlyMap<string, CallEstimate> = new Map([
  ...['net.IP', 'net.CIDR', 'kubernetes.Quantity', 'kubernetes.Semver'].map((name): [string, CallEstimate] => [
    name,
    ONE,
  ]),
  ...['Authorizer', 'PathCheck', 'GroupCheck', 'ResourceCheck', 'Decision'].map((name): [string, CallEstimate] => [
    `kubernetes.authorization.${name}`,
    ONE,
  ]),
  ['kubernetes.NamedFormat', { cost: { min: 1, max: 7 } }],
]);

const isBinding = ({ range, condition }: Comprehension): boolean =>
  range.kind === 'list' && range.items.length === 0 && condition.kind === 'literal' && condition.value === false;
