/**
 * How much an expression may cost, before it runs: from the sizes that the variables' declared types have. Source: cel-go's
 * cost estimate with the sizes of apiextensions; the numbers are the same, because they decide which rules a CRD may have.
 */

import type { CelType } from '../cel-type.ts';
import type { Checked } from '../check/checker.ts';
import type { DeclaredType } from '../declared-type.ts';
import { COSTS } from '../evaluate/frame.ts';
import type { Overload } from '../library.ts';
import { lengthOf } from '../operations/text.ts';
import { ACCUMULATOR, type Call, type Comprehension, type Expr } from '../syntax/ast.ts';
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
  UNKNOWN,
  union,
} from './estimate-call.ts';

/** From a variable down to a part of it: field names, `@items`, `@keys`, `@values`, `@indices`. */
type Path = readonly string[];

/** Of the parts of a list or map. */
interface EntrySize {
  container: 'list' | 'map';
  key: Range;
  value: Range;
}

interface LocalSize {
  path: Path | undefined;
  size: Range | undefined;
  entry: EntrySize | undefined;
}

const NOTHING = fixed(0);
const ROOT = 'self';

export class Estimator {
  readonly #checked: Checked;
  readonly #variables: ReadonlyMap<string, DeclaredType>;
  readonly #paths = new Map<Expr, Path>();
  readonly #sizes = new Map<Expr, Range>();
  readonly #entries = new Map<Expr, EntrySize>();
  readonly #locals = new Map<string, LocalSize[]>();

  constructor(checked: Checked, variables: ReadonlyMap<string, DeclaredType>) {
    this.#checked = checked;
    this.#variables = variables;
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
    const local = this.#local(name);
    this.#setPath(expr, local ? local.path : [name]);
    return fixed(COSTS.name);
  }

