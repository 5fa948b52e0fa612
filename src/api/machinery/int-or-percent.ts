/** A count, or a share of a total: `3`, `25%`. Source: API conventions, IntOrString. */

export type IntOrPercent = number | string;

/** The count that is meant, of `total`; undefined when the text is neither. */
export function countOf(value: IntOrPercent, total: number, round: 'up' | 'down'): number | undefined {
  if (typeof value === 'number') return value;
  const percent = percentOf(value);
  if (percent === undefined) return undefined;
  return round === 'up' ? Math.ceil((percent * total) / 100) : Math.floor((percent * total) / 100);
}

/** `25%` → 25. */
export const percentOf = (value: IntOrPercent): number | undefined =>
  typeof value === 'string' && /^\d{1,9}%$/.test(value) ? Number(value.slice(0, -1)) : undefined;
