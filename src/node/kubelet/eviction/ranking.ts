/** Whom it hits first: who uses more than it asked for, then by priority, then by how much more. Pure. */
import { podRequests } from '#api/core/v1/pod-resources.ts';
import type { Pod } from '#api/generated/schema.ts';
import { quantityValue } from '#api/machinery/quantity.ts';
import type { ShortResource } from './thresholds.ts';
import type { PodUsage } from './usage.ts';

type Amount = (usage: PodUsage) => number;
const USED: Record<ShortResource, Amount> = {
  memory: ({ memoryBytes }) => memoryBytes,
  'ephemeral-storage': ({ diskBytes }) => diskBytes,
  inodes: ({ inodes }) => inodes,
  pids: ({ processes }) => processes,
};

/** @returns the first is to go first */
export function ranked(
  pods: readonly Pod[],
  resource: ShortResource,
  usageOf: (pod: Pod) => PodUsage | undefined,
): Pod[] {
  const keyed = pods.map((pod) => {
    const usage = usageOf(pod);
    const asked = quantityValue(podRequests(pod.spec)[resource]);
    const used = usage ? USED[resource](usage) : undefined;
    return {
      pod,
      // Of whom nothing is known goes before all others, as upstream does it.
      exceeds: resource === 'pids' ? 0 : used === undefined || used > asked ? 0 : 1,
      priority: pod.spec.priority ?? 0,
      excess: used === undefined ? Number.POSITIVE_INFINITY : used - asked,
    };
  });
  const byExcess = (a: number, b: number) => (a === b ? 0 : b - a);
  return keyed
    .sort((a, b) => a.exceeds - b.exceeds || a.priority - b.priority || byExcess(a.excess, b.excess))
    .map(({ pod }) => pod);
}
