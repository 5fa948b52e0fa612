/** Prefers nodes where the shares of cpu and memory in use stay alike, so that neither is left over without the other. */
import type { Pod } from '#api/core/v1/pod.ts';
import { definePlugin } from '../define-plugin.ts';
import type { NodeInfo } from '../node-info.ts';
import { CPU, MEMORY, requestsOf } from '../resources.ts';

export const balancedAllocation = definePlugin({
  name: 'NodeResourcesBalancedAllocation',
  weight: 1,

  // What asks for nothing changes no balance.
  prepareScore: (pod) => (requestsOf(pod).common[CPU] || requestsOf(pod).common[MEMORY] ? undefined : 'skip'),

  score(pod, node) {
    const cpu = shareOf(CPU, pod, node);
    const memory = shareOf(MEMORY, pod, node);
    // The standard deviation of two numbers is half of what is between them.
    return Math.floor((1 - Math.abs(cpu - memory) / 2) * 100);
  },
  retryWhen: [],
});

function shareOf(resource: number, pod: Pod, { allocatable, requested }: NodeInfo): number {
  const capacity = allocatable.common[resource] as number;
  if (capacity === 0) return 0;
  return Math.min(
    1,
    ((requested.common[resource] as number) + (requestsOf(pod).common[resource] as number)) / capacity,
  );
}
