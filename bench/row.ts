/** What every measure gives: one row a figure, beside the floor that was measured in the same run. */
export interface Row {
  /** `NAME`, or `NAME/CASE` where it shows how the figure grows. */
  measure: string;
  /** The figure to quote: a median, a rate or a size. */
  value: number;
  unit: Unit;
  /** Of one request, event or start: in ms, whatever the unit. */
  p50?: number;
  p99?: number;
  /** The same figure of the least that could do the job. */
  floor?: number;
  /** How many times worse than the floor: 1 is the floor. */
  ratio?: number;
  /** What the floor is. */
  note?: string;
  /** The most (of a rate: the least) that the design allows. */
  target?: number;
  /** What keeps it from being better. */
  limit?: string;
}

export type Unit = 'ms' | 'µs' | '1/s' | 'MB' | '%' | 'failed';

export interface Floor {
  value: number;
  note: string;
}

/** The value at or below which the share `q` of the values lies (nearest rank); NaN when there are none. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? Number.NaN;
}

export const median = (values: readonly number[]): number => quantile(values, 0.5);

/** A row of durations in ms; the median is what is quoted. */
export function timesRow(measure: string, times: readonly number[], floor?: Floor): Row {
  return sizeRow(measure, 'ms', { value: median(times), floor, ...spread(times) });
}

/** A row of a figure of which less is better. */
export function sizeRow(
  measure: string,
  unit: Unit,
  { value, floor, p50, p99 }: { value: number; floor?: Floor; p50?: number; p99?: number },
): Row {
  const row: Row = { measure, value, unit, ...(p50 !== undefined && { p50, p99 }) };
  return floor ? { ...row, floor: floor.value, ratio: value / floor.value, note: floor.note } : row;
}

/** A row of a rate, of which more is better. `times`: what a single one of them took, in ms. */
export function rateRow(
  measure: string,
  { perSecond, times, floor }: { perSecond: number; times?: readonly number[]; floor?: Floor },
): Row {
  const row: Row = { measure, value: perSecond, unit: '1/s', ...(times && spread(times)) };
  return floor ? { ...row, floor: floor.value, ratio: floor.value / perSecond, note: floor.note } : row;
}

const spread = (times: readonly number[]) => ({ p50: quantile(times, 0.5), p99: quantile(times, 0.99) });

const COLUMNS = ['measure', 'value', 'unit', 'p50', 'p99', 'floor', 'ratio'] as const;

/** One line of JSON with always the same keys; null where there is no figure. */
export const jsonLine = (row: Row): string =>
  JSON.stringify(Object.fromEntries(COLUMNS.map((column) => [column, numberOrText(row[column])])));

function numberOrText(cell: string | number | undefined): string | number | null {
  if (typeof cell !== 'number') return cell ?? null;
  return Number.isFinite(cell) ? Number(cell.toPrecision(6)) : null;
}
