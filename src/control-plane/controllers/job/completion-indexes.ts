/** Sets of completion indexes as a Job's status writes them: `0,3-5,7,8`. Immutable. Source: API reference, JobStatus. */
type Interval = readonly [first: number, last: number];

export class CompletionIndexes {
  /** In order, neither overlapping nor touching. */
  readonly #intervals: readonly Interval[];

  private constructor(intervals: readonly Interval[]) {
    this.#intervals = intervals;
  }

  static readonly none = new CompletionIndexes([]);

  /** What is not written as it should be is left out, and what is not below `completions`. */
  static parse(text: string | undefined, completions: number): CompletionIndexes {
    if (!text) return CompletionIndexes.none;
    const intervals = text.split(',').flatMap((part): Interval[] => {
      const match = /^(\d+)(?:-(\d+))?$/.exec(part);
      if (!match) return [];
      const first = Number(match[1]);
      const last = Math.min(Number(match[2] ?? match[1]), completions - 1);
      return first <= last ? [[first, last]] : [];
    });
    return new CompletionIndexes(merged(intervals));
  }

  static of(indexes: Iterable<number>): CompletionIndexes {
    return new CompletionIndexes(merged([...indexes].map((index): Interval => [index, index])));
  }

  get size(): number {
    return this.#intervals.reduce((sum, [first, last]) => sum + last - first + 1, 0);
  }

  has(index: number): boolean {
    return this.#intervals.some(([first, last]) => first <= index && index <= last);
  }

  with(others: CompletionIndexes): CompletionIndexes {
    return new CompletionIndexes(merged([...this.#intervals, ...others.#intervals]));
  }

  /** How many are in both. */
  overlap(others: CompletionIndexes): number {
    let count = 0;
    for (const [first, last] of this.#intervals)
      for (const [from, to] of others.#intervals) count += Math.max(0, Math.min(last, to) - Math.max(first, from) + 1);
    return count;
  }

  toString(): string {
    return this.#intervals.map(([first, last]) => (first === last ? `${first}` : pair(first, last))).join(',');
  }
}

const pair = (first: number, last: number): string => `${first}${first + 1 === last ? ',' : '-'}${last}`;

function merged(intervals: Interval[]): Interval[] {
  const result: [number, number][] = [];
  for (const [first, last] of intervals.sort(([a], [b]) => a - b)) {
    const previous = result.at(-1);
    if (previous && first <= previous[1] + 1) previous[1] = Math.max(previous[1], last);
    else result.push([first, last]);
  }
  return result;
}
