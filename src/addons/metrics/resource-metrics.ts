/**
 * What nodes and pods use: two looks at each kubelet make a rate. Looked at only while somebody asks, every 15 s; the first
 * who asks after a pause waits for two looks. Source: metrics-server, which this takes the place of.
 */
import type { Node, Pod } from '#api/generated/schema.ts';
import { formatQuantity } from '#api/machinery/quantity.ts';
import { timestampOf } from '#api/machinery/timestamp.ts';
import {
  METRICS_GROUP,
  METRICS_VERSION,
  type NodeMetrics,
  type PodMetrics,
  type UsageAmounts,
} from '#api/metrics/v1beta1/resource-metrics.ts';
import { type Clock, sleep } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { ContainerReading, NodeSample, Reading } from './node-sample.ts';

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

interface Looks {
  before: NodeSample | undefined;
  last: NodeSample;
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
    return this.#options.nodes().flatMap(({ metadata: { name, labels } }): NodeMetrics[] => {
      const { before, last } = this.#looks.get(name) ?? {};
      const measured = measure(before?.node, last?.node);
      if (!measured) return [];
      return [{ ...HEAD, kind: 'NodeMetrics', metadata: this.#metadata({ name, labels }), ...measured }];
    });
  }

  async pods(): Promise<PodMetrics[]> {
    await this.#watched();
    return [...this.#looks.values()].flatMap((looks) => this.#podsOf(looks));
  }

  #podsOf({ before, last }: Looks): PodMetrics[] {
    const earlier = new Map((before?.containers ?? []).map((each) => [idOf(each), each]));
    const byPod = new Map<string, ContainerReading[]>();
    for (const each of last.containers) {
      const key = `${each.namespace}/${each.pod}`;
      byPod.set(key, [...(byPod.get(key) ?? []), each]);
    }
    return [...byPod].flatMap(([key, readings]): PodMetrics[] => {
      const pod = this.#options.pod(key);
      const measured = readings.map((each) => ({ name: each.name, ...measure(earlier.get(idOf(each)), each) }));
      const [first] = measured;
      // A pod of which one container is not known yet would look smaller than it is.
      if (!pod || !first?.timestamp || measured.some(({ usage }) => !usage)) return [];
      const { name, namespace, labels } = pod.metadata;
      const { timestamp, window = '' } = first;
      const containers = measured.flatMap(({ name: container, usage }) => (usage ? [{ name: container, usage }] : []));
      const metadata = this.#metadata({ name, namespace, labels });
      return [{ ...HEAD, kind: 'PodMetrics', metadata, timestamp, window, containers }];
    });
  }

  #metadata<T extends { labels?: Record<string, string> | undefined }>({ labels, ...who }: T) {
    return { ...who, creationTimestamp: timestampOf(this.#options.clock.now()), ...(labels && { labels }) } as never;
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

const HEAD = { apiVersion: `${METRICS_GROUP}/${METRICS_VERSION}` } as const;

const idOf = ({ namespace, pod, name }: ContainerReading): string => `${namespace}/${pod}/${name}`;

interface Measured {
  timestamp: string;
  window: string;
  usage: UsageAmounts;
}

/** A container that began between two looks is measured from its beginning, once it has run for a while. */
function measure(
  before: Reading | undefined,
  last: (Reading & { startMs?: number | undefined }) | undefined,
): Measured | undefined {
  if (!last) return undefined;
  const isSame = before !== undefined && last.cpuSeconds >= before.cpuSeconds && last.atMs > before.atMs;
  const began = last.startMs !== undefined && (!before || last.startMs > before.atMs) ? last.startMs : undefined;
  const from = began !== undefined ? { atMs: began, cpuSeconds: 0 } : isSame ? before : undefined;
  if (!from || last.atMs <= from.atMs) return undefined;
  const windowMs = last.atMs - from.atMs;
  const nanoCores = Math.max(0, Math.round(((last.cpuSeconds - from.cpuSeconds) / windowMs) * 1e12));
  return {
    timestamp: timestampOf(last.atMs),
    window: `${Number((windowMs / 1000).toFixed(3))}s`,
    usage: { cpu: `${nanoCores}n`, memory: memoryText(last.memoryBytes) },
  };
}

/** In kibibytes, as metrics-server says it. */
const memoryText = (bytes: number): string =>
  bytes % 1024 === 0
    ? `${bytes / 1024}Ki`
    : formatQuantity({ nanos: BigInt(Math.round(bytes)) * 1_000_000_000n, format: 'BinarySI' });
