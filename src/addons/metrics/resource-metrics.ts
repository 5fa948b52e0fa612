/**
 * What nodes and pods use: two looks at each kubelet make a rate. Looked at only while somebody asks, every 15 s; the first
 * who asks after a pause waits for two looks. Source: metrics-server, which this takes the place of.
 */
import type { Node, Pod } from '#api/generated/schema.ts';
import type { NodeMetrics, PodMetrics } from '#api/metrics/v1beta1/resource-metrics.ts';
import { type Clock, sleep } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { NodeSample } from './node-sample.ts';
import { type Looks, nodeMetricsOf, podMetricsOf } from './usage-figures.ts';

export interface ResourceMetricsOptions {
  clock: Clock;
  log: Log;
  signal: AbortSignal;
  nodes(): readonly Node[];
  /** By `namespace/name`. */
  pod(key: string): Pod | undefined;
  /** undefined: the node has nothing to say. Rejects when it cannot be reached. */
  scrape(node: Node): Promise<NodeSample | undefined>;
}

const EVERY_MS = 15_000;
/** Nobody has asked for so long: it is no longer worth the kubelets' time. */
const IDLE_MS = 120_000;
/** Between the first two looks. */
const FIRST_WINDOW_MS = 2_000;

export class ResourceMetrics {
  readonly #options: ResourceMetricsOptions;
  #looks = new Map<string, Looks>();
  #askedAtMs = 0;
  /** Runs while somebody asks. Resolves with the first two looks. */
  #watching: Promise<void> | undefined;

  constructor(options: ResourceMetricsOptions) {
    this.#options = options;
  }

  async nodes(): Promise<NodeMetrics[]> {
    await this.#watched();
    const { nodes, clock } = this.#options;
    return nodes().flatMap((node) => nodeMetricsOf(node, this.#looks.get(node.metadata.name), clock.now()));
  }

  async pods(): Promise<PodMetrics[]> {
    await this.#watched();
    const { pod, clock } = this.#options;
    return [...this.#looks.values()].flatMap((looks) => podMetricsOf(looks, { pod, nowMs: clock.now() }));
  }

  #watched(): Promise<void> {
    const { clock } = this.#options;
    this.#askedAtMs = clock.monotonicMs();
    this.#watching ??= this.#begin();
    return this.#watching;
  }

  async #begin(): Promise<void> {
    const { clock, signal } = this.#options;
    await this.#look();
    await sleep(clock, FIRST_WINDOW_MS, signal).catch(() => undefined); // aborted: what is there must do
    await this.#look();
    void this.#goOn();
  }

  async #goOn(): Promise<void> {
    const { clock, signal } = this.#options;
    while (!signal.aborted && clock.monotonicMs() - this.#askedAtMs < IDLE_MS) {
      await sleep(clock, EVERY_MS, signal).catch(() => undefined); // aborted: the loop ends
      if (!signal.aborted) await this.#look();
    }
    this.#looks = new Map();
    this.#watching = undefined;
  }

  async #look(): Promise<void> {
    const { nodes, scrape, log } = this.#options;
    const all = nodes();
    const next = await Promise.all(
      all.map(async (node): Promise<[string, Looks] | undefined> => {
        const { name } = node.metadata;
        const known = this.#looks.get(name);
        try {
          const sample = await scrape(node);
          return sample && [name, { before: known?.last, last: sample }];
        } catch (error) {
          // Sockets, certificates, refusals: that node has no figures now.
          log.warn('a node does not say what it uses', { node: name, error: (error as Error).message });
          return undefined;
        }
      }),
    );
    this.#looks = new Map(next.filter((each) => each !== undefined));
  }
}
