/** The words of an expression in order, with what is said when another one was expected. */

import { EOF, escapeText, formatExpected, type Token, tokenize } from './lexer.ts';
import type { ParseError } from './parser.ts';

/** Of expressions within one another, and of each kind of operator in a row. */
const MAX_DEPTH = 250;
/** So often the parser goes on behind a wrong word. */
const MAX_RECOVERIES = 30;
const MAX_ERRORS = 100;

/** Thrown when there is no sense in going on; the errors say why. */
export class ParseStop {}

const BINARY: ReadonlySet<string> = new Set([
  '==',
  '!=',
  'in',
  '<',
  '<=',
  '>=',
  '>',
  '&&',
  '||',
  '[',
  '.',
  '-',
  '?',
  '+',
  '*',
  '/',
  '%',
]);

export class TokenStream {
  readonly errors: ParseError[];
  readonly #tokens: readonly Token[];
  #position = 0;
  /** What closes the brackets that are open, the innermost last. */
  readonly #closing: string[] = [];
  readonly #depths = new Map<string, number>();
  #recoveries = 0;
  #failedAt = -1;

  constructor(source: string) {
    const { tokens, errors } = tokenize(source);
    this.#tokens = tokens;
    this.errors = errors.slice(0, MAX_ERRORS);
  }

  typeAt(ahead: number): string {
    return this.#tokens[this.#position + ahead]?.type ?? EOF;
  }
  textAt(ahead: number): string {
    return this.#tokens[this.#position + ahead]?.text ?? EOF;
  }
  get type(): string {
    return this.typeAt(0);
  }
  get nextType(): string {
    return this.typeAt(1);
  }
  /** Of the current word. */
  get at(): number {
    return this.#tokens[this.#position]!.at;
  }
  get closing(): string {
    return this.#closing.at(-1) ?? EOF;
  }

  is(type: string): boolean {
    return this.type === type;
  }

  next(): Token {
    const token = this.#tokens[this.#position]!;
    if (token.type !== EOF) this.#position += 1;
    return token;
  }

  take(type: string): Token | undefined {
    return this.type === type ? this.next() : undefined;
  }

  report(at: number, message: string): void {
    this.errors.push({ at, message });
    if (this.errors.length > MAX_ERRORS) throw new ParseStop();
  }

  enter(rule: string): void {
    const depth = (this.#depths.get(rule) ?? 0) + 1;
    this.#depths.set(rule, depth);
    if (depth <= MAX_DEPTH) return;
    this.errors.push({ at: undefined, message: `expression recursion limit exceeded: ${MAX_DEPTH}` });
    throw new ParseStop();
  }

  leave(rule: string, count = 1): void {
    this.#depths.set(rule, (this.#depths.get(rule) ?? 0) - count);
  }

  open(closing: string): void {
    this.#closing.push(closing);
  }

  /** The innermost bracket ends here; `after` is what may follow where it is not an operator or an outer bracket. */
  close(after?: readonly string[]): void {
    const closing = this.#closing.pop()!;
    this.match(closing, after);
  }

  end(): void {
    this.match(EOF, []);
  }

  /** Takes the word, or says that it is missing. */
  match(type: string, after?: readonly string[]): void {
    if (this.type === type) {
      this.next();
    } else if (this.nextType === type && this.type !== EOF) {
      this.#syntaxError(`extraneous input '${this.#shown}' expecting ${formatExpected([type])}`);
      this.next();
      this.next();
    } else if (type !== EOF && this.#mayFollow(after)) {
      this.#syntaxError(`missing ${formatExpected([type])} at '${this.#shown}'`);
    } else {
      this.#syntaxError(`mismatched input '${this.#shown}' expecting ${formatExpected([type])}`);
      throw new ParseStop();
    }
  }

  #mayFollow(after: readonly string[] | undefined): boolean {
    return after ? after.includes(this.type) : BINARY.has(this.type) || this.type === this.closing || this.#isListed;
  }

  get #isListed(): boolean {
    return this.type === ',' && this.#closing.length > 0 && this.closing !== ':';
  }

  /** False when the current word is none of these, nor the next one, which is then taken instead. */
  expectOneOf(types: readonly string[]): boolean {
    if (types.includes(this.type)) return true;
    if (this.type !== EOF && types.includes(this.nextType)) {
      this.#syntaxError(`extraneous input '${this.#shown}' expecting ${formatExpected(types)}`);
      this.next();
      return true;
    }
    this.#syntaxError(`mismatched input '${this.#shown}' expecting ${formatExpected(types)}`);
    this.#recover();
    return false;
  }

  noAlternative(from: Token): void {
    const { type, text, at } = this.#tokens[this.#position]!;
    const isWord = type === 'true' || type === 'false' || type === 'null';
    const shown = `${from.text}${type === EOF ? '' : text}`;
    this.report(
      at,
      isWord
        ? `Syntax error: mismatched input '${text}' expecting IDENTIFIER`
        : `Syntax error: no viable alternative at input '${escapeText(shown)}'`,
    );
    this.#recover();
  }

  /** Leaves the brackets that were opened last. */
  abandon<T>(value: T): T {
    this.#closing.pop();
    return value;
  }

  get #shown(): string {
    return escapeText(this.textAt(0));
  }

  #syntaxError(message: string): void {
    this.report(this.at, `Syntax error: ${message}`);
  }

  /** Goes to a word that can follow an expression here; at least one on when the same word was wrong before. */
  #recover(): void {
    this.#recoveries += 1;
    if (this.#recoveries > MAX_RECOVERIES) {
      this.#syntaxError(`error recovery attempt limit exceeded: ${MAX_RECOVERIES}`);
      throw new ParseStop();
    }
    if (this.#failedAt === this.#position) this.next();
    this.#failedAt = this.#position;
    while (this.type !== EOF && !BINARY.has(this.type) && this.type !== this.closing && !this.#isListed) this.next();
  }
}
