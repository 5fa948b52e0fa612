/** A place in a YAML text, and what is told of it where nobody can go on. */

/** At a line from 0 on. */
export class YamlComplaint extends Error {
  readonly line: number;

  constructor(message: string, line: number) {
    super(message);
    this.line = line;
  }
}

export const isBlank = (char: string | undefined): boolean => char === ' ' || char === '\t';
export const isBreak = (char: string | undefined): boolean => char === '\n' || char === '\r';
export const isSpace = (char: string | undefined): boolean => char === undefined || isBlank(char) || isBreak(char);

export class YamlCursor {
  readonly #text: string;
  at = 0;
  /** From 0 on, as columns are. */
  line = 0;
  column = 0;

  constructor(text: string) {
    this.#text = text.replace(/^\ufeff/, '');
  }

  /** undefined: the end of the text. */
  get char(): string | undefined {
    return this.#text[this.at];
  }

  get behind(): string | undefined {
    return this.#text[this.at + 1];
  }

  /** From `start` to here. */
  since(start: number): string {
    return this.#text.slice(start, this.at);
  }

  /** What comes next, as far as a pattern that starts with `^` may look. */
  ahead(length: number): string {
    return this.#text.slice(this.at, this.at + length);
  }

  complain(message: string): never {
    throw new YamlComplaint(message, this.line);
  }

  skip(count = 1): void {
    this.at += count;
    this.column += count;
  }

  skipBreak(): void {
    this.at += this.#text.startsWith('\r\n', this.at) ? 2 : 1;
    this.line++;
    this.column = 0;
  }

  skipLine(): void {
    while (this.char !== undefined && !isBreak(this.char)) this.skip();
  }

  /** Also where the text ends within it. */
  toNextLine(): void {
    if (this.column === 0) return;
    this.column = 0;
    this.line++;
  }

  get isAtDocumentMark(): boolean {
    if (this.column > 0) return false;
    const mark = this.ahead(3);
    return (mark === '---' || mark === '...') && isSpace(this.#text[this.at + 3]);
  }
}
