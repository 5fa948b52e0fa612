/** A checked expression, ready to run. */
import { PendingDecision } from './authorizer.ts';
import type { CelType } from './cel-type.ts';
import type { Checked } from './check/checker.ts';
import type { Declarations } from './check/declarations.ts';
import { Estimator } from './cost/estimator.ts';
import type { Frame, Step } from './evaluate/frame.ts';
import { Planner } from './evaluate/planner.ts';
import { COST_LIMIT_EXCEEDED, PER_CALL_LIMIT } from './limits.ts';
import type { Activation, CostEstimate, EvaluateOptions, Outcome, Program } from './program.ts';
import type { ParseError } from './syntax/parser.ts';
import { CelError } from './value.ts';
import { CostExceeded, withWork } from './work.ts';

export class CompiledProgram implements Program {
  readonly source: string;
  readonly variables: ReadonlySet<string>;
  readonly #checked: Checked;
  readonly #declarations: Declarations;
  readonly #run: Step;
  readonly #globals: number;
  readonly #locals: number;
  /** Conversions of constants that cannot be. */
  readonly problems: readonly ParseError[];

  constructor(source: string, checked: Checked, declarations: Declarations) {
    const planner = new Planner(checked, declarations);
    this.source = source;
    this.#checked = checked;
    this.#declarations = declarations;
    this.#run = planner.plan(checked.expr).run;
    this.variables = new Set(planner.globalNames);
    this.#globals = planner.globalCount;
    this.#locals = planner.localCount;
    this.problems = planner.problems;
  }

  get outputType(): CelType {
    return this.#checked.type;
  }

  evaluate(activation: Activation, { costLimit = PER_CALL_LIMIT }: EvaluateOptions = {}): Outcome {
    const frame: Frame = {
      activation,
      globals: new Array(this.#globals),
      locals: new Array(this.#locals),
      cost: 0,
      limit: costLimit,
    };
    try {
      const value = withWork(() => this.#run(frame));
      return value instanceof CelError ? { error: value.message, cost: frame.cost } : { value, cost: frame.cost };
    } catch (error) {
      return stopped(error, frame);
    }
  }

  estimateCost(): CostEstimate {
    return new Estimator(this.#checked, this.#declarations.variables).estimate();
  }
}

function stopped(error: unknown, { cost }: Frame): Outcome {
  if (error instanceof CostExceeded) return { error: COST_LIMIT_EXCEEDED, cost };
  if (error instanceof PendingDecision) return { error: 'a check is not decided yet', cost, pending: error.check };
  throw error;
}
