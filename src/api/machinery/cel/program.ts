/** A compiled expression: what it can be asked. Made by `Environment.compile`. */
import type { AuthorizationCheck } from './authorizer.ts';
import type { CelType } from './cel-type.ts';
import type { Value } from './value.ts';

/**
 * Values of the variables by name: plain JSON, which their declared types adapt, or values of CEL (`authorizerVariables`,
 * `lazyVariables`). A variable that is not there, or undefined, gives `no such attribute(s): NAME` when it is used; one
 * declared as optional is none. Nothing of it is copied or changed.
 */
export type Activation = Readonly<Record<string, unknown>>;

export interface EvaluateOptions {
  /** In units of `limits.ts`; PER_CALL_LIMIT unless told. */
  costLimit?: number;
}

/**
 * Either a value or an error. `error` has cel-go's text (`no such key: x`, `division by zero`, `index out of bounds: 5`,
 * `no such overload`, COST_LIMIT_EXCEEDED); callers put their own words before it. `cost` is what was spent until then;
 * lazy variables report theirs themselves.
 */
export type Outcome =
  | { readonly value: Value; readonly error?: undefined; readonly cost: number; readonly pending?: undefined }
  | {
      readonly value?: undefined;
      readonly error: string;
      readonly cost: number;
      /** A check of the authorizer that must be decided first; see `Decisions`. */
      readonly pending?: AuthorizationCheck;
    };

/** In cost units; `max` is Infinity when there is no bound. */
export interface CostEstimate {
  readonly min: number;
  readonly max: number;
}

export interface Program {
  readonly source: string;
  /** What the checker found, e.g. to ask `isSameType(program.outputType, BOOL)`. */
  readonly outputType: CelType;
  /** The environment's variables that the expression names: with `oldSelf` a rule is a transition rule. */
  readonly variables: ReadonlySet<string>;
  /** Never throws. Synchronous; docs/decisions tells how long the worst case takes. */
  evaluate(activation: Activation, options?: EvaluateOptions): Outcome;
  /** The best and the worst case by the sizes that the variables' declared types have: upstream's numbers. */
  estimateCost(): CostEstimate;
}
