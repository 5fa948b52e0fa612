/** How often policies were asked, and how long it took: counted here, shown by `/metrics` when somebody looks. Labels as upstream. */
import { Distribution } from '#base/distribution.ts';

export type ErrorType = 'no_error' | 'compile_error' | 'out_of_budget' | 'invalid_error';

export interface Check {
  policy: string;
  binding: string;
  errorType: ErrorType;
  /** What came of it; of a mutating policy nothing is said. */
  action?: 'allow' | 'audit' | 'deny' | 'warn';
}

/** In seconds. Upstream's. */
const BOUNDS = [0.0000005, 0.001, 0.01, 0.1, 1];

export interface CheckSeries extends Check {
  seconds: Distribution;
}

/** Series are made of names of policies and bindings that exist: so many there may be. */
const MAX_SERIES = 5000;

export class PolicyChecks {
  readonly #series = new Map<string, CheckSeries>();

  observe(check: Check, seconds: number): void {
    this.#seriesOf(check)?.seconds.observe(seconds);
  }

  [Symbol.iterator](): Iterator<CheckSeries> {
    return this.#series.values();
  }

  #seriesOf(check: Check): CheckSeries | undefined {
    const { policy, binding, errorType, action = '' } = check;
    const key = `${policy} ${binding} ${errorType} ${action}`;
    const known = this.#series.get(key);
    if (known || this.#series.size >= MAX_SERIES) return known;
    const made = { ...check, seconds: new Distribution(BOUNDS) };
    this.#series.set(key, made);
    return made;
  }
}

export function errorTypeOf({ isError, message }: { isError: boolean; message: string }): ErrorType {
  if (message.startsWith('compilation')) return 'compile_error';
  if (message.startsWith('validation failed due to running out of cost budget')) return 'out_of_budget';
  return isError || message ? 'invalid_error' : 'no_error';
}
