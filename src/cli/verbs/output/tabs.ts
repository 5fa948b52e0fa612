/**
 * Text in columns: cells end with a tab, and a column is as wide as its widest cell among neighbouring lines that have it.
 * The last cell of a line belongs to no column. Source: Go's text/tabwriter ("elastic tabstops"), which kubectl prints with.
 */

export interface TabOptions {
  minWidth: number;
  padding: number;
}

export const TABLE_TABS: TabOptions = { minWidth: 6, padding: 3 };
export const DESCRIBE_TABS: TabOptions = { minWidth: 0, padding: 2 };

/** `text` with its tabs replaced by blanks. */
export const aligned = (text: string, options: TabOptions): string => new TabWriter(options).write(text);

/** Remembers how wide columns were, so that what comes later stands under what came before. */
export class TabWriter {
  readonly #options: TabOptions;
  readonly #remembered: number[] = [];

  constructor(options: TabOptions) {
    this.#options = options;
  }

  write(text: string, { remember = false } = {}): string {
    const isEnded = text.endsWith('\n');
    const lines = (isEnded ? text.slice(0, -1) : text).split('\n').map((line) => line.split('\t'));
    const printed: string[] = [];
    this.#format(lines, { printed, widths: [], from: 0, to: lines.length, remember });
    return printed.join('\n') + (isEnded ? '\n' : '');
  }

  #format(
    lines: readonly string[][],
    how: { printed: string[]; widths: readonly number[]; from: number; to: number; remember: boolean },
  ): void {
    const { printed, widths, to, remember } = how;
    const column = widths.length;
    const isInColumn = (at: number) => at < to && column < lines[at]!.length - 1;
    let from = how.from;
    for (let at = from; at < to; at++) {
      if (!isInColumn(at)) continue;
      for (; from < at; from++) printed.push(lineOf(lines[from]!, widths));
      let width = this.#options.minWidth;
      for (; isInColumn(at); at++) width = Math.max(width, [...lines[at]![column]!].length + this.#options.padding);
      if (remember) {
        width = Math.max(width, this.#remembered[column] ?? 0);
        this.#remembered[column] = width;
      }
      this.#format(lines, { printed, widths: [...widths, width], from, to: at, remember });
      from = at;
      at -= 1;
    }
    for (; from < to; from++) printed.push(lineOf(lines[from]!, widths));
  }
}

const lineOf = (cells: readonly string[], widths: readonly number[]): string =>
  cells
    .map((cell, index) => {
      const width = index < cells.length - 1 ? (widths[index] ?? 0) : 0;
      return cell + ' '.repeat(Math.max(0, width - [...cell].length));
    })
    .join('');
