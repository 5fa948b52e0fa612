/** Where a reader of plain YAML is in its text, and how it gets from line to line. */

export interface PlainYamlOptions {
  maxDepth: number;
  maxDuplicates: number;
  /** What a scalar without quotes means: a number, a truth value, null or a text. Not asked of ordinary words. */
  scalar(text: string): unknown;
}

/** Thrown where the text holds what only the full reader knows. */
export class NotPlain extends Error {}

export const [NEWLINE, SPACE, HASH, COLON, DASH, QUOTE, APOSTROPHE] = ['\n', ' ', '#', ':', '-', '"', "'"].map((char) =>
  char.charCodeAt(0),
) as [number, number, number, number, number, number, number];
export const [OPEN_MAP, OPEN_LIST, PIPE, BACKSLASH, TAB] = [0x7b, 0x5b, 0x7c, 0x5c, 9];

const IS_END = /^(?:---|\.\.\.)(?:[ \n]|$)/;

export class PlainYamlLines {
  protected readonly text: string;
  protected readonly options: PlainYamlOptions;
  protected pos = 0;
  /** Of the line that `pos` is in; -1 at the end of the document. */
  protected indent = 0;

  constructor(text: string, options: PlainYamlOptions) {
    this.text = text;
    this.options = options;
  }

  protected at(offset: number): number {
    return this.text.charCodeAt(this.pos + offset);
  }

  protected skipSpaces(): void {
    while (this.at(0) === SPACE) this.pos++;
  }

  protected lineEnd(): number {
    const end = this.text.indexOf('\n', this.pos);
    return end < 0 ? this.text.length : end;
  }

  /** At its end, or at a comment. */
  protected isLineEnd(): boolean {
    const char = this.at(0);
    return char === NEWLINE || char === HASH || Number.isNaN(char);
  }

  /** From behind a value to the next entry. */
  protected endOfLine(): void {
    this.skipSpaces();
    if (!this.isLineEnd()) throw new NotPlain();
    this.toNextLine();
  }

  protected toNextLine(): void {
    this.pos = this.lineEnd() + 1;
    this.toLine();
  }

  /** From the beginning of a line to the first thing in it, or in a later one, that is no comment. */
  protected toLine(): void {
    for (;;) {
      const start = this.pos;
      if (start >= this.text.length) {
        this.indent = -1;
        return;
      }
      this.skipSpaces();
      const char = this.at(0);
      if (char === TAB) throw new NotPlain();
      if (char === NEWLINE || char === HASH) {
        this.pos = this.lineEnd() + 1;
        continue;
      }
      this.indent = Number.isNaN(char) || (this.pos === start && this.#isDocumentEnd()) ? -1 : this.pos - start;
      return;
    }
  }

  #isDocumentEnd(): boolean {
    return IS_END.test(this.text.slice(this.pos, this.pos + 4));
  }
}

export const isBreak = (char: number): boolean => char === SPACE || char === NEWLINE || Number.isNaN(char);
