/**
 * Reads the YAML that people and programs write for Kubernetes, in one pass and without a tree: maps and sequences by
 * indentation, flow collections on one line, scalars with and without quotes, literal blocks. Whatever else a text holds
 * (anchors, tags, folded blocks, mistakes) is left to the full reader, whose answers are these as well, only forty times as
 * slow. Source: YAML 1.1, 1.2.
 */
import { setOwn } from './set-own.ts';

export interface PlainYaml {
  value: unknown;
  /** Offsets of keys that stand twice in their map, in the order of the text. */
  duplicates: number[];
}

export interface PlainYamlOptions {
  maxDepth: number;
  maxDuplicates: number;
  /** What a scalar without quotes means: a number, a truth value, null or a text. Not asked of ordinary words. */
  scalar(text: string): unknown;
}

/** undefined: this reader does not know. Throws RangeError where collections lie deeper in one another than allowed. */
export function readPlainYaml(text: string, options: PlainYamlOptions): PlainYaml | undefined {
  if (/[\r\u0085\u2028\u2029\ufeff]/.test(text)) return undefined;
  try {
    return new Reader(text, options).document();
  } catch (failure) {
    if (failure instanceof NotPlain) return undefined;
    throw failure;
  }
}

class NotPlain extends Error {}

const [NEWLINE, SPACE, HASH, COLON, DASH, QUOTE, APOSTROPHE] = ['\n', ' ', '#', ':', '-', '"', "'"].map((char) =>
  char.charCodeAt(0),
) as [number, number, number, number, number, number, number];
const [OPEN_MAP, OPEN_LIST, PIPE, BACKSLASH, TAB] = [0x7b, 0x5b, 0x7c, 0x5c, 9];

