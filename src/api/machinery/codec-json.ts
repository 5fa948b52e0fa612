/**
 * JSON from untrusted clients. The fast path is the engine's own parser; where fields are to be validated, or where it fails
 * and Go's message is wanted, a reader of our own walks the text with the type beside it and finds what the engine cannot:
 * keys that stand twice. Source: sigs.k8s.io/json v1.36 (strict decoding), Go's encoding/json (messages).
 */
import type { Facts, TypeFacts, TypeRef } from './facts.ts';
import { unknownFieldText } from './normalise.ts';
import { setOwn } from './set-own.ts';

export type ParsedJson = { value: unknown } | { problem: string };
/** `strictErrors`: `unknown field "spec.foo"`, `duplicate field "spec.bar"`, in the order of the text, each once, at most 100. */
export type StrictlyParsedJson = { value: unknown; strictErrors: readonly string[] } | { problem: string };

/** What is known of the shape: a type; or nothing, and then every key is known (custom kinds check theirs by schema). */
export interface Shape {
  facts: Facts;
  type: TypeFacts;
}

const MAX_DEPTH = 1000;
const MAX_STRICT_ERRORS = 100;

export function parseJson(text: string): ParsedJson {
  try {
    return { value: JSON.parse(text) };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    const strict = parseJsonStrictly(text);
    return 'problem' in strict ? strict : { problem: error.message };
  }
}

/**
 * Read by the engine when no key stands twice; undefined when one does, or the text is no JSON: then `parseJsonStrictly` says
 * what. Whoever needs the unknown fields in the order of the text asks that one as well.
 */
export function parseWithoutDuplicates(text: string): { value: unknown } | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return keysOf(value, 0) === keysIn(text) ? { value } : undefined;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return undefined;
  }
}

/** How many keys all objects of a value have; NaN beyond the depth that is read. */
function keysOf(value: unknown, depth: number): number {
  if (typeof value !== 'object' || value === null) return 0;
  if (depth > MAX_DEPTH) return Number.NaN;
  let keys = 0;
  if (Array.isArray(value)) for (const item of value) keys += keysOf(item, depth + 1);
  else for (const key in value) keys += 1 + keysOf((value as Record<string, unknown>)[key], depth + 1);
  return keys;
}

/** How many keys stand in a well-formed text: strings with a colon behind them. Looks at quotes only, which is quick. */
function keysIn(text: string): number {
  let keys = 0;
  for (let open = text.indexOf('"'); open >= 0; ) {
    let close = text.indexOf('"', open + 1);
    while (isEscaped(text, close)) close = text.indexOf('"', close + 1);
    let next = close + 1;
    while (isSpace(text.charCodeAt(next))) next++;
    if (text.charCodeAt(next) === 58) keys++;
    open = text.indexOf('"', next);
  }
  return keys;
}

function isEscaped(text: string, at: number): boolean {
  let backslashes = 0;
  while (text.charCodeAt(at - 1 - backslashes) === 92) backslashes++;
  return backslashes % 2 === 1;
}

const isSpace = (code: number): boolean => code === 32 || code === 10 || code === 13 || code === 9;

/** `end`: where the value ends. `at`: how many bytes were read until it could not go on; `isCut`: the text ends too early. */
export type FirstJson = { value: unknown; end: number } | { problem: string; at: number; isCut: boolean };

/** The first value from an offset on, of a text that may hold more. */
export function parseFirstJson(text: string, from: number): FirstJson {
  const reader = new StrictReader(text, undefined, from);
  try {
    return { value: reader.first(), end: reader.at };
  } catch (error) {
    if (!(error instanceof JsonProblem)) throw error;
    const at = new TextEncoder().encode(text.slice(0, reader.at + 1)).length;
    return { problem: error.message, at, isCut: reader.at >= text.length };
  }
}

/** The last of several equal keys wins, as in Go. */
export function parseJsonStrictly(text: string, shape?: Shape): StrictlyParsedJson {
  const reader = new StrictReader(text, shape?.facts);
  try {
    const value = reader.document(shape ? { ref: shape.type.name } : 'any');
    return { value, strictErrors: [...reader.strictErrors] };
  } catch (error) {
    if (error instanceof JsonProblem) return { problem: error.message };
    throw error;
  }
}

class JsonProblem extends Error {}

/** `any`: look for duplicates below. `opaque`: upstream has a decoder of its own there, or skips it, and looks for nothing. */
type Expected = TypeRef | 'any' | 'opaque';

class StrictReader {
  readonly strictErrors = new Set<string>();
  readonly #text: string;
  readonly #facts: Facts | undefined;
  #at: number;

  constructor(text: string, facts: Facts | undefined, from = 0) {
    this.#text = text;
    this.#facts = facts;
    this.#at = from;
  }

  get at(): number {
    return this.#at;
  }

  first(): unknown {
    return this.#value('any', '', 0);
  }

  document(expected: Expected): unknown {
    const value = this.#value(expected, '', 0);
    this.#space();
    if (this.#at < this.#text.length) this.#unexpected('after top-level value');
    return value;
  }

  #value(expected: Expected, path: string, depth: number): unknown {
    if (depth > MAX_DEPTH) throw new JsonProblem('exceeded max depth');
    this.#space();
    const first = this.#text[this.#at];
    if (first === '{') return this.#object(expected, path, depth);
    if (first === '[') return this.#array(expected, path, depth);
    if (first === '"') return this.#string();
    if (first === 't') return this.#literal('true', true);
    if (first === 'f') return this.#literal('false', false);
    if (first === 'n') return this.#literal('null', null);
    if (first === '-' || isDigit(first)) return this.#number();
    return this.#unexpected('looking for beginning of value');
  }

