/** Rows as a table in Markdown that also reads well on a terminal. */
import type { Row } from './row.ts';

const HEAD = ['measure', 'value', 'unit', 'p50 ms', 'p99 ms', 'floor', 'ratio', 'target', 'floor is'];
const TEXT_COLUMNS = [0, 2, 7, 8];

export function table(rows: readonly Row[]): string {
  const body = rows.map((row) => [
    row.measure,
    figure(row.value),
    row.unit,
    figure(row.p50),
    figure(row.p99),
    figure(row.floor),
    figure(row.ratio),
    targetOf(row),
    row.note ?? '',
  ]);
  const widths = HEAD.map((title, i) => Math.max(title.length, ...body.map((cells) => cells[i]?.length ?? 0)));
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, i) => padded(cell, i, widths[i] ?? 0)).join(' | ')} |`;
  const rule = widths.map((width, i) =>
    TEXT_COLUMNS.includes(i) ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`,
  );
  return [line(HEAD), `|${rule.join('|')}|`, ...body.map(line)].join('\n');
}

const padded = (cell: string, column: number, width: number): string =>
  TEXT_COLUMNS.includes(column) ? cell.padEnd(width) : cell.padStart(width);

/** Three digits that count. */
function figure(value: number | undefined): string {
  if (value === undefined || Number.isNaN(value)) return '';
  if (Math.abs(value) >= 100) return value.toFixed(0);
  return value.toFixed(Math.abs(value) >= 10 ? 1 : 2);
}

function targetOf({ target, value, unit }: Row): string {
  if (target === undefined) return '';
  const isRate = unit === '1/s';
  const isMet = isRate ? value >= target : value <= target;
  return `${isRate ? '≥' : '≤'} ${Number.isInteger(target * 100) ? target : figure(target)} ${isMet ? 'met' : 'missed'}`;
}
