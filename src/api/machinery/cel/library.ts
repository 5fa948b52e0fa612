/** Functions and macros that an environment has beside the operators: one library is one value of this, in one file. */
import type { CelType } from './cel-type.ts';
import type { Result, Value } from './value.ts';

export interface Library {
  readonly name: string;
  readonly functions: readonly FunctionDeclaration[];
  /** Types that expressions may name, as in `type(x) == kubernetes.Quantity`. */
  readonly types?: readonly CelType[];
}

export interface FunctionDeclaration {
  readonly name: string;
  readonly overloads: readonly Overload[];
}

export interface Overload {
  /** Upstream's name for it: costs depend on it. */
  readonly id: string;
  /** Called on its first parameter: `x.f(y)`. */
  readonly isMember?: boolean;
  readonly params: readonly CelType[];
  readonly result: CelType;
  /** Called with values of the kinds that the parameters have; nothing is promised of what is in lists and maps. */
  readonly evaluate: (...args: never[]) => Result;
}

export type Evaluate = (...args: Value[]) => Result;
