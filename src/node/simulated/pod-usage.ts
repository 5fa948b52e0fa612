/** What a simulated node and its pods use, from what the data says, in the form of a look at a kubelet's counters. Pure. */
import type { Pod } from '#api/generated/schema.ts';
import type { SimulatedPodRule } from '#api/kedge/v1alpha1/simulated-node-pool.ts';
import { parseQuantity } from '#api/machinery/quantity.ts';
import { behaviourOf } from './pod-behaviour.ts';
import { startedAtOf } from './simulated-pod.ts';

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
  node: UsageReading;
  containers: ContainerUsage[];
}

/** `sinceMs`: when the counters of the node began. */
export function usageOf(
  pods: readonly Pod[],
  rules: readonly SimulatedPodRule[],
  { nowMs, sinceMs }: { nowMs: number; sinceMs: number },
): NodeUsage {
  const containers = pods.flatMap((pod) => usageOfPod(pod, rules, nowMs));
  const sum = (of: (container: ContainerUsage) => number) =>
    containers.reduce((total, container) => total + of(container), 0);
  // A counter of the node must not go back when a pod ends: it grows at the pace of what runs now.
  const cores = sum(({ cpuSeconds, startMs }) => (nowMs > startMs ? cpuSeconds / ((nowMs - startMs) / 1000) : 0));
  const cpuSeconds = (cores * (nowMs - sinceMs)) / 1000;
  return { node: { cpuSeconds, memoryBytes: sum(({ memoryBytes }) => memoryBytes), atMs: nowMs }, containers };
}

function usageOfPod(pod: Pod, rules: readonly SimulatedPodRule[], nowMs: number): ContainerUsage[] {
  const startMs = Date.parse(startedAtOf(pod) ?? '');
  if (Number.isNaN(startMs)) return [];
  const { usage = {} } = behaviourOf(pod, rules);
  const cpuSeconds = (amount(usage.cpu) * Math.max(0, nowMs - startMs)) / 1000;
  const memoryBytes = amount(usage.memory);
  const { namespace = '', name } = pod.metadata;
  return pod.spec.containers.map((container) => ({
    namespace,
    pod: name,
    name: container.name,
    startMs,
    cpuSeconds,
    memoryBytes,
    atMs: nowMs,
  }));
}

const amount = (quantity: string | number | undefined): number =>
  quantity === undefined ? 0 : Number(parseQuantity(quantity)?.nanos ?? 0n) / 1e9;
