/** Indexes of a Job as text: `1,3-5,7`. They rise, and stand below the number of completions. Source: API reference, batch/v1. */

/** From and to, both included. */
export type IndexRange = readonly [number, number];
export type ParsedIndexes = { count: number } | { problem: string };

/** `problem` in upstream's words. */
export function parseIndexes(text: string, completions: number): ParsedIndexes {
  let count = 0;
  let last = Number.NEGATIVE_INFINITY;
  for (const part of partsOf(text)) {
    const range = parseRange(part, completions);
    if ('problem' in range) return range;
    const [from, to] = range;
    if (last >= from) return { problem: falls(last, from) };
    last = to;
    count += to - from + 1;
  }
  return { count };
}

/** The first index that stands in both; what cannot be read is passed over. */
export function commonIndex(one: string, other: string, completions: number): number | undefined {
  const [left, right] = [one, other].map((text) =>
    partsOf(text).flatMap((part) => {
      const range = parseRange(part, completions);
      return 'problem' in range ? [] : [range];
    }),
  ) as [IndexRange[], IndexRange[]];
  let [i, j] = [0, 0];
  while (i < left.length && j < right.length) {
    const [[a, b], [c, d]] = [left[i]!, right[j]!];
    if (a <= d && c <= b) return Math.max(a, c);
    if (a <= c) i += 1;
    else j += 1;
  }
  return undefined;
}

const partsOf = (text: string): string[] => (text === '' ? [] : text.split(','));
const falls = (previous: number, current: number) => `non-increasing order, previous: ${previous}, current: ${current}`;

function parseRange(text: string, completions: number): IndexRange | { problem: string } {
  const ends = text.split('-');
  if (ends.length > 2) {
    const rule = "violates the requirement that an index interval can have at most two parts separated by '-'";
    return { problem: `the fragment ${JSON.stringify(text)} ${rule}` };
  }
  for (const end of ends) {
    if (!/^[+-]?\d{1,18}$/.test(end))
      return { problem: `cannot convert string to integer for index: ${JSON.stringify(end)}` };
    if (Number(end) >= completions) return { problem: `too large index: ${JSON.stringify(end)}` };
  }
  const [from = 0, to = from] = ends.map(Number);
  return ends.length > 1 && from >= to ? { problem: falls(from, to) } : [from, to];
}
