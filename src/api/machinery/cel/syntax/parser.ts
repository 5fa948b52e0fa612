/**
 * From the source of an expression to its tree, by recursive descent. Source: CEL language definition, "Syntax". Messages and
 * limits are cel-go's, whose parser is generated: what it says of a wrong word follows from how that generator recovers
 * (drop one word when the next one fits, else go on behind the word).
 */

import { isReserved } from '../escaping.ts';
import { MAX_EXPRESSION_CODE_POINTS } from '../limits.ts';
import { type Call, type Expr, type ListExpr, type MapEntry, OPERATORS, type StructField } from './ast.ts';
import { balanced } from './balanced.ts';
import { ExprSizes } from './expr-sizes.ts';
import { literalOf } from './literal-value.ts';
import { type Macro, MacroError } from './macro.ts';
import { ParseStop, TokenStream } from './token-stream.ts';

export interface ParseError {
  /** Index into the source; undefined: of the whole. */
  readonly at: number | undefined;
  readonly message: string;
}

export interface ParseOptions {
  readonly macros: readonly Macro[];
  /** `` a.`b-c` ``; Kubernetes has it not. */
  readonly quotedNames?: boolean;
}

export type Parsed =
  | { readonly expr: Expr; readonly errors?: undefined }
  | { readonly expr?: undefined; readonly errors: readonly ParseError[] };

export function parse(source: string, options: ParseOptions): Parsed {
  const size = source.length > MAX_EXPRESSION_CODE_POINTS ? [...source].length : 0;
  if (size > MAX_EXPRESSION_CODE_POINTS) {
    const message = `expression code point size exceeds limit: size: ${size}, limit ${MAX_EXPRESSION_CODE_POINTS}`;
    return { errors: [{ at: undefined, message }] };
  }
  return new Parser(source, options).parse();
}

/** What an expression can begin with. */
const START: readonly string[] = [
  ...['[', '{', '(', '.', '-', '!', 'true', 'false', 'null'],
  ...['NUM_FLOAT', 'NUM_INT', 'NUM_UINT', 'STRING', 'BYTES', 'IDENTIFIER'],
];

const RELATIONS: ReadonlyMap<string, string> = new Map([
  ['<', OPERATORS.less],
  ['<=', OPERATORS.lessOrEqual],
  ['>', OPERATORS.greater],
  ['>=', OPERATORS.greaterOrEqual],
  ['==', OPERATORS.equals],
  ['!=', OPERATORS.notEquals],
  ['in', OPERATORS.in],
]);
const PRODUCTS: ReadonlyMap<string, string> = new Map([
  ['*', OPERATORS.multiply],
  ['/', OPERATORS.divide],
  ['%', OPERATORS.modulo],
]);
const SUMS: ReadonlyMap<string, string> = new Map([
  ['+', OPERATORS.add],
  ['-', OPERATORS.subtract],
]);

class Parser {
  readonly #words: TokenStream;
  readonly #options: ParseOptions;
  readonly #sizes = new ExprSizes();

  constructor(source: string, options: ParseOptions) {
    this.#words = new TokenStream(source);
    this.#options = options;
  }

  parse(): Parsed {
    const words = this.#words;
    try {
      const expr = this.#expr();
      words.end();
      if (words.errors.length === 0) return { expr };
    } catch (error) {
      if (!(error instanceof ParseStop)) throw error;
    }
    return { errors: words.errors };
  }

