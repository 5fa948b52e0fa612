/** The `variables` of policies: each is evaluated when an expression first asks for it, and then kept. */
import { PendingDecision } from './authorizer.ts';
import type { Outcome } from './program.ts';
import { CelError, MapLike, type Result, type Value } from './value.ts';

/** Of a variable that has no program. */
export interface Uncompiled {
  problem: string;
}

type Evaluate = (name: string) => Outcome | Uncompiled;

/**
 * The value of the variable `variables`. `evaluate` runs the named variable's program (with this same value in its
 * activation, so that one variable may use another) and is called at most once for each name; its cost is the caller's to
 * count. A failure reads `composited variable "NAME" fails to evaluate: …` or `fails to compile: …`.
 *
 * Declare it as `objectType('kubernetes.variables', { name: field(declaredTypeOf(program.outputType)), … })`.
 */
export const lazyVariables = (names: readonly string[], evaluate: Evaluate): MapLike =>
  new LazyVariables(names, evaluate);

class LazyVariables extends MapLike {
  readonly #names: readonly string[];
  readonly #evaluate: Evaluate;
  readonly #known = new Map<string, Result>();

  constructor(names: readonly string[], evaluate: Evaluate) {
    super();
    this.#names = names;
    this.#evaluate = evaluate;
  }
  get size(): number {
    return this.#names.length;
  }
  find(key: Value): Result | undefined {
    if (typeof key !== 'string' || !this.#names.includes(key)) return undefined;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const value = this.#valueOf(key);
    this.#known.set(key, value);
    return value;
  }
  #valueOf(key: string): Result {
    const outcome = this.#evaluate(key);
    const failure = (why: string) => new CelError(`composited variable ${JSON.stringify(key)} fails to ${why}`);
    if ('problem' in outcome) return failure(`compile: ${outcome.problem}`);
    if (outcome.pending) throw new PendingDecision(outcome.pending);
    return outcome.error === undefined ? outcome.value : failure(`evaluate: ${outcome.error}`);
  }
  keys(): readonly Value[] {
    return this.#names;
  }
}
