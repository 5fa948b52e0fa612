/** Distributions as `/metrics` shows them. */
import { Histogram } from 'prom-client';
import { type Distribution, runningTotals } from '#base/distribution.ts';

type Labels = Record<string, string>;
type Said = Awaited<ReturnType<Histogram['get']>>;

export class DistributionHistogram extends Histogram {
  readonly #name: string;
  readonly #samples: () => [Labels, Distribution][];
  /** Has no values: for the rest of what is said. */
  readonly #empty: Histogram;

  constructor(options: { name: string; help: string }, samples: () => [Labels, Distribution][]) {
    super({ ...options, registers: [] });
    this.#name = options.name;
    this.#samples = samples;
    this.#empty = new Histogram({ ...options, registers: [] });
  }

  override async get(): Promise<Said> {
    const used = this.#samples().filter(([, { count }]) => count > 0);
    return { ...(await this.#empty.get()), values: used.flatMap(([labels, seen]) => this.#valuesOf(labels, seen)) };
  }

  /** The registry prefers it to `get`. */
  getForPromString(): Promise<Said> {
    return this.get();
  }

  #valuesOf(labels: Labels, { bounds, counts, sum, count }: Distribution): Said['values'] {
    const name = this.#name;
    const totals = runningTotals(counts);
    const bounded = bounds.map((le, i) => {
      return { metricName: `${name}_bucket`, labels: { le, ...labels }, value: totals[i]! };
    });
    return [
      ...bounded,
      { metricName: `${name}_bucket`, labels: { le: '+Inf', ...labels }, value: count },
      { metricName: `${name}_sum`, labels, value: sum },
      { metricName: `${name}_count`, labels, value: count },
    ];
  }
}