  #ofSelect(expr: Expr & { kind: 'select' }): Range {
    const reference = this.#checked.references.get(expr);
    if (reference?.kind === 'variable') return this.#ofName(expr, reference.name);
    if (reference?.kind === 'type') return this.#ofName(expr, reference.type.name);
    const cost = this.#cost(expr.operand);
    if (expr.isTest) return cost;
    this.#setPath(expr, this.#below(expr.operand, expr.field));
    const { kind } = this.#typeOf(expr.operand);
    return kind === 'map' || kind === 'object' || kind === 'param' ? plus(cost, fixed(COSTS.select)) : cost;
  }

  #ofList(expr: Expr & { kind: 'list' }): Range {
    let cost = fixed(COSTS.list);
    let item: Range | undefined;
    for (const { value } of expr.items) {
      cost = plus(cost, this.#cost(value));
      const size = this.#computed(value);
      item = item ? union(item, size) : size;
    }
    this.#entries.set(expr, { container: 'list', key: fixed(1), value: item ?? NOTHING });
    return cost;
  }

  #ofMap(expr: Expr & { kind: 'map' }): Range {
    let cost = fixed(COSTS.map);
    let key: Range | undefined;
    let value: Range | undefined;
    for (const entry of expr.entries) {
      cost = plus(plus(cost, this.#cost(entry.key)), this.#cost(entry.value));
      const [keySize, valueSize] = [this.#computed(entry.key), this.#computed(entry.value)];
      key = key ? union(key, keySize) : keySize;
      value = value ? union(value, valueSize) : valueSize;
    }
    this.#entries.set(expr, { container: 'map', key: key ?? NOTHING, value: value ?? NOTHING });
    return cost;
  }

  #ofBinding(expr: Comprehension): Range {
    let cost = plus(this.#cost(expr.range), this.#cost(expr.init));
    this.#with(expr.accumulator, this.#localOf(expr.init), () => {
      cost = plus(cost, this.#cost(expr.result));
    });
    this.#copySizes(expr, expr.result);
    return cost;
  }

  #ofLoop(expr: Comprehension): Range {
    let cost = plus(this.#cost(expr.range), this.#cost(expr.init));
    let turn = NOTHING;
    this.#with(expr.accumulator, this.#localOf(expr.init), () => {
      this.#withLoopVariables(expr, () => {
        const condition = this.#cost(expr.condition);
        turn = plus(this.#cost(expr.step), condition);
      });
      cost = plus(cost, this.#cost(expr.result));
    });
    const count = this.#computed(expr.range);
    this.#setLoopSize(expr, count);
    return plus(cost, times(count, turn));
  }

  #setLoopSize(expr: Comprehension, count: Range): void {
    const { init } = expr;
    if (init.kind === 'literal') this.#setSize(expr, this.#size(init));
    if (init.kind !== 'list' && init.kind !== 'map') return;
    this.#setSize(expr, count);
    const entry = this.#entrySize(expr.step);
    if (entry) this.#entries.set(expr, entry);
  }

  #withLoopVariables(expr: Comprehension, body: () => void): void {
    const entry = this.#entrySize(expr.range);
    const container = entry?.container ?? this.#typeOf(expr.range).kind;
    const isList = container === 'list';
    const key: LocalSize = {
      path: this.#below(expr.range, isList ? '@indices' : '@keys'),
      size: entry?.key,
      entry: undefined,
    };
    const value: LocalSize = {
      path: this.#below(expr.range, isList ? '@items' : '@values'),
      size: entry?.value,
      entry: undefined,
    };
    const { variable, variable2 } = expr;
    if (variable2 === undefined) this.#with(variable, isList ? value : key, body);
    else this.#with(variable, key, () => this.#with(variable2, value, body));
  }

  #ofCall(expr: Call): Range {
    const [first] = expr.args;
    if (expr.name === 'dyn' && first) {
      const cost = plus(fixed(1), this.#cost(first));
      this.#copySizes(expr, first);
      return cost;
    }
    const costs = expr.args.map((arg) => this.#cost(arg));
    const reference = this.#checked.references.get(expr);
    const overloads = reference?.kind === 'function' ? reference.overloads : SELECT_OPTIONAL;
    const isMember = expr.target !== undefined && !(reference?.kind === 'function' && reference.isNamespaced);
    const target = isMember ? this.#cost(expr.target!) : NOTHING;
    const node = isMember ? this.#node(expr.target!) : undefined;
    const args = expr.args.map((arg) => this.#node(arg));
    let cost: Range | undefined;
    let resultSize: Range | undefined;
    for (const { id } of overloads) {
      const one = this.#ofOverload(expr, { overload: id, target: node, args }, costs);
      cost = cost ? union(cost, one.cost) : one.cost;
      if (one.resultSize) resultSize = resultSize ? union(resultSize, one.resultSize) : one.resultSize;
      if (id === 'index_list' || id === 'index_map') {
        resultSize = this.#entrySize(first!)?.value;
        this.#setPath(expr, this.#below(first!, id === 'index_list' ? '@items' : '@values'));
      }
      resultSize ??= this.#size(expr);
    }
    this.#setSize(expr, resultSize);
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
    this.#setEntry(expr, this.#commonEntry(whenTrue.expr, whenFalse.expr));
    const resultSize = union(this.#computed(whenTrue.expr), this.#computed(whenFalse.expr));
    return { cost: plus(test, union(yes, no)), resultSize };
  }

  #ofAddition(expr: Call, { overload, args }: CallToEstimate, cost: Range): CallEstimate {
    const [left, right] = args as [EstimatedNode, EstimatedNode];
    const resultSize = plus(this.#computed(left.expr), this.#computed(right.expr));
    this.#setEntry(expr, this.#commonEntry(left.expr, right.expr));
    return { cost: plus(overload === 'add_list' ? fixed(1) : traversed(resultSize), cost), resultSize };
  }

  #commonEntry(a: Expr, b: Expr): EntrySize | undefined {
    const [left, right] = [this.#entrySize(a), this.#entrySize(b)];
    if (!left || !right) return undefined;
    return { container: left.container, key: union(left.key, right.key), value: union(left.value, right.value) };
  }

  #node(expr: Expr): EstimatedNode {
    const type = this.#typeOf(expr);
    const node = { expr, type, size: this.#computed(expr) };
    if (type.params.length === 0) return node;
    const path = this.#pathOf(expr);
    return { ...node, itemSize: (path && this.#declaredSize([...path, '@items'])) ?? UNKNOWN };
  }

  #computed(expr: Expr): Range {
    return this.#size(expr) ?? UNKNOWN;
  }

  #size(expr: Expr): Range | undefined {
    const known = this.#sizes.get(expr) ?? sizeOfLiteral(expr);
    if (known) return known;
    const path = this.#pathOf(expr);
    const declared = path && this.#declaredSize(path);
    if (declared) {
      this.#sizes.set(expr, declared);
      return declared;
    }
    if (isScalar(this.#typeOf(expr))) return fixed(1);
    return expr.kind === 'ident' ? this.#local(expr.name)?.size : undefined;
  }

  /**
   * Upstream begins at the type of `self` whatever the path begins with, `string` in `type(x) == string` as well as a loop's
   * item: the estimates depend on it.
   */
  #declaredSize([name, ...rest]: Path): Range | undefined {
    if (name === undefined) return undefined;
    let declared = this.#variables.get(ROOT) ?? this.#variables.get(name);
    for (const part of rest) {
      if (part === '@items' || part === '@values') declared = declared?.element;
      else if (part === '@keys') declared = declared?.key;
      else declared = declared?.fields?.get(part)?.type;
    }
    if (!declared || (!this.#variables.has(ROOT) && declared.type.kind === 'dyn')) return undefined;
    return { min: 0, max: declared.maxElements < 0 ? Number.POSITIVE_INFINITY : declared.maxElements };
  }

  #setSize(expr: Expr, size: Range | undefined): void {
    if (size) this.#sizes.set(expr, size);
  }

  #setEntry(expr: Expr, entry: EntrySize | undefined): void {
    if (entry) this.#entries.set(expr, entry);
  }

  #copySizes(to: Expr, from: Expr): void {
    this.#setSize(to, this.#size(from));
    this.#setEntry(to, this.#entrySize(from));
  }

  #entrySize(expr: Expr): EntrySize | undefined {
    return this.#entries.get(expr) ?? (expr.kind === 'ident' ? this.#local(expr.name)?.entry : undefined);
  }

  #typeOf(expr: Expr): CelType {
    return this.#checked.types.get(expr)!;
  }

  #setPath(expr: Expr, path: Path | undefined): void {
    if (path) this.#paths.set(expr, path);
  }

  /** undefined for what is not a part of a variable. */
  #pathOf(expr: Expr): Path | undefined {
    const local = expr.kind === 'ident' ? this.#local(expr.name) : undefined;
    const path = local ? local.path : this.#paths.get(expr);
    return path?.[0] === ACCUMULATOR ? undefined : path;
  }

  #below(expr: Expr, part: string): Path {
    return [...(this.#pathOf(expr) ?? []), part];
  }

  #local(name: string): LocalSize | undefined {
    return this.#locals.get(name)?.at(-1);
  }

  #localOf(init: Expr): LocalSize {
    return { path: this.#pathOf(init), size: this.#size(init), entry: this.#entrySize(init) };
  }

  #with(name: string, local: LocalSize, body: () => void): void {
    const stack = this.#locals.get(name) ?? [];
    this.#locals.set(name, stack);
    stack.push(local);
    body();
    stack.pop();
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

const SCALARS: ReadonlySet<string> = new Set(['bool', 'double', 'duration', 'int', 'timestamp', 'uint']);

const isScalar = ({ kind, name, params }: CelType): boolean =>
  SCALARS.has(kind) || (kind === 'opaque' && name === 'optional_type' && isScalar(params[0]!));

function sizeOfLiteral(expr: Expr): Range | undefined {
  if (expr.kind === 'list') return fixed(expr.items.length);
  if (expr.kind === 'map') return fixed(expr.entries.length);
  if (expr.kind !== 'literal') return undefined;
  if (typeof expr.value === 'string') return fixed(lengthOf(expr.value));
  return fixed(expr.value instanceof Uint8Array ? expr.value.length : 1);
}
