/** How long things took, in buckets, as Prometheus' histograms are. */
export class Durations {
  /** Upper ends in seconds, the least first. */
  readonly bounds: readonly number[];
  /** How many took no longer than each bound, and longer than the one before; the last for all that took longer. */
  readonly counts: number[];
  seconds = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = new Array<number>(bounds.length + 1).fill(0);
  }

  add(ms: number): void {
    const seconds = ms / 1000;
    const at = this.bounds.findIndex((bound) => seconds <= bound);
    const bucket = at < 0 ? this.bounds.length : at;
    this.counts[bucket] = (this.counts[bucket] ?? 0) + 1;
    this.seconds += seconds;
  }
}
