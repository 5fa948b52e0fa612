/**
 * Evaluates expressions of one webhook or policy, which share what they may cost. Texts as upstream's
 * plugin/cel/activation.go.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { CompiledExpression } from '#api/admissionregistration/v1/policy-expressions.ts';
import type { Decisions } from '#api/machinery/cel/authorizer.ts';
import { lazyVariables } from '#api/machinery/cel/lazy-variables.ts';
import type { Activation, Outcome } from '#api/machinery/cel/program.ts';
import type { Value } from '#api/machinery/cel/value.ts';

/** Nothing that shares the budget can be evaluated any more. */
export class OutOfBudget extends Error {
  readonly code = 'OutOfBudget';
  constructor() {
    super('validation failed due to running out of cost budget, no further validation rules will be run');
  }
}

/** So much evaluated at a stretch is some milliseconds; then others have their turn. */
const COST_OF_A_TURN = 20_000;

export interface EvaluationOptions {
  variables: Activation;
  /** Of a policy, by name: evaluated when an expression asks for one. */
  composed?: ReadonlyMap<string, CompiledExpression>;
  decisions: Decisions;
  budget: number;
}

export type Evaluated = { value: Value; error?: undefined } | { value?: undefined; error: string };

export class Evaluation {
  readonly #activation: Activation;
  readonly #decisions: Decisions;
  #budget: number;
  #turnEndsAt: number;

  constructor({ variables, composed, decisions, budget }: EvaluationOptions) {
    this.#decisions = decisions;
    this.#budget = budget;
    this.#turnEndsAt = budget - COST_OF_A_TURN;
    this.#activation = composed ? this.#withComposed(variables, composed) : variables;
  }

  get budgetLeft(): number {
    return this.#budget;
  }

  /** A promise only where the authorizer had to be asked, and after what took long. Throws OutOfBudget. */
  evaluate(compiled: CompiledExpression): Evaluated | Promise<Evaluated> {
    const { program, problem } = compiled;
    if (!program) return { error: `compilation error: ${problem}` };
    const outcome = this.#decisions.settle(() => program.evaluate(this.#activation));
    return outcome instanceof Promise
      ? outcome.then((settled) => this.#evaluated(settled, program.source))
      : this.#evaluated(outcome, program.source);
  }

  #evaluated({ value, error, cost }: Outcome, source: string): Evaluated | Promise<Evaluated> {
    this.#budget -= cost;
    if (this.#budget < 0) throw new OutOfBudget();
    const evaluated = value === undefined ? { error: `expression '${source}' resulted in error: ${error}` } : { value };
    if (this.#budget >= this.#turnEndsAt) return evaluated;
    this.#turnEndsAt = this.#budget - COST_OF_A_TURN;
    return nextTurn(evaluated);
  }

  #withComposed(variables: Activation, composed: ReadonlyMap<string, CompiledExpression>): Activation {
    const activation: Activation = {
      ...variables,
      variables: lazyVariables([...composed.keys()], (name) => {
        const { program, problem } = composed.get(name)!;
        if (!program) return { problem };
        const outcome = program.evaluate(activation);
        if (!outcome.pending) this.#budget -= outcome.cost;
        return outcome;
      }),
    };
    return activation;
  }
}