  #expr(): Expr {
    const words = this.#words;
    words.enter('expr');
    const condition = this.#or();
    const question = words.take('?');
    if (!question) {
      words.leave('expr');
      return condition;
    }
    words.open(':');
    const yes = this.#or();
    words.close(START);
    const no = this.#expr();
    words.leave('expr');
    return this.#call(question.at, OPERATORS.conditional, [condition, yes, no]);
  }

  #or(): Expr {
    return this.#logical('||', OPERATORS.or, () => this.#and());
  }

  #and(): Expr {
    return this.#logical('&&', OPERATORS.and, () => this.#relation());
  }

  /** A long chain becomes a balanced tree. */
  #logical(word: string, name: string, term: () => Expr): Expr {
    const terms = [term()];
    const places: number[] = [];
    for (let op = this.#words.take(word); op; op = this.#words.take(word)) {
      places.push(op.at);
      terms.push(term());
    }
    return balanced(name, terms, places);
  }

  #relation(): Expr {
    return this.#leftToRight('relation', RELATIONS, () => this.#sum());
  }

  #sum(): Expr {
    return this.#leftToRight('calc', SUMS, () => this.#product());
  }

  #product(): Expr {
    return this.#leftToRight('calc', PRODUCTS, () => this.#unary());
  }

  #leftToRight(rule: string, operators: ReadonlyMap<string, string>, operand: () => Expr): Expr {
    const words = this.#words;
    let left = operand();
    let depth = 0;
    for (let name = operators.get(words.type); name !== undefined; name = operators.get(words.type)) {
      const { at } = words.next();
      words.enter(rule);
      depth += 1;
      left = this.#call(at, name, [left, operand()]);
    }
    words.leave(rule, depth);
    return left;
  }

  #unary(): Expr {
    const words = this.#words;
    if (!words.expectOneOf(START)) return invalidExpr(words.at);
    const isSignOfNumber = words.type === '-' && (words.nextType === 'NUM_INT' || words.nextType === 'NUM_FLOAT');
    if ((words.type !== '-' && words.type !== '!') || isSignOfNumber) return this.#member();
    const word = words.type;
    const { at } = words;
    let count = 0;
    for (; words.type === word; count++) words.next();
    const operand = words.expectOneOf(START) ? this.#member() : invalidExpr(words.at);
    if (count % 2 === 0) return operand;
    return this.#call(at, word === '!' ? OPERATORS.not : OPERATORS.negate, [operand]);
  }

  #member(): Expr {
    const words = this.#words;
    let expr = this.#primary();
    let depth = 0;
    while (words.type === '.' || words.type === '[') {
      words.enter('member');
      depth += 1;
      const next = words.type === '.' ? this.#select(expr) : this.#index(expr);
      if (!next) break;
      expr = next;
    }
    words.leave('member', depth);
    return expr;
  }

  /** undefined where it cannot go on. */
  #select(operand: Expr): Expr | undefined {
    const words = this.#words;
    const dot = words.next();
    const isOptional = words.take('?') !== undefined;
    if (isOptional ? !words.expectOneOf(NAMES) : !NAMES.includes(words.type)) {
      if (!isOptional) words.noAlternative(dot);
      return undefined;
    }
    const word = words.next();
    if (word.type === 'IDENTIFIER' && !isOptional && words.is('(')) return this.#memberCall(operand, word.text);
    const field = this.#nameOf(word);
    if (!isOptional) return { kind: 'select', at: dot.at, operand, field, isTest: false };
    const name: Expr = { kind: 'literal', at: word.at, value: field };
    return { kind: 'call', at: dot.at, name: OPERATORS.optionalSelect, args: [operand, name] };
  }

  #memberCall(target: Expr, name: string): Expr {
    const { at } = this.#words;
    return this.#call(at, name, this.#arguments(), target);
  }

  #index(operand: Expr): Expr {
    const words = this.#words;
    const { at } = words.next();
    words.open(']');
    if (!words.expectInside([...START, '?'])) return invalidExpr(at);
    const isOptional = words.take('?') !== undefined;
    const index = this.#expr();
    words.close();
    return this.#call(at, isOptional ? OPERATORS.optionalIndex : OPERATORS.index, [operand, index]);
  }

  #primary(): Expr {
    const words = this.#words;
    switch (words.type) {
      case '(':
        return this.#nested();
      case '[':
        return this.#list();
      case '{':
        return this.#map();
      case '.':
      case 'IDENTIFIER':
        return this.#named();
      default:
        return this.#literal();
    }
  }

  #nested(): Expr {
    const words = this.#words;
    words.next();
    words.open(')');
    const expr = this.#expr();
    words.close();
    return expr;
  }

  /** `(a, b)` of a call. */
  #arguments(): Expr[] {
    const words = this.#words;
    words.next();
    words.open(')');
    const args: Expr[] = [];
    if (!words.expectInside([...START, ')'])) return args;
    if (words.type !== ')') {
      args.push(this.#expr());
      while (words.take(',')) args.push(this.#expr());
    }
    words.close();
    return args;
  }

  #list(): Expr {
    const words = this.#words;
    const { at } = words.next();
    words.open(']');
    const items: ListExpr['items'][number][] = [];
    this.#entries(START, () => {
      const isOptional = words.take('?') !== undefined;
      items.push({ value: this.#expr(), isOptional });
    });
    return { kind: 'list', at, items };
  }

  #map(): Expr {
    const words = this.#words;
    const { at } = words.next();
    words.open('}');
    const entries: MapEntry[] = [];
    this.#entries(START, () => {
      const isOptional = words.take('?') !== undefined;
      words.open(':');
      const key = this.#expr();
      const colon = words.at;
      words.close(START);
      entries.push({ at: colon, key, value: this.#expr(), isOptional });
    });
    return { kind: 'map', at, entries };
  }

  #struct(name: string): Expr {
    const words = this.#words;
    const { at } = words.next();
    words.open('}');
    const fields: StructField[] = [];
    this.#entries(NAMES, () => {
      const isOptional = words.take('?') !== undefined;
      if (!words.expectOneOf(NAMES)) return;
      const word = words.next();
      words.open(':');
      const colon = words.at;
      words.close(START);
      fields.push({ at: colon, name: this.#nameOf(word), value: this.#expr(), isOptional });
    });
    return { kind: 'struct', at, name, fields };
  }

  /** Entries with commas between, one more allowed at the end, and the closing bracket. */
  #entries(start: readonly string[], entry: () => void): void {
    const words = this.#words;
    const closing = words.closing;
    if (!words.expectInside([...start, '?', ',', closing])) return;
    if (words.type !== ',' && words.type !== closing) {
      entry();
      while (words.type === ',' && (words.nextType === '?' || start.includes(words.nextType))) {
        words.next();
        entry();
      }
    }
    if (words.type !== closing && !words.expectInside([',', closing])) return;
    words.take(',');
    words.close();
  }

  /** A name, a call of a function, or an object. */
  #named(): Expr {
    const words = this.#words;
    const start = words.at;
    const dot = words.take('.');
    const lead = dot ? '.' : '';
    if (words.type !== 'IDENTIFIER') {
      words.noAlternative(dot!);
      return invalidExpr(start);
    }
    const word = words.next();
    const message = this.#messageName(word.text);
    if (message !== undefined) return this.#struct(`${lead}${message}`);
    if (isReserved(word.text)) words.report(start, `reserved identifier: ${word.text}`);
    if (!words.is('(')) return { kind: 'ident', at: word.at, name: `${lead}${word.text}` };
    const { at } = words;
    return this.#call(at, `${lead}${word.text}`, this.#arguments());
  }

  /** `a.b.c` when a `{` follows: then it names a type. */
  #messageName(first: string): string | undefined {
    const words = this.#words;
    let name = first;
    let ahead = 0;
    for (; words.typeAt(ahead) === '.' && words.typeAt(ahead + 1) === 'IDENTIFIER'; ahead += 2)
      name += `.${words.textAt(ahead + 1)}`;
    if (words.typeAt(ahead) !== '{') return undefined;
    for (; ahead > 0; ahead--) words.next();
    return name;
  }

  #nameOf({ type, text, at }: { type: string; text: string; at: number }): string {
    if (type === 'IDENTIFIER') return text;
    if (!this.#options.quotedNames) this.#words.report(at, "unsupported syntax: '`'");
    return text.slice(1, -1);
  }

  #literal(): Expr {
    const words = this.#words;
    const { at } = words;
    const sign = words.take('-');
    if (!(sign ? NUMBERS : LITERALS).includes(words.type)) {
      words.noAlternative(sign ?? { type: words.type, text: '', at });
      return invalidExpr(at);
    }
    const { type, text } = words.next();
    const { value, error } = literalOf(type, `${sign?.text ?? ''}${text}`);
    if (error !== undefined) words.report(at, error);
    return { kind: 'literal', at, value: value ?? null };
  }

  /** A macro may use its argument twice, and stand in an argument of another. */
  #sized(expr: Expr): Expr {
    if (this.#sizes.of(expr) <= MAX_PARTS) return expr;
    this.#words.report(expr.at, `expression has more than ${MAX_PARTS} parts when its macros are expanded`);
    throw new ParseStop();
  }

  /** The call, or what a macro of that name makes of it. */
  #call(at: number, name: string, args: readonly Expr[], target?: Expr): Expr {
    const isMember = target !== undefined;
    for (const macro of this.#options.macros) {
      if (macro.name !== name || macro.args !== args.length || macro.isMember !== isMember) continue;
      const expanded = macro.expand({ at, target, args });
      if (!expanded) break;
      if (!(expanded instanceof MacroError)) return this.#sized(expanded);
      this.#words.report(expanded.at, expanded.message);
      return invalidExpr(at);
    }
    const made: Call = target ? { kind: 'call', at, name, target, args } : { kind: 'call', at, name, args };
    return made;
  }
}

/** As many as an expression of the greatest length can have without macros, and some more. */
const MAX_PARTS = 200_000;

const NAMES: readonly string[] = ['IDENTIFIER', 'ESC_IDENTIFIER'];

const NUMBERS: readonly string[] = ['NUM_INT', 'NUM_FLOAT'];
const LITERALS: readonly string[] = [...NUMBERS, 'NUM_UINT', 'STRING', 'BYTES', 'true', 'false', 'null'];

/** Stands where there is none; it is never looked at, because there is an error. */
const invalidExpr = (at: number): Expr => ({ kind: 'literal', at, value: null });
