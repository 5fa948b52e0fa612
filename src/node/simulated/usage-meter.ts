/** The counters of one simulated node and its containers, as its kubelet would tell them: they grow, and never go back. */
import type { Pod } from '#api/generated/schema.ts';
import type { SimulatedPodRule } from '#api/kedge/v1alpha1/simulated-node-pool.ts';
import { type ContainerRun, runsOf } from './container-runs.ts';

export interface UsageReading {
  /** Since `startMs`, in seconds of a core. */
  cpuSeconds: number;
  memoryBytes: number;
  /** In ms since the epoch. */
  atMs: number;
}

export interface ContainerUsage extends UsageReading {
  namespace: string;
  pod: string;
  name: string;
  startMs: number;
}

export interface NodeUsage {
  /** All that ran on it, also what has gone. */
  node: UsageReading;
  /** Those that run. */
  containers: ContainerUsage[];
}

/** Grows evenly from a point, as long as nobody says that it is to use more or less. */
interface Counter {
  fromMs: number;
  fromSeconds: number;
  cores: number;
  /** As it was read last. */
  seconds: number;
}

export class UsageMeter {
  #counters = new Map<string, Counter>();
  /** What those have used that are no more. */
  #goneSeconds = 0;
  #lastMs = 0;

  read(pods: readonly Pod[], rules: readonly SimulatedPodRule[], nowMs: number): NodeUsage {
    const runs = pods.flatMap((pod) => runsOf(pod, rules));
    const counters = new Map(runs.map((run) => [run.id, this.#read(run, nowMs)]));
    for (const [id, { seconds }] of this.#counters) if (!counters.has(id)) this.#goneSeconds += seconds;
    this.#counters = counters;
    this.#lastMs = nowMs;
    const containers = runs
      .filter(({ endMs }) => endMs === undefined)
      .map(({ id, cores: _cores, endMs: _endMs, ...run }) => ({
        ...run,
        cpuSeconds: counters.get(id)?.seconds ?? 0,
        atMs: nowMs,
      }));
    const cpuSeconds = sum(counters.values(), ({ seconds }) => seconds) + this.#goneSeconds;
    return {
      node: { cpuSeconds, memoryBytes: sum(containers, ({ memoryBytes }) => memoryBytes), atMs: nowMs },
      containers,
    };
  }

  #read({ id, startMs, endMs = Number.POSITIVE_INFINITY, cores }: ContainerRun, nowMs: number): Counter {
    const known = this.#counters.get(id);
    let { fromMs, fromSeconds } = known ?? { fromMs: startMs, fromSeconds: 0 };
    if (known && known.cores !== cores) [fromMs, fromSeconds] = [this.#lastMs, known.seconds];
    const grown = (cores * Math.max(0, Math.min(nowMs, endMs) - fromMs)) / 1000;
    const seconds = Math.max(known?.seconds ?? 0, fromSeconds + grown); // a clock may be set back
    return { fromMs, fromSeconds, cores, seconds };
  }
}

const sum = <T>(all: Iterable<T>, of: (one: T) => number): number => {
  let total = 0;
  for (const one of all) total += of(one);
  return total;
};
