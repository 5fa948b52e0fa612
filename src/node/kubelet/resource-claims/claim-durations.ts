/** How long it takes to make claims ready and to give them back: for a pod, and for each call to a driver. */
import type { Clock } from '#base/clock.ts';
import { Distribution } from '#base/distribution.ts';

/** Prometheus' own, in seconds. */
const BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

type Labels = Readonly<Record<string, string>>;

export class ClaimDurations {
  readonly #clock: Clock;
  readonly #operations = new Map<string, { labels: Labels; durations: Distribution }>();
  readonly #calls = new Map<string, { labels: Labels; durations: Distribution }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Of all claims of a pod, also where it has none. */
  async operation<T>(name: 'PrepareResources' | 'UnprepareResources', act: () => Promise<T>): Promise<T> {
    const began = this.#clock.monotonicMs();
    let isError = true;
    try {
      const result = await act();
      isError = false;
      return result;
    } finally {
      const labels = { is_error: String(isError), operation_name: name };
      add(this.#operations, labels, this.#clock.monotonicMs() - began);
    }
  }

  /** @param code as Go prints it: `OK`, `DeadlineExceeded` */
  called(driver: string, { method, code, ms }: { method: string; code: string; ms: number }): void {
    add(this.#calls, { driver_name: driver, grpc_status_code: code, method_name: method }, ms);
  }

  get operations(): { labels: Labels; durations: Distribution }[] {
    return [...this.#operations.values()];
  }

  get calls(): { labels: Labels; durations: Distribution }[] {
    return [...this.#calls.values()];
  }
}

function add(series: Map<string, { labels: Labels; durations: Distribution }>, labels: Labels, ms: number): void {
  const key = Object.values(labels).join('\n');
  const known = series.get(key) ?? { labels, durations: new Distribution(BOUNDS) };
  series.set(key, known);
  known.durations.observe(ms / 1000);
}
