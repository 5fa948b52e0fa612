/** Observations by how large they were, in buckets, as Prometheus' histograms are. */

/** How many observations ended within each bound and not within the one before; the last is for what is beyond. */
export class Distribution {
  /** The least first. */
  readonly bounds: readonly number[];
  readonly counts: number[];
  sum = 0;
  count = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = emptyBuckets(bounds);
  }

  observe(value: number): void {
    this.sum += value;
    this.count++;
    this.counts[bucketOf(value, this.bounds)]!++;
  }
}

/** One more than there are bounds. */
export const emptyBuckets = (bounds: readonly number[]): number[] => new Array<number>(bounds.length + 1).fill(0);

/** The place of the bucket that a value belongs to: a bound is within its own. */
export function bucketOf(value: number, bounds: readonly number[]): number {
  let at = 0;
  while (at < bounds.length && value > bounds[at]!) at++;
  return at;
}

/** How many observations were no larger than each bound, and then all of them: what `le` means. */
export function runningTotals(counts: readonly number[]): number[] {
  let within = 0;
  return counts.map((count) => {
    within += count;
    return within;
  });
}
