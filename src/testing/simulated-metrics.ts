/**
 * metrics.k8s.io of a test cluster. What pods on paper use is data: both looks that make a figure are taken when somebody asks, and
 * nobody waits for the time between them.
 */
import { type Looks, nodeMetricsOf, podMetricsOf } from '#addons/metrics/usage-figures.ts';
import { Node } from '#api/core/v1/node.ts';
import { Pod } from '#api/core/v1/pod.ts';
import type { NodeMetrics, PodMetrics } from '#api/metrics/v1beta1/resource-metrics.ts';
import type { Clock } from '#base/clock.ts';
import type { SharedInformers } from '#client/informers.ts';
import type { ResourceMetricsSource } from '#control-plane/apiserver/registry/resource-metrics.ts';
import type { SimulatedNodes } from '#node/simulated/simulated-nodes.ts';
import { UsageMeter } from '#node/simulated/usage-meter.ts';

export interface SimulatedMetricsOptions {
  clock: Clock;
  /** Those that there are when somebody asks. */
  simulated: readonly SimulatedNodes[];
  informers(): SharedInformers;
}

/** Source: metrics-server, --metric-resolution. */
const WINDOW_MS = 15_000;
const nodeNameOf = ({ spec }: Pod): string | undefined => spec.nodeName;

export class SimulatedMetrics implements ResourceMetricsSource {
  readonly #options: SimulatedMetricsOptions;

  constructor(options: SimulatedMetricsOptions) {
    this.#options = options;
  }

  async nodes(): Promise<NodeMetrics[]> {
    const { clock, informers } = this.#options;
    const nodes = informers().for(Node).list();
    return nodes.flatMap((node) => nodeMetricsOf(node, this.#looksAt(node.metadata.name), clock.now()));
  }

  async pods(): Promise<PodMetrics[]> {
    const { clock, informers, simulated } = this.#options;
    const pods = informers().for(Pod);
    const looks = simulated.flatMap(({ names }) => names.flatMap((name) => this.#looksAt(name) ?? []));
    return looks.flatMap((each) => podMetricsOf(each, { pod: (key) => pods.get(key), nowMs: clock.now() }));
  }

  /** undefined for a node that is not simulated, or does not work. */
  #looksAt(name: string): Looks | undefined {
    const { clock, simulated, informers } = this.#options;
    const nodes = simulated.find((some) => some.member(name));
    const member = nodes?.member(name);
    if (!member || nodes?.isStopped(name)) return undefined;
    const pods = informers().indexed(Pod, nodeNameOf).under(name);
    const nowMs = clock.now();
    const meter = new UsageMeter();
    const at = (ms: number) => meter.read(pods, member.rules, ms);
    return { before: at(nowMs - WINDOW_MS), last: at(nowMs) };
  }
}