  #object(expected: Expected, path: string, depth: number): Record<string, unknown> {
    const object: Record<string, unknown> = {};
    this.#at++;
    this.#space();
    if (this.#text[this.#at] === '}') {
      this.#at++;
      return object;
    }
    for (;;) {
      this.#space();
      if (this.#text[this.#at] !== '"') this.#unexpected('looking for beginning of object key string');
      const key = this.#string();
      const below = this.#expectedBelow(expected, key);
      const keyPath = path === '' ? key : `${path}.${key}`;
      if (below === undefined) this.#note(unknownFieldText(keyPath));
      else if (expected !== 'opaque' && Object.hasOwn(object, key)) this.#note(`duplicate field "${keyPath}"`);
      this.#space();
      if (this.#text[this.#at] !== ':') this.#unexpected('after object key');
      this.#at++;
      setOwn(object, key, this.#value(below ?? 'opaque', keyPath, depth + 1));
      this.#space();
      const next = this.#text[this.#at];
      if (next !== ',' && next !== '}') this.#unexpected('after object key:value pair');
      this.#at++;
      if (next === '}') return object;
    }
  }

  #array(expected: Expected, path: string, depth: number): unknown[] {
    const list: unknown[] = [];
    const element: Expected = typeof expected === 'object' ? ('list' in expected ? expected.list : 'opaque') : expected;
    this.#at++;
    this.#space();
    if (this.#text[this.#at] === ']') {
      this.#at++;
      return list;
    }
    for (;;) {
      list.push(this.#value(element, `${path}[${list.length}]`, depth + 1));
      this.#space();
      const next = this.#text[this.#at];
      if (next !== ',' && next !== ']') this.#unexpected('after array element');
      this.#at++;
      if (next === ']') return list;
    }
  }

  /** undefined when the type has no such field. */
  #expectedBelow(expected: Expected, key: string): Expected | undefined {
    if (typeof expected === 'string') return expected;
    if ('map' in expected) return expected.map;
    if (!('ref' in expected)) return 'opaque';
    const type = this.#facts?.type(expected.ref);
    if (!type || type.union) return 'opaque';
    return type.jsonFields.get(key)?.type;
  }

  #string(): string {
    const start = this.#at++;
    for (;;) {
      const code = this.#text.charCodeAt(this.#at);
      if (Number.isNaN(code)) throw new JsonProblem('unexpected end of JSON input');
      if (code === 34) break;
      if (code < 32) this.#unexpected('in string literal');
      this.#at++;
      if (code === 92) this.#escape();
    }
    this.#at++;
    return JSON.parse(this.#text.slice(start, this.#at)) as string;
  }

  #escape(): void {
    const letter = this.#text[this.#at];
    if (letter === undefined || !'"\\/bfnrtu'.includes(letter)) this.#unexpected('in string escape code');
    this.#at++;
    if (letter !== 'u') return;
    for (let digit = 0; digit < 4; digit++) {
      if (!/[0-9a-fA-F]/.test(this.#text[this.#at] ?? '')) this.#unexpected('in \\u hexadecimal character escape');
      this.#at++;
    }
  }

  #literal<T>(word: string, value: T): T {
    for (const letter of word) {
      if (this.#text[this.#at] !== letter) this.#unexpected(`in literal ${word} (expecting ${quoted(letter)})`);
      this.#at++;
    }
    return value;
  }

  #number(): number {
    const start = this.#at;
    if (this.#text[this.#at] === '-') this.#at++;
    if (this.#text[this.#at] === '0') this.#at++;
    else this.#digits('in numeric literal');
    if (this.#text[this.#at] === '.') {
      this.#at++;
      this.#digits('after decimal point in numeric literal');
    }
    if (this.#text[this.#at] === 'e' || this.#text[this.#at] === 'E') {
      this.#at++;
      if (this.#text[this.#at] === '+' || this.#text[this.#at] === '-') this.#at++;
      this.#digits('in exponent of numeric literal');
    }
    return Number(this.#text.slice(start, this.#at));
  }

  #digits(where: string): void {
    if (!isDigit(this.#text[this.#at])) this.#unexpected(where);
    while (isDigit(this.#text[this.#at])) this.#at++;
  }

  #space(): void {
    while (isSpace(this.#text.charCodeAt(this.#at))) this.#at++;
  }

  #note(error: string): void {
    if (this.strictErrors.size < MAX_STRICT_ERRORS) this.strictErrors.add(error);
  }

  #unexpected(where: string): never {
    const character = this.#text[this.#at];
    if (character === undefined) throw new JsonProblem('unexpected end of JSON input');
    throw new JsonProblem(`invalid character ${quoted(character)} ${where}`);
  }
}

const isDigit = (character: string | undefined): boolean =>
  character !== undefined && character >= '0' && character <= '9';

function quoted(character: string): string {
  if (character === "'") return "'\\''";
  if (character === '"') return `'"'`;
  return `'${JSON.stringify(character).slice(1, -1)}'`;
}
