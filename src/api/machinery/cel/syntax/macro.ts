/** Macros: calls that the parser replaces by other expressions. */
import type { Value } from '../value.ts';
import { ACCUMULATOR, type Call, type Comprehension, type Expr, type Ident, type Literal, OPERATORS } from './ast.ts';

export interface Macro {
  readonly name: string;
  readonly args: number;
  /** Called on something: `list.all(x, …)`. */
  readonly isMember: boolean;
  /** undefined: it is no use of the macro, but a call. */
  expand(use: MacroUse): Expr | MacroError | undefined;
}

export interface MacroUse {
  /** Where the call stands, as do the expressions that the macro makes. */
  readonly at: number;
  /** Only of a member macro. */
  readonly target: Expr | undefined;
  readonly args: readonly Expr[];
}

/** A use that cannot be right. */
export class MacroError {
  readonly at: number;
  readonly message: string;
  constructor(at: number, message: string) {
    this.at = at;
    this.message = message;
  }
}

export const literal = (at: number, value: Value): Literal => ({ kind: 'literal', at, value });
export const ident = (at: number, name: string): Ident => ({ kind: 'ident', at, name });
export const call = (at: number, name: string, ...args: Expr[]): Call => ({ kind: 'call', at, name, args });
export const memberCall = (at: number, name: string, target: Expr): Call => ({
  kind: 'call',
  at,
  name,
  target,
  args: [],
});
export const listExpr = (at: number, ...items: Expr[]): Expr => ({
  kind: 'list',
  at,
  items: items.map((value) => ({ value, isOptional: false })),
});

/** The words of the old name of the accumulator are refused too. */
const ACCUMULATORS: ReadonlySet<string> = new Set([ACCUMULATOR, '__result__']);

export interface LoopVariables {
  variable: string;
  variable2?: string;
}

export function oneVariable(arg: Expr, whenNone: string): LoopVariables | MacroError {
  if (arg.kind !== 'ident' || arg.name.startsWith('.')) return new MacroError(arg.at, whenNone);
  if (ACCUMULATORS.has(arg.name)) return new MacroError(arg.at, 'iteration variable overwrites accumulator variable');
  return { variable: arg.name };
}

/** A loop whose result is its accumulator. */
export function loop(
  { at, target }: MacroUse,
  variables: LoopVariables,
  parts: Partial<Comprehension> & Pick<Comprehension, 'init' | 'step'>,
): Comprehension {
  return {
    kind: 'comprehension',
    at,
    range: target!,
    ...variables,
    accumulator: ACCUMULATOR,
    condition: literal(at, true),
    result: ident(at, ACCUMULATOR),
    ...parts,
  };
}

export const all = (use: MacroUse, variables: LoopVariables, predicate: Expr): Expr => {
  const { at } = use;
  return loop(use, variables, {
    init: literal(at, true),
    condition: call(at, OPERATORS.notStrictlyFalse, ident(at, ACCUMULATOR)),
    step: call(at, OPERATORS.and, ident(at, ACCUMULATOR), predicate),
  });
};

export const exists = (use: MacroUse, variables: LoopVariables, predicate: Expr): Expr => {
  const { at } = use;
  return loop(use, variables, {
    init: literal(at, false),
    condition: call(at, OPERATORS.notStrictlyFalse, call(at, OPERATORS.not, ident(at, ACCUMULATOR))),
    step: call(at, OPERATORS.or, ident(at, ACCUMULATOR), predicate),
  });
};

export const existsOne = (use: MacroUse, variables: LoopVariables, predicate: Expr): Expr => {
  const { at } = use;
  const more = call(at, OPERATORS.add, ident(at, ACCUMULATOR), literal(at, 1));
  return loop(use, variables, {
    init: literal(at, 0),
    step: call(at, OPERATORS.conditional, predicate, more, ident(at, ACCUMULATOR)),
    result: call(at, OPERATORS.equals, ident(at, ACCUMULATOR), literal(at, 1)),
  });
};

/** `step` where `filter` holds, else what there was. */
export const where = (at: number, filter: Expr | undefined, step: Expr): Expr =>
  filter ? call(at, OPERATORS.conditional, filter, step, ident(at, ACCUMULATOR)) : step;

/** A list of what `transform` gives. */
export const collect = (use: MacroUse, variables: LoopVariables, { filter, transform }: Collect): Expr => {
  const { at } = use;
  const step = call(at, OPERATORS.add, ident(at, ACCUMULATOR), listExpr(at, transform));
  return loop(use, variables, { init: listExpr(at), step: where(at, filter, step) });
};

export interface Collect {
  filter?: Expr;
  transform: Expr;
}
