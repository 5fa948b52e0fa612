/** What two looks at each node make: the figures of metrics.k8s.io. Pure. */
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
import type { ContainerReading, NodeSample, Reading } from './node-sample.ts';

/** At one node, one after the other. */
export interface Looks {
  before: NodeSample | undefined;
  last: NodeSample;
}

/** Nothing for a node of which not enough is known. */
export function nodeMetricsOf(
  { metadata: { name, labels } }: Node,
  looks: Looks | undefined,
  nowMs: number,
): NodeMetrics[] {
  const measured = measure(looks?.before?.node, looks?.last.node);
  if (!measured) return [];
  return [{ ...HEAD, kind: 'NodeMetrics', metadata: metadataOf({ name, labels }, nowMs), ...measured }];
}

interface Known {
  /** By `namespace/name`. */
  pod(key: string): Pod | undefined;
  nowMs: number;
}

/** Of the pods on one node. */
export function podMetricsOf({ before, last }: Looks, { pod: podOf, nowMs }: Known): PodMetrics[] {
  const earlier = new Map((before?.containers ?? []).map((each) => [idOf(each), each]));
  const byPod = new Map<string, ContainerReading[]>();
  for (const each of last.containers) {
    const key = `${each.namespace}/${each.pod}`;
    byPod.set(key, [...(byPod.get(key) ?? []), each]);
  }
  return [...byPod].flatMap(([key, readings]): PodMetrics[] => {
    const pod = podOf(key);
    const measured = readings.map((each) => ({ name: each.name, ...measure(earlier.get(idOf(each)), each) }));
    const [first] = measured;
    // A pod of which one container is not known yet would look smaller than it is.
    if (!pod || !first?.timestamp || measured.some(({ usage }) => !usage)) return [];
    const { name, namespace, labels } = pod.metadata;
    const { timestamp, window = '' } = first;
    const containers = measured.flatMap(({ name: container, usage }) => (usage ? [{ name: container, usage }] : []));
    const metadata = metadataOf({ name, namespace, labels }, nowMs);
    return [{ ...HEAD, kind: 'PodMetrics', metadata, timestamp, window, containers }];
  });
}

const metadataOf = <T extends { labels?: Record<string, string> | undefined }>({ labels, ...who }: T, nowMs: number) =>
  ({ ...who, creationTimestamp: timestampOf(nowMs), ...(labels && { labels }) }) as never;

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
