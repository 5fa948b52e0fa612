/** Functions and macros that an environment has: one library is one value of this, in one file. */

import type { CelType } from './cel-type.ts';
import type { CallEstimate, CallToEstimate } from './cost/estimate-call.ts';
import type { Macro } from './syntax/macro.ts';
import type { Result } from './value.ts';

export interface Library {
  readonly name: string;
  readonly functions: readonly FunctionDeclaration[];
  readonly macros?: readonly Macro[];
  /** Types that expressions may name, as in `type(x) == net.IP`. */
  readonly types?: readonly CelType[];
}

export interface FunctionDeclaration {
  readonly name: string;
  readonly overloads: readonly Overload[];
  /** For all overloads at once: it looks at the kinds of its arguments itself. */
  readonly evaluate?: Evaluate;
  /** What a call costs; without it, and where it gives undefined, as `cost/call-cost.ts` says. */
  readonly cost?: RunTimeCost;
  /** What a call may cost at most; without it, and where it gives undefined, as `cost/estimate-call.ts` says. */
  readonly estimate?: (call: CallToEstimate) => CallEstimate | undefined;
}

export interface Overload {
  /** Upstream's name for it: costs depend on it. */
  readonly id: string;
  /** Called on its first parameter: `x.f(y)`. */
  readonly isMember?: boolean;
  readonly params: readonly CelType[];
  readonly result: CelType;
  /**
   * Called with values of the kinds that the parameters have; nothing is promised of what is in lists and maps. Not
   * needed where the declaration has one.
   */
  readonly evaluate?: Evaluate;
}

/** The parameters are of the kinds that `params` says, which is seen to before the call and the compiler cannot know. */
export type Evaluate = (...args: never[]) => Result;

/** In cost units, from the first two arguments and the result. */
export type RunTimeCost = (call: FinishedCall) => number | undefined;

export interface FinishedCall {
  readonly overload: string | undefined;
  /** An error where the call could not be made. */
  readonly args: readonly Result[];
  readonly result: Result;
}

/** Shorthands for the lists of overloads. */
export const overload = (id: string, params: readonly CelType[], result: CelType, evaluate?: Evaluate): Overload => ({
  id,
  params,
  result,
  evaluate,
});

export const member = (id: string, params: readonly CelType[], result: CelType, evaluate?: Evaluate): Overload => ({
  ...overload(id, params, result, evaluate),
  isMember: true,
});

/** The cost counts only where the checker found one overload; else a call is one unit. */
export function knownOnly(declaration: FunctionDeclaration): FunctionDeclaration {
  const { cost } = declaration;
  if (!cost) return declaration;
  return { ...declaration, cost: (call) => (call.overload === undefined ? undefined : cost(call)) };
}

/** By name. A library may add overloads to a function of another; the functions must then not have an `evaluate`. */
export function functionsOf(libraries: readonly Library[]): ReadonlyMap<string, FunctionDeclaration> {
  const functions = new Map<string, FunctionDeclaration>();
  for (const declaration of libraries.flatMap((library) => library.functions)) {
    const before = functions.get(declaration.name);
    functions.set(declaration.name, before ? merged(before, declaration) : declaration);
  }
  return functions;
}

const merged = (a: FunctionDeclaration, b: FunctionDeclaration): FunctionDeclaration => ({
  ...a,
  ...b,
  overloads: [...a.overloads, ...b.overloads],
  cost: a.cost && b.cost ? (call) => a.cost!(call) ?? b.cost!(call) : (a.cost ?? b.cost),
  estimate: a.estimate && b.estimate ? (call) => a.estimate!(call) ?? b.estimate!(call) : (a.estimate ?? b.estimate),
});
