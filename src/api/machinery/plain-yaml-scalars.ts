/** Scalars of plain YAML: with and without quotes, in one line, in several, and as literal blocks. */
import {
  APOSTROPHE,
  BACKSLASH,
  COLON,
  DASH,
  HASH,
  NEWLINE,
  NotPlain,
  PlainYamlLines,
  QUOTE,
  SPACE,
  TAB,
} from './plain-yaml-lines.ts';

/** What a scalar without quotes does not begin with. */
const INDICATORS = new Set(',[]{}#&*!|>\'"%@`'.split('').map((char) => char.charCodeAt(0)));
/** Words that mean nothing but themselves; all that could be a number, a truth value or null is looked at closely. */
const IS_WORD = /^(?![yYnNtTfFoO])[A-Za-z_/$(]/;
const COMMENT = -1;
const ESCAPES_OF_JSON = /^(?:[^\\]|\\(?:["\\/nrtbf]|u(?![dD][89a-fA-F])[0-9a-fA-F]{4}))*$/;

export class PlainYamlScalars extends PlainYamlLines {
  protected plain(text: string): unknown {
    const first = text.charCodeAt(0);
    const second = text.charCodeAt(1);
    if (text === '' || INDICATORS.has(first)) throw new NotPlain();
    if ((first === DASH || first === COLON || first === 0x3f) /* ? */ && (text.length === 1 || second === SPACE))
      throw new NotPlain();
    if (IS_WORD.test(text)) return text;
    const value = this.options.scalar(text);
    if (typeof value === 'number' && !Number.isFinite(value)) throw new NotPlain();
    return value;
  }

  /** Where the quote closes that opens here. */
  protected closing(): number {
    const quote = this.at(0);
    for (let at = this.pos + 1; ; at++) {
      const char = this.text.charCodeAt(at);
      if (char === NEWLINE || Number.isNaN(char)) throw new NotPlain();
      if (char === BACKSLASH && quote === QUOTE) at++;
      else if (char !== quote) continue;
      else if (quote === APOSTROPHE && this.text.charCodeAt(at + 1) === APOSTROPHE) at++;
      else return at;
    }
  }

  protected quoted(): string {
    const close = this.closing();
    const inside = this.text.slice(this.pos + 1, close);
    const isDouble = this.at(0) === QUOTE;
    this.pos = close + 1;
    if (inside.includes('\t')) throw new NotPlain();
    if (!isDouble) return inside.replaceAll("''", "'");
    if (!inside.includes('\\')) return inside;
    if (!ESCAPES_OF_JSON.test(inside)) throw new NotPlain();
    return JSON.parse(`"${inside}"`) as string;
  }

  /** A scalar without quotes, which may go on in lines that are further in. */
  protected plainLines(column: number): unknown {
    const first = this.#plainLine();
    if (!first.isWhole) {
      this.endOfLine();
      return this.plain(first.text);
    }
    let text = first.text;
    let blanks = this.#emptyLines();
    const alone = this.plain(text);
    if (this.indent <= column) return alone;
    while (this.indent > column) {
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
    const end = this.lineEnd();
    const line = this.text.slice(this.pos, end);
    const comment = line.indexOf(' #');
    const text = trimmed(comment < 0 ? line : line.slice(0, comment));
    if (text.includes('\t') || text.includes(': ') || text.endsWith(':')) throw new NotPlain();
    this.pos = comment < 0 ? end : this.pos + comment;
    return { text, isWhole: comment < 0 };
  }

  /** To the next entry. How many empty lines there were, or that there was a comment. */
  #emptyLines(): number {
    const before = this.pos;
    let blanks = -1;
    let at = this.pos;
    while (at < this.text.length) {
      blanks++;
      at++;
      while (this.text.charCodeAt(at) === SPACE) at++;
      if (this.text.charCodeAt(at) !== NEWLINE) break;
    }
    const isComment = this.text.charCodeAt(at) === HASH;
    this.pos = before;
    this.toNextLine();
    // A comment ends the scalar; it does not go on behind it.
    return isComment ? COMMENT : Math.max(0, blanks);
  }

  /** `|`: the lines below, as they are. */
  protected literal(column: number): string {
    const end = this.lineEnd();
    const header = /^\|([-+]?) *$/.exec(this.text.slice(this.pos, end));
    if (!header) throw new NotPlain();
    this.pos = end + 1;
    const lines: string[] = [];
    let indent = -1;
    let blanks = 0;
    while (this.pos < this.text.length) {
      const lineEnd = this.text.indexOf('\n', this.pos);
      if (lineEnd < 0) throw new NotPlain(); // the last line of the text has no end
      let first = this.pos;
      while (this.text.charCodeAt(first) === SPACE) first++;
      const own = first - this.pos;
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
        lines.push(this.text.slice(this.pos + indent, lineEnd));
      }
      this.pos = lineEnd + 1;
    }
    if (lines.length === 0 || lines.every((line) => line === '')) throw new NotPlain();
    this.toLine();
    if (this.indent > column) throw new NotPlain();
    const kept = header[1] === '+' ? '\n'.repeat(blanks + 1) : header[1] === '-' ? '' : '\n';
    return lines.join('\n') + kept;
  }
}

/** Without what YAML takes for white space at the end: a space of another sort is text. */
export function trimmed(text: string): string {
  let end = text.length;
  while (end > 0 && (text.charCodeAt(end - 1) === SPACE || text.charCodeAt(end - 1) === TAB)) end--;
  return text.slice(0, end);
}
