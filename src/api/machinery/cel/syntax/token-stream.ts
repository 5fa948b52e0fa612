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

/** What can follow an expression of any kind. */
const OPERATORS: ReadonlySet<string> = new Set([
  ...['==', '!=', 'in', '<', '<=', '>=', '>', '&&', '||', '-', '?', '+', '*', '/', '%'],
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
  #isRecovering = false;
  readonly #source: string;

  constructor(source: string) {
    const { tokens, errors } = tokenize(source);
    this.#source = source;
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

  /** The current word, which is one that was expected. */
  next(): Token {
    this.#isRecovering = false;
    return this.#skip();
  }

  #skip(): Token {
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
      this.#skip();
      this.next();
    } else if (type !== EOF && this.#mayFollow(after)) {
      this.#syntaxError(`missing ${formatExpected([type])} at '${this.#shown}'`);
    } else {
      this.#syntaxError(`mismatched input '${this.#shown}' expecting ${formatExpected([type])}`);
      if (type !== EOF) this.#recover();
    }
  }

  #mayFollow(after: readonly string[] | undefined): boolean {
    if (after) return after.includes(this.type);
    const isPart = this.type === '.' || this.type === '[';
    return isPart || OPERATORS.has(this.type) || this.type === this.closing || this.#isListed;
  }

  get #isListed(): boolean {
    return this.type === ',' && this.#closing.length > 0 && this.closing !== ':';
  }

  /** False when the current word is none of these, nor the next one, which is then taken instead. */
  expectOneOf(types: readonly string[]): boolean {
    if (this.#isOneOf(types)) return true;
    this.#recover();
    return false;
  }

  /** The same for what stands in the bracket that was opened last, which is left where there is no sense in it. */
  expectInside(types: readonly string[]): boolean {
    if (this.#isOneOf(types)) return true;
    this.#closing.pop();
    this.#recover();
    return false;
  }

  #isOneOf(types: readonly string[]): boolean {
    if (types.includes(this.type)) return true;
    const isNextOne = this.type !== EOF && types.includes(this.nextType);
    const what = isNextOne ? 'extraneous' : 'mismatched';
    this.#syntaxError(`${what} input '${this.#shown}' expecting ${formatExpected(types)}`);
    if (isNextOne) {
      this.#skip();
      this.#isRecovering = false;
    }
    return isNextOne;
  }

  /** Of what began with `from` nothing can be made. */
  noAlternative(from: Token): void {
    const { type, text, at } = this.#tokens[this.#position]!;
    const isWord = type === 'true' || type === 'false' || type === 'null';
    const shown = type === EOF ? this.#source.slice(from.at).trimEnd() : this.#source.slice(from.at, at + text.length);
    this.#syntaxError(
      isWord
        ? `mismatched input '${text}' expecting IDENTIFIER`
        : `no viable alternative at input '${escapeText(shown)}'`,
    );
    this.#recover();
  }

  get #shown(): string {
    return escapeText(this.textAt(0));
  }

  /** What follows from an error that was told is not told. */
  #syntaxError(message: string): void {
    if (!this.#isRecovering) this.report(this.at, `Syntax error: ${message}`);
    this.#isRecovering = true;
  }

  /** Goes to a word that can follow an expression here; at least one on when the same word was wrong before. */
  #recover(): void {
    this.#recoveries += 1;
    if (this.#recoveries > MAX_RECOVERIES) {
      this.report(this.at, `Syntax error: error recovery attempt limit exceeded: ${MAX_RECOVERIES}`);
      throw new ParseStop();
    }
    if (this.#failedAt === this.#position) this.#skip();
    this.#failedAt = this.#position;
    while (this.type !== EOF && !OPERATORS.has(this.type) && this.type !== this.closing && !this.#isListed)
      this.#skip();
  }
}
