/**
 * Cuts a text into the tokens of YAML 1.1 and, where it can go no further, says why in the words that users of Go's reader
 * know. Asked only once a text is known to be broken: what the values are is of no interest here.
 * Source: YAML 1.1, chapters 4 to 9; libyaml's scanner for the complaints and where each is found.
 */

import { isBlank, isBreak, isSpace, YamlComplaint, YamlCursor } from './yaml-cursor.ts';
import { type ScalarPlace, skipBlockScalar, skipPlain, skipQuoted } from './yaml-scalars.ts';

export type YamlTokenType =
  | ('alias' | 'anchor' | 'tag' | 'scalar' | 'key' | 'value' | 'directive' | 'document start' | 'end of text')
  | ('block sequence' | 'block mapping' | 'block entry' | 'block end')
  | ('[' | ']' | '{' | '}' | ',');

export interface YamlToken {
  type: YamlTokenType;
  /** From 0 on. */
  line: number;
  /** Of a directive: all of it. Of a tag: what stands before its name, `!a!`. */
  text?: string;
}

/** A token that becomes a key when a colon follows it on its line. */
interface PossibleKey {
  /** The number of its token. */
  at: number;
  offset: number;
  line: number;
  column: number;
  isRequired: boolean;
}

const LONGEST_KEY = 1024;
/** As deep as the other readers of YAML go; who reads the tokens may thus be recursive. */
const MAX_DEPTH = 1000;
/** Which has no number in messages. */
const FIRST_LINE = 0;

/** Every token up to the first complaint, as far as it is certain then what each of them is. */
export function yamlTokens(text: string): { tokens: readonly YamlToken[]; complaint?: YamlComplaint } {
  const scanner = new Scanner(text);
  try {
    while (!scanner.isAtEnd) scanner.next();
  } catch (error) {
    if (!(error instanceof YamlComplaint)) throw error;
    return { tokens: scanner.certainTokens, complaint: error };
  }
  return { tokens: scanner.tokens };
}

class Scanner {
  readonly tokens: YamlToken[] = [];
  isAtEnd = false;
  readonly #cursor: YamlCursor;
  #indent = -1;
  readonly #indents: number[] = [];
  /** Open brackets. */
  #level = 0;
  /** By level: at most one is possible in each. */
  readonly #keys = new Map<number, PossibleKey>();
  #mayBeKey = true;

  constructor(text: string) {
    this.#cursor = new YamlCursor(text);
  }

  /** Those before the first that may still become a key. */
  get certainTokens(): readonly YamlToken[] {
    const possible = [...this.#keys.values()].filter((key) => key.isRequired || !this.#isPast(key)).map(({ at }) => at);
    return this.tokens.slice(0, Math.min(...possible, this.tokens.length));
  }

  get #place(): ScalarPlace {
    return { indent: this.#indent, inFlow: this.#inFlow };
  }

  get #inFlow(): boolean {
    return this.#level > 0;
  }