/** What a scalar without quotes does not begin with. */
const INDICATORS = new Set(',[]{}#&*!|>\'"%@`'.split('').map((char) => char.charCodeAt(0)));
/** Words that mean nothing but themselves; all that could be a number, a truth value or null is looked at closely. */
const IS_WORD = /^(?![yYnNtTfFoO])[A-Za-z_/$(]/;
const MAX_KEY = 1000;
const COMMENT = -1;
const IS_END = /^(?:---|\.\.\.)(?:[ \n]|$)/;
const ESCAPES_OF_JSON = /^(?:[^\\]|\\(?:["\\/nrtbf]|u(?![dD][89a-fA-F])[0-9a-fA-F]{4}))*$/;

class Reader {
  readonly #text: string;
  readonly #options: PlainYamlOptions;
  readonly #duplicates: number[] = [];
  #pos = 0;
  /** Of the line that #pos is in; -1 at the end of the document. */
  #indent = 0;
  #depth = 0;

  constructor(text: string, options: PlainYamlOptions) {
    this.#text = text;
    this.#options = options;
  }

  document(): PlainYaml | undefined {
    this.#toLine();
    if (this.#indent < 0 && this.#isBareStart()) {
      this.#pos += 3;
      this.#endOfLine();
    }
    if (this.#indent < 0 || this.#at(0) === 0x25 /* % */) return undefined;
    const value = this.#block(this.#indent);
    const isWhole = this.#indent < 0;
    return isWhole ? { value, duplicates: this.#duplicates } : undefined;
  }

  #isBareStart(): boolean {
    const end = this.#text.indexOf('\n', this.#pos);
    return /^---[ ]*(?: #.*)?$/.test(this.#text.slice(this.#pos, end < 0 ? undefined : end));
  }

  #at(offset: number): number {
    return this.#text.charCodeAt(this.#pos + offset);
  }

  /** A collection whose entries begin in this column. */
  #block(column: number): unknown {
    if (++this.#depth > this.#options.maxDepth) throw new RangeError();
    const value = this.#isEntry() ? this.#sequence(column) : this.#mapping(column);
    this.#depth--;
    return value;
  }

  #isEntry(): boolean {
    return this.#at(0) === DASH && isBreak(this.#at(1));
  }

  #sequence(column: number): unknown[] {
    const items: unknown[] = [];
    do {
      const start = this.#pos;
      this.#pos++;
      this.#skipSpaces();
      if (this.#isLineEnd()) {
        this.#endOfLine();
        items.push(this.#indent > column ? this.#block(this.#indent) : null);
      } else if (this.#isEntry() || this.#startsPair()) {
        const inner = column + this.#pos - start;
        this.#indent = inner;
        items.push(this.#block(inner));
      } else items.push(this.#inline(column));
      if (this.#indent > column) throw new NotPlain();
    } while (this.#indent === column && this.#isEntry());
    return items;
  }

  #mapping(column: number): Record<string, unknown> {
    const map: Record<string, unknown> = {};
    do {
      const at = this.#pos;
      const key = this.#key();
      if (Object.hasOwn(map, key)) this.#duplicate(at);
      this.#skipSpaces();
      let value: unknown = null;
      if (this.#isLineEnd()) {
        this.#endOfLine();
        if (this.#indent > column) value = this.#block(this.#indent);
        else if (this.#indent === column && this.#isEntry()) value = this.#nestedSequence(column);
      } else value = this.#inline(column);
      setOwn(map, key, value);
      if (this.#indent > column || (this.#indent === column && this.#isEntry())) throw new NotPlain();
    } while (this.#indent === column);
    return map;
  }

  #nestedSequence(column: number): unknown[] {
    if (++this.#depth > this.#options.maxDepth) throw new RangeError();
    const items = this.#sequence(column);
    this.#depth--;
    return items;
  }

  #duplicate(at: number): void {
    if (this.#duplicates.length < this.#options.maxDuplicates) this.#duplicates.push(at);
  }

  /** Whether the rest of this line is a key with something, or nothing, behind it. */
  #startsPair(): boolean {
    const first = this.#at(0);
    if (first === QUOTE || first === APOSTROPHE) {
      const close = this.#closing();
      return this.#text.charCodeAt(close + 1) === COLON && isBreak(this.#text.charCodeAt(close + 2));
    }
    return first !== OPEN_LIST && first !== OPEN_MAP && this.#colon() >= 0;
  }

  /** Where the first colon of this line stands that ends a key; -1 where there is none. */
  #colon(): number {
    for (let at = this.#pos; ; at++) {
      const char = this.#text.charCodeAt(at);
      if (char === COLON && isBreak(this.#text.charCodeAt(at + 1))) return at;
      if (char === NEWLINE || Number.isNaN(char)) return -1;
    }
  }

  #key(): string {
    const first = this.#at(0);
    const isQuoted = first === QUOTE || first === APOSTROPHE;
    const start = this.#pos;
    const key = isQuoted ? this.#quoted() : this.#plainKey();
    if (this.#pos - start > MAX_KEY || this.#at(0) !== COLON || !isBreak(this.#at(1))) throw new NotPlain();
    this.#pos++;
    return key;
  }

  #plainKey(): string {
    const colon = this.#colon();
    if (colon < 0 || colon - this.#pos > MAX_KEY) throw new NotPlain();
    const written = this.#text.slice(this.#pos, colon);
    const key = trimmed(written);
    if (key === '<<' || written.includes(' #') || written.includes('\t')) throw new NotPlain();
    const value = this.#plain(key);
    if (typeof value !== 'string') throw new NotPlain();
    this.#pos = colon;
    return value;
  }

  /** What stands behind a key or a dash in the same line, up to the beginning of the next entry. */
  #inline(column: number): unknown {
    const first = this.#at(0);
    if (first === PIPE) return this.#literal(column);
    let value: unknown;
    if (first === QUOTE || first === APOSTROPHE) value = this.#quoted();
    else if (first === OPEN_MAP || first === OPEN_LIST) value = this.#flow();
    else return this.#plainLines(column);
    const before = this.#pos;
    this.#skipSpaces();
    if (!this.#isLineEnd() || (this.#at(0) === HASH && before === this.#pos)) throw new NotPlain();
    this.#endOfLine();
    return value;
  }

  /** A scalar without quotes, which may go on in lines that are further in. */
  #plainLines(column: number): unknown {
    const first = this.#plainLine();
    if (!first.isWhole) {
      this.#endOfLine();
      return this.#plain(first.text);
    }
    let text = first.text;
    let blanks = this.#emptyLines();
    const alone = this.#plain(text);
    if (this.#indent <= column) return alone;
    while (this.#indent > column) {
      if (blanks === COMMENT) throw new NotPlain();
      const line = this.#plainLine();
      text += (blanks === 0 ? ' ' : '\n'.repeat(blanks)) + line.text;
      if (!line.isWhole) throw new NotPlain();
      blanks = this.#emptyLines();
    }
    return text;
  }

  /** The rest of a line. `isWhole`: no comment ended it. */
  #plainLine(): { text: string; isWhole: boolean } {
    const end = this.#lineEnd();
    const line = this.#text.slice(this.#pos, end);
    const comment = line.indexOf(' #');
    const text = trimmed(comment < 0 ? line : line.slice(0, comment));
    if (text.includes('\t') || text.includes(': ') || text.endsWith(':')) throw new NotPlain();
    this.#pos = comment < 0 ? end : this.#pos + comment;
    return { text, isWhole: comment < 0 };
  }

  /** To the next entry. How many empty lines there were, or that there was a comment. */
  #emptyLines(): number {
    const before = this.#pos;
    let blanks = -1;
    let at = this.#pos;
    while (at < this.#text.length) {
      blanks++;
      at++;
      while (this.#text.charCodeAt(at) === SPACE) at++;
      if (this.#text.charCodeAt(at) !== NEWLINE) break;
    }
    const isComment = this.#text.charCodeAt(at) === HASH;
    this.#pos = before;
    this.#toNextLine();
    // A comment ends the scalar; it does not go on behind it.
    return isComment ? COMMENT : Math.max(0, blanks);
  }

  #plain(text: string): unknown {
    const first = text.charCodeAt(0);
    const second = text.charCodeAt(1);
    if (text === '' || INDICATORS.has(first)) throw new NotPlain();
    if ((first === DASH || first === COLON || first === 0x3f) /* ? */ && (text.length === 1 || second === SPACE))
      throw new NotPlain();
    if (IS_WORD.test(text)) return text;
    const value = this.#options.scalar(text);
    if (typeof value === 'number' && !Number.isFinite(value)) throw new NotPlain();
    return value;
  }

  /** Where the quote closes that opens here. */
  #closing(): number {
    const quote = this.#at(0);
    for (let at = this.#pos + 1; ; at++) {
      const char = this.#text.charCodeAt(at);
      if (char === NEWLINE || Number.isNaN(char)) throw new NotPlain();
      if (char === BACKSLASH && quote === QUOTE) at++;
      else if (char !== quote) continue;
      else if (quote === APOSTROPHE && this.#text.charCodeAt(at + 1) === APOSTROPHE) at++;
      else return at;
    }
  }

  #quoted(): string {
    const close = this.#closing();
    const inside = this.#text.slice(this.#pos + 1, close);
    const isDouble = this.#at(0) === QUOTE;
    this.#pos = close + 1;
    if (inside.includes('\t')) throw new NotPlain();
    if (!isDouble) return inside.replaceAll("''", "'");
    if (!inside.includes('\\')) return inside;
    if (!ESCAPES_OF_JSON.test(inside)) throw new NotPlain();
    return JSON.parse(`"${inside}"`) as string;
  }

  /** A collection in brackets, in one line. */
  #flow(): unknown {
    if (++this.#depth > this.#options.maxDepth) throw new RangeError();
    const value = this.#at(0) === OPEN_MAP ? this.#flowMap() : this.#flowList();
    this.#depth--;
    return value;
  }

  #flowList(): unknown[] {
    const items: unknown[] = [];
    this.#pos++;
    for (;;) {
      this.#skipSpaces();
      if (this.#at(0) === 0x5d /* ] */) break;
      items.push(this.#flowNode());
      if (!this.#comma(0x5d)) break;
    }
    this.#pos++;
    return items;
  }

  #flowMap(): Record<string, unknown> {
    const map: Record<string, unknown> = {};
    this.#pos++;
    for (;;) {
      this.#skipSpaces();
      if (this.#at(0) === 0x7d /* } */) break;
      const at = this.#pos;
      const key = this.#flowScalar();
      if (typeof key !== 'string' || key === '<<' || this.#pos - at > MAX_KEY) throw new NotPlain();
      if (this.#at(0) !== COLON || this.#at(1) !== SPACE) throw new NotPlain();
      this.#pos++;
      this.#skipSpaces();
      if (Object.hasOwn(map, key)) this.#duplicate(at);
      setOwn(map, key, this.#flowNode());
      if (!this.#comma(0x7d)) break;
    }
    this.#pos++;
    return map;
  }

  /** Past a comma; false where the collection ends instead. */
  #comma(end: number): boolean {
    this.#skipSpaces();
    const char = this.#at(0);
    if (char === end) return false;
    if (char !== 0x2c /* , */) throw new NotPlain();
    this.#pos++;
    return true;
  }

  #flowNode(): unknown {
    const first = this.#at(0);
    return first === OPEN_MAP || first === OPEN_LIST ? this.#flow() : this.#flowScalar();
  }

  #flowScalar(): unknown {
    const first = this.#at(0);
    if (first === QUOTE || first === APOSTROPHE) return this.#quoted();
    const start = this.#pos;
    while (isFlowText(this.#at(0), this.#at(1))) this.#pos++;
    const text = trimmed(this.#text.slice(start, this.#pos));
    if (text.includes(' #') || text.includes('\t')) throw new NotPlain();
    return this.#plain(text);
  }

  /** `|`: the lines below, as they are. */
  #literal(column: number): string {
    const end = this.#lineEnd();
    const header = /^\|([-+]?) *$/.exec(this.#text.slice(this.#pos, end));
    if (!header) throw new NotPlain();
    this.#pos = end + 1;
    const lines: string[] = [];
    let indent = -1;
    let blanks = 0;
    while (this.#pos < this.#text.length) {
      const lineEnd = this.#text.indexOf('\n', this.#pos);
      if (lineEnd < 0) throw new NotPlain(); // the last line of the text has no end
      let first = this.#pos;
      while (this.#text.charCodeAt(first) === SPACE) first++;
      const own = first - this.#pos;
      if (first === lineEnd) {
        if (own > (indent < 0 ? column + 1 : indent)) throw new NotPlain();
        blanks++;
      } else {
        if (indent < 0 && own > column) indent = own;
        if (indent < 0 || own < indent) break;
        while (blanks > 0) {
          lines.push('');
          blanks--;
        }
        lines.push(this.#text.slice(this.#pos + indent, lineEnd));
      }
      this.#pos = lineEnd + 1;
    }
    if (lines.length === 0 || lines.every((line) => line === '')) throw new NotPlain();
    this.#toLine();
    if (this.#indent > column) throw new NotPlain();
    const kept = header[1] === '+' ? '\n'.repeat(blanks + 1) : header[1] === '-' ? '' : '\n';
    return lines.join('\n') + kept;
  }

  #skipSpaces(): void {
    while (this.#at(0) === SPACE) this.#pos++;
  }

  #lineEnd(): number {
    const end = this.#text.indexOf('\n', this.#pos);
    return end < 0 ? this.#text.length : end;
  }

  /** At its end, or at a comment. */
  #isLineEnd(): boolean {
    const char = this.#at(0);
    return char === NEWLINE || char === HASH || Number.isNaN(char);
  }

  /** From behind a value to the next entry. */
  #endOfLine(): void {
    this.#skipSpaces();
    if (!this.#isLineEnd()) throw new NotPlain();
    this.#toNextLine();
  }

  #toNextLine(): void {
    this.#pos = this.#lineEnd() + 1;
    this.#toLine();
  }

  /** From the beginning of a line to the first thing in it, or in a later one, that is no comment. */
  #toLine(): void {
    for (;;) {
      const start = this.#pos;
      if (start >= this.#text.length) {
        this.#indent = -1;
        return;
      }
      this.#skipSpaces();
      const char = this.#at(0);
      if (char === TAB) throw new NotPlain();
      if (char === NEWLINE || char === HASH) {
        this.#pos = this.#lineEnd() + 1;
        continue;
      }
      this.#indent = Number.isNaN(char) || (this.#pos === start && this.#isDocumentEnd()) ? -1 : this.#pos - start;
      return;
    }
  }

  #isDocumentEnd(): boolean {
    return IS_END.test(this.#text.slice(this.#pos, this.#pos + 4));
  }
}

/** Without what YAML takes for white space at the end: a space of another sort is text. */
function trimmed(text: string): string {
  let end = text.length;
  while (end > 0 && (text.charCodeAt(end - 1) === SPACE || text.charCodeAt(end - 1) === TAB)) end--;
  return text.slice(0, end);
}

const isBreak = (char: number): boolean => char === SPACE || char === NEWLINE || Number.isNaN(char);

/** Whether a scalar without quotes may go on with this, inside of brackets. */
const isFlowText = (char: number, next: number): boolean => {
  if (Number.isNaN(char) || char === NEWLINE) return false;
  if (char === 0x2c || char === 0x5b || char === 0x5d || char === 0x7b || char === 0x7d) return false;
  return (
    char !== COLON ||
    !(isBreak(next) || next === 0x2c || next === 0x5b || next === 0x5d || next === 0x7d || next === 0x7b)
  );
};
