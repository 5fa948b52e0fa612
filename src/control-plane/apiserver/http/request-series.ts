/** Counts of requests by what they are about. Kept here and not by prom-client, which checks and hashes all labels each time. */
import { Histogram } from 'prom-client';
import { Distribution } from '#base/distribution.ts';

const WHAT = ['group', 'version', 'resource', 'subresource', 'scope'] as const;
/** Of requests that write, some are only tried. */
export const LABELS = ['verb', 'dry_run', ...WHAT, 'component'] as const;
export const LONG_LABELS = ['verb', ...WHAT, 'component'] as const;
export type RequestLabels = Readonly<Record<'verb' | 'dry_run' | (typeof WHAT)[number], string>>;

/** The value of the label `component` in all of them. */
const COMPONENT = 'apiserver';

// Upstream's: seconds from 5 ms to a minute.
const BUCKETS = [0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60];
// Upstream's, of the time without what others took.
const FIRST_OWN = BUCKETS.indexOf(0.05);
const OWN_BUCKETS = BUCKETS.slice(FIRST_OWN);
// Upstream's: from 1 kB to 1 GB.
const SIZES = Array.from({ length: 7 }, (_, power) => 1_000 * 10 ** power);
/** Names in a path are the caller's choice, and nobody has looked at them yet when a request is counted. */
const MAX_SERIES = 5_000;

export class RequestSeries {
  readonly labels: RequestLabels & { component: string };
  readonly isLong: boolean;
  readonly isReading: boolean;
  readonly codes = new Map<number, number>();
  /** Requests that are being answered. */
  open = 0;
  seconds = 0;
  finished = 0;
  /** Bytes of the answers to who reads. */
  readonly sizes = new Distribution(SIZES);
  /** How many of the finished ended within each bound, and not within the one before. */
  readonly buckets = new Array<number>(BUCKETS.length).fill(0);
  /** What is to be added to them, and to the seconds, to have the time of requests without what others took of it. */
  readonly moved = new Array<number>(BUCKETS.length).fill(0);
  elsewhereSeconds = 0;

  constructor(labels: RequestLabels) {
    this.labels = { ...labels, component: COMPONENT };
    this.isLong = labels.verb === 'WATCH' || labels.verb === 'CONNECT';
    this.isReading = labels.verb === 'GET' || labels.verb === 'LIST' || labels.verb === 'WATCH';
  }

  answered(code: number): void {
    this.codes.set(code, (this.codes.get(code) ?? 0) + 1);
  }

  sent(bytes: number): void {
    if (this.isReading && !this.isLong) this.sizes.observe(bytes);
  }

  /** `elsewhere`: the part of it that others took. */
  took(seconds: number, elsewhere = 0): void {
    this.seconds += seconds;
    this.finished++;
    const bucket = BUCKETS.findIndex((bound) => seconds <= bound);
    if (bucket >= 0) this.buckets[bucket]!++;
    if (elsewhere <= 0) return;
    this.elsewhereSeconds += elsewhere;
    if (bucket >= 0) this.moved[bucket]!--;
    const without = BUCKETS.findIndex((bound) => seconds - elsewhere <= bound);
    if (without >= 0) this.moved[without]!++;
  }

  addOwnTime(time: Distribution): void {
    let within = 0;
    for (const [i, count] of this.buckets.entries()) {
      const own = count + this.moved[i]!;
      time.counts[Math.max(0, i - FIRST_OWN)]! += own;
      within += own;
    }
    time.counts[OWN_BUCKETS.length]! += this.finished - within;
    time.count += this.finished;
    time.sum += this.seconds - this.elsewhereSeconds;
  }
}

export const withoutDryRun = ({ dry_run: _, ...labels }: RequestSeries['labels']): Record<string, string> => labels;

export class AllRequestSeries implements Iterable<RequestSeries> {
  readonly #byKey = new Map<string, RequestSeries>();

  /** Beyond so many, those that are new are counted by their verb alone. */
  of(labels: RequestLabels): RequestSeries {
    const { verb, dry_run, group, version, resource, subresource, scope } = labels;
    const key = `${verb} ${dry_run} ${scope} ${subresource} ${resource} ${version} ${group}`;
    const there = this.#byKey.get(key);
    if (there) return there;
    if (this.#byKey.size >= MAX_SERIES && resource !== '') return this.of(unnamed(verb));
    const made = new RequestSeries(labels);
    this.#byKey.set(key, made);
    return made;
  }

  /** Of this server alone, by labels; those that are only tried are among the others. */
  ownTimes(): [Record<string, string>, Distribution][] {
    const times = new Map<string, [Record<string, string>, Distribution]>();
    for (const series of this.#byKey.values()) {
      if (series.finished === 0) continue;
      const labels = withoutDryRun(series.labels);
      const key = Object.values(labels).join(' ');
      const [, time] = times.get(key) ?? [labels, new Distribution(OWN_BUCKETS)];
      series.addOwnTime(time);
      times.set(key, [labels, time]);
    }
    return [...times.values()];
  }

  [Symbol.iterator](): Iterator<RequestSeries> {
    return this.#byKey.values();
  }
}

export const unnamed = (verb: string): RequestLabels => ({
  verb,
  dry_run: '',
  group: '',
  version: '',
  resource: '',
  subresource: '',
  scope: '',
});

type Said = Awaited<ReturnType<Histogram['get']>>;

/** prom-client's in name and form; what it says is counted in the series. */
export class SecondsHistogram extends Histogram {
  readonly #name: string;
  readonly #series: Iterable<RequestSeries>;
  /** Has no values: for the rest of what is said. */
  readonly #empty: Histogram;

  constructor(options: { name: string; help: string }, series: Iterable<RequestSeries>) {
    super({ ...options, registers: [] });
    this.#name = options.name;
    this.#series = series;
    this.#empty = new Histogram({ ...options, registers: [] });
  }

  override async get(): Promise<Said> {
    const values = [...this.#series].filter(({ finished }) => finished > 0).flatMap((series) => this.#valuesOf(series));
    return { ...(await this.#empty.get()), values };
  }

  /** The registry prefers it to `get`. */
  getForPromString(): Promise<Said> {
    return this.get();
  }

  #valuesOf({ labels, buckets, seconds, finished }: RequestSeries): Said['values'] {
    const name = this.#name;
    let within = 0;
    const bounded = BUCKETS.map((le, at) => {
      within += buckets[at]!;
      return { metricName: `${name}_bucket`, labels: { le, ...labels }, value: within };
    });
    return [
      ...bounded,
      { metricName: `${name}_bucket`, labels: { le: '+Inf', ...labels }, value: finished },
      { metricName: `${name}_sum`, labels, value: seconds },
      { metricName: `${name}_count`, labels, value: finished },
    ];
  }
}