  next(): void {
    this.#toNextToken();
    if (this.#isPast(this.#keys.get(0))) this.#dropKey(0); // those within brackets are looked at when a colon comes
    this.#unroll(this.#cursor.column);
    const { char, behind } = this.#cursor;
    if (char === undefined) this.#endOfText();
    else if (this.#cursor.column === 0 && char === '%') this.#directive();
    else if (this.#cursor.isAtDocumentMark) this.#documentMark();
    else if (char === '[' || char === '{') this.#open(char);
    else if (char === ']' || char === '}') this.#close(char);
    else if (char === ',') this.#separator();
    else if (char === '-' && isSpace(behind)) this.#blockEntry();
    else if (char === '?' && (this.#inFlow || isSpace(behind))) this.#explicitKey();
    else if (char === ':' && (this.#inFlow || isSpace(behind))) this.#value();
    else if (char === '*' || char === '&') this.#anchor(char === '*' ? 'alias' : 'anchor');
    else if (char === '!') this.#tag();
    else if ((char === '|' || char === '>') && !this.#inFlow) this.#blockScalar();
    else if (char === "'" || char === '"') this.#quoted();
    else if (this.#mayBePlain(char)) this.#plain();
    else this.#cursor.complain('found character that cannot start any token');
  }

  #mayBePlain(char: string): boolean {
    if (char === '-' || (!this.#inFlow && (char === '?' || char === ':'))) return true;
    return !/[-?:,[\]{}#&*!|>'"%@`]/.test(char) && !isBlank(char);
  }

  #add(type: YamlTokenType, line = this.#cursor.line): void {
    this.tokens.push({ type, line });
  }

  /** One that is a single character. */
  #take(type: YamlTokenType): void {
    this.#add(type);
    this.#cursor.skip();
  }

  #toNextToken(): void {
    for (;;) {
      while (this.#cursor.char === ' ' || ((this.#inFlow || !this.#mayBeKey) && this.#cursor.char === '\t'))
        this.#cursor.skip();
      if (this.#cursor.char === '#') this.#cursor.skipLine();
      if (!isBreak(this.#cursor.char)) return;
      this.#cursor.skipBreak();
      if (!this.#inFlow) this.#mayBeKey = true;
    }
  }

  /** A key stands on one line, and is short. */
  #isPast(key: PossibleKey | undefined): boolean {
    return key !== undefined && (key.line !== this.#cursor.line || this.#cursor.at - key.offset > LONGEST_KEY);
  }

  #dropKey(level = this.#level): void {
    if (this.#keys.get(level)?.isRequired) this.#cursor.complain("could not find expected ':'");
    this.#keys.delete(level);
  }

  #noteKey(): void {
    if (!this.#mayBeKey) return;
    this.#dropKey();
    this.#keys.set(this.#level, {
      at: this.tokens.length,
      offset: this.#cursor.at,
      line: this.#cursor.line,
      column: this.#cursor.column,
      isRequired: !this.#inFlow && this.#indent === this.#cursor.column,
    });
  }

  /** A collection begins where a line stands further in than those before. */
  #roll(
    column: number,
    type: 'block sequence' | 'block mapping',
    at = this.tokens.length,
    line = this.#cursor.line,
  ): void {
    if (this.#inFlow || this.#indent >= column) return;
    this.#indents.push(this.#indent);
    this.#refuseDepth();
    this.#indent = column;
    this.tokens.splice(at, 0, { type, line });
  }

  #refuseDepth(): void {
    if (this.#level + this.#indents.length > MAX_DEPTH)
      throw new YamlComplaint(`exceeded max depth of ${MAX_DEPTH}`, FIRST_LINE);
  }

  #unroll(column: number): void {
    if (this.#inFlow) return;
    while (this.#indent > column) {
      this.#add('block end');
      this.#indent = this.#indents.pop() ?? -1;
    }
  }

  #endOfText(): void {
    this.#cursor.toNextLine();
    this.#unroll(-1);
    this.#dropKey();
    this.#end();
  }

  #end(): void {
    this.#add('end of text');
    this.isAtEnd = true;
  }

  /** What is asked about is the first document: where it ends, all ends. */
  #documentMark(): void {
    this.#unroll(-1);
    this.#dropKey();
    this.#mayBeKey = false;
    const isBehind = this.#cursor.char === '.' || this.tokens.some(({ type }) => type !== 'directive');
    if (isBehind) this.#end();
    else this.#add('document start');
    this.#cursor.skip(3);
  }

  #directive(): void {
    this.#unroll(-1);
    this.#dropKey();
    this.#mayBeKey = false;
    const [, name = ''] = /^%([\w-]*)/.exec(this.#cursor.ahead(100)) ?? [];
    if (name === '') this.#cursor.complain('could not find expected directive name');
    if (name !== 'YAML' && name !== 'TAG') this.#cursor.complain('found unknown directive name');
    const start = this.#cursor.at;
    this.#cursor.skipLine();
    this.tokens.push({ type: 'directive', line: this.#cursor.line, text: this.#cursor.since(start) });
  }

  #open(bracket: '[' | '{'): void {
    this.#noteKey();
    this.#level++;
    this.#refuseDepth();
    this.#mayBeKey = true;
    this.#take(bracket);
  }

  #close(bracket: ']' | '}'): void {
    this.#dropKey();
    if (this.#inFlow) this.#level--;
    this.#mayBeKey = false;
    this.#take(bracket);
  }

  #separator(): void {
    this.#dropKey();
    this.#mayBeKey = true;
    this.#take(',');
  }

  #blockEntry(): void {
    if (!this.#inFlow && !this.#mayBeKey)
      this.#cursor.complain('block sequence entries are not allowed in this context');
    this.#roll(this.#cursor.column, 'block sequence');
    this.#dropKey();
    this.#mayBeKey = true;
    this.#take('block entry');
  }

  #explicitKey(): void {
    if (!this.#inFlow && !this.#mayBeKey) this.#cursor.complain('mapping keys are not allowed in this context');
    this.#roll(this.#cursor.column, 'block mapping');
    this.#dropKey();
    this.#mayBeKey = !this.#inFlow;
    this.#take('key');
  }

  #value(): void {
    const key = this.#keys.get(this.#level);
    if (key && !this.#isPast(key)) {
      this.tokens.splice(key.at, 0, { type: 'key', line: key.line });
      this.#roll(key.column, 'block mapping', key.at, key.line);
      this.#keys.delete(this.#level);
      this.#mayBeKey = false;
    } else {
      if (!this.#inFlow && !this.#mayBeKey) this.#cursor.complain('mapping values are not allowed in this context');
      this.#roll(this.#cursor.column, 'block mapping');
      this.#mayBeKey = !this.#inFlow;
    }
    this.#take('value');
  }

  #anchor(type: 'alias' | 'anchor'): void {
    this.#noteKey();
    this.#mayBeKey = false;
    const line = this.#cursor.line;
    this.#cursor.skip();
    const start = this.#cursor.at;
    while (/[\w-]/.test(this.#cursor.char ?? '')) this.#cursor.skip();
    const behind = this.#cursor.char;
    if (this.#cursor.at === start || !(isSpace(behind) || /[?:,\]}%@`]/.test(behind ?? '')))
      this.#cursor.complain('did not find expected alphabetic or numeric character');
    this.#add(type, line);
  }

  #tag(): void {
    this.#noteKey();
    this.#mayBeKey = false;
    const start = this.#cursor.at;
    const isVerbatim = this.#cursor.behind === '<';
    while (!isSpace(this.#cursor.char) && !(this.#inFlow && this.#cursor.char === ',')) this.#cursor.skip();
    const tag = this.#cursor.since(start);
    if (isVerbatim && tag.length < 3) this.#cursor.complain('did not find expected tag URI');
    if (isVerbatim && !tag.endsWith('>')) this.#cursor.complain("did not find the expected '>'");
    const [text = ''] = isVerbatim ? [] : (/^![\w-]*!/.exec(tag) ?? []);
    this.tokens.push({ type: 'tag', line: this.#cursor.line, text });
  }

  #blockScalar(): void {
    this.#dropKey();
    this.#mayBeKey = true;
    const { line } = this.#cursor;
    skipBlockScalar(this.#cursor, this.#place);
    this.#add('scalar', line);
  }

  #quoted(): void {
    this.#noteKey();
    this.#mayBeKey = false;
    const { line } = this.#cursor;
    skipQuoted(this.#cursor);
    this.#add('scalar', line);
  }

  #plain(): void {
    this.#noteKey();
    const { line } = this.#cursor;
    this.#mayBeKey = skipPlain(this.#cursor, this.#place);
    this.#add('scalar', line);
  }
}
