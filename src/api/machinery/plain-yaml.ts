/**
 * Reads the YAML that people and programs write for Kubernetes, in one pass and without a tree: maps and sequences by
 * indentation, flow collections on one line, scalars with and without quotes, literal blocks. Whatever else a text holds
 * (anchors, tags, folded blocks, mistakes) is left to the full reader, whose answers are these as well, only forty times as
 * slow. Source: YAML 1.1, 1.2.
 */
import { MAX_KEY, PlainYamlFlow } from './plain-yaml-flow.ts';
import {
  APOSTROPHE,
  COLON,
  DASH,
  HASH,
  isBreak,
  NEWLINE,
  NotPlain,
  OPEN_LIST,
  OPEN_MAP,
  PIPE,
  type PlainYamlOptions,
  QUOTE,
} from './plain-yaml-lines.ts';
import { trimmed } from './plain-yaml-scalars.ts';
import { setOwn } from './set-own.ts';

export interface PlainYaml {
  value: unknown;
  /** Offsets of keys that stand twice in their map, in the order of the text. */
  duplicates: number[];
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

class Reader extends PlainYamlFlow {
  document(): PlainYaml | undefined {
    this.toLine();
    if (this.indent < 0 && this.#isBareStart()) {
      this.pos += 3;
      this.endOfLine();
    }
    if (this.indent < 0 || this.at(0) === 0x25 /* % */) return undefined;
    const value = this.#block(this.indent);
    const isWhole = this.indent < 0;
    return isWhole ? { value, duplicates: this.duplicates } : undefined;
  }

  #isBareStart(): boolean {
    const end = this.text.indexOf('\n', this.pos);
    return /^---[ ]*(?: #.*)?$/.test(this.text.slice(this.pos, end < 0 ? undefined : end));
  }

  /** A collection whose entries begin in this column. */
  #block(column: number): unknown {
    if (++this.depth > this.options.maxDepth) throw new RangeError();
    const value = this.#isEntry() ? this.#sequence(column) : this.#mapping(column);
    this.depth--;
    return value;
  }

  #isEntry(): boolean {
    return this.at(0) === DASH && isBreak(this.at(1));
  }

  #sequence(column: number): unknown[] {
    const items: unknown[] = [];
    do {
      const start = this.pos;
      this.pos++;
      this.skipSpaces();
      if (this.isLineEnd()) {
        this.endOfLine();
        items.push(this.indent > column ? this.#block(this.indent) : null);
      } else if (this.#isEntry() || this.#startsPair()) {
        const inner = column + this.pos - start;
        this.indent = inner;
        items.push(this.#block(inner));
      } else items.push(this.#inline(column));
      if (this.indent > column) throw new NotPlain();
    } while (this.indent === column && this.#isEntry());
    return items;
  }

  #mapping(column: number): Record<string, unknown> {
    const map: Record<string, unknown> = {};
    do {
      const at = this.pos;
      const key = this.#key();
      if (Object.hasOwn(map, key)) this.duplicate(at);
      this.skipSpaces();
      let value: unknown = null;
      if (this.isLineEnd()) {
        this.endOfLine();
        if (this.indent > column) value = this.#block(this.indent);
        else if (this.indent === column && this.#isEntry()) value = this.#nestedSequence(column);
      } else value = this.#inline(column);
      setOwn(map, key, value);
      if (this.indent > column || (this.indent === column && this.#isEntry())) throw new NotPlain();
    } while (this.indent === column);
    return map;
  }

  #nestedSequence(column: number): unknown[] {
    if (++this.depth > this.options.maxDepth) throw new RangeError();
    const items = this.#sequence(column);
    this.depth--;
    return items;
  }

  /** Whether the rest of this line is a key with something, or nothing, behind it. */
  #startsPair(): boolean {
    const first = this.at(0);
    if (first === QUOTE || first === APOSTROPHE) {
      const close = this.closing();
      return this.text.charCodeAt(close + 1) === COLON && isBreak(this.text.charCodeAt(close + 2));
    }
    return first !== OPEN_LIST && first !== OPEN_MAP && this.#colon() >= 0;
  }

  /** Where the first colon of this line stands that ends a key; -1 where there is none. */
  #colon(): number {
    for (let at = this.pos; ; at++) {
      const char = this.text.charCodeAt(at);
      if (char === COLON && isBreak(this.text.charCodeAt(at + 1))) return at;
      if (char === NEWLINE || Number.isNaN(char)) return -1;
    }
  }

  #key(): string {
    const first = this.at(0);
    const isQuoted = first === QUOTE || first === APOSTROPHE;
    const start = this.pos;
    const key = isQuoted ? this.quoted() : this.#plainKey();
    if (this.pos - start > MAX_KEY || this.at(0) !== COLON || !isBreak(this.at(1))) throw new NotPlain();
    this.pos++;
    return key;
  }

  #plainKey(): string {
    const colon = this.#colon();
    if (colon < 0 || colon - this.pos > MAX_KEY) throw new NotPlain();
    const written = this.text.slice(this.pos, colon);
    const key = trimmed(written);
    if (key === '<<' || written.includes(' #') || written.includes('\t')) throw new NotPlain();
    const value = this.plain(key);
    if (typeof value !== 'string') throw new NotPlain();
    this.pos = colon;
    return value;
  }

  /** What stands behind a key or a dash in the same line, up to the beginning of the next entry. */
  #inline(column: number): unknown {
    const first = this.at(0);
    if (first === PIPE) return this.literal(column);
    let value: unknown;
    if (first === QUOTE || first === APOSTROPHE) value = this.quoted();
    else if (first === OPEN_MAP || first === OPEN_LIST) value = this.flow();
    else return this.plainLines(column);
    const before = this.pos;
    this.skipSpaces();
    if (!this.isLineEnd() || (this.at(0) === HASH && before === this.pos)) throw new NotPlain();
    this.endOfLine();
    return value;
  }
}
