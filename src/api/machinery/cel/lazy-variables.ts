/** The `variables` of policies: each is evaluated when an expression first asks for it, and then kept. */
import { PendingDecision } from './authorizer.ts';
import type { Outcome } from './program.ts';
import { CelError, MapLike, type Result, type Value } from './value.ts';

/**
 * The value of the variable `variables`. `evaluate` runs the named variable's program (with this same value in its
 * activation, so that one variable may use another) and is called at most once for each name; its cost is the caller's to
 * count. A failure reads `composited variable "NAME" fails to evaluate: …`.
 *
 * Declare it as `objectType('kubernetes.variables', { name: field(declaredTypeOf(program.outputType)), … })`.
 */
export const lazyVariables = (names: readonly string[], evaluate: (name: string) => Outcome): MapLike =>
  new LazyVariables(names, evaluate);

class LazyVariables extends MapLike {
  readonly #names: readonly string[];
  readonly #evaluate: (name: string) => Outcome;
  readonly #known = new Map<string, Result>();

  constructor(names: readonly string[], evaluate: (name: string) => Outcome) {
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
    const outcome = this.#evaluate(key);
    if (outcome.pending) throw new PendingDecision(outcome.pending);
    const value =
      outcome.error === undefined
        ? outcome.value
        : new CelError(`composited variable ${JSON.stringify(key)} fails to evaluate: ${outcome.error}`);
    this.#known.set(key, value);
    return value;
  }
  keys(): readonly Value[] {
    return this.#names;
  }
}
