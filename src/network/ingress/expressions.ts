/** Regular expressions that routes have. They are RE2's: their time grows with the text and their own size, and both are the asker's and the author's choice. */
import { RE2JS, RE2JSException } from 're2js';

type Matcher = ReturnType<RE2JS['matcher']>;

const MOST_KEPT = 10_000;
/**
 * Each character may be looked at in each step of an expression, and `(.?){1000}` has thousands: so many are some tenths of a
 * second. What would take more does not match.
 */
const MOST_STEPS = 4_000_000;

export class Expressions {
  readonly #flags: number;
  /** undefined for what is no regular expression: it matches nothing. */
  readonly #compiled = new Map<string, RE2JS | undefined>();

  constructor(flags = 0) {
    this.#flags = flags;
  }

  /** undefined: it does not match. */
  matcher(expression: string, text: string): Matcher | undefined {
    const compiled = this.#of(expression);
    return compiled && text.length * compiled.programSize() <= MOST_STEPS ? compiled.matcher(text) : undefined;
  }

  #of(expression: string): RE2JS | undefined {
    if (!this.#compiled.has(expression)) {
      if (this.#compiled.size >= MOST_KEPT) this.#compiled.clear();
      this.#compiled.set(expression, this.#compile(expression));
    }
    return this.#compiled.get(expression);
  }

  #compile(expression: string): RE2JS | undefined {
    try {
      return RE2JS.compile(expression, this.#flags);
    } catch (error) {
      if (error instanceof RE2JSException) return undefined;
      throw error;
    }
  }
}

/** Of headers, query parameters and paths of Gateways. */
export const expressions = new Expressions();
