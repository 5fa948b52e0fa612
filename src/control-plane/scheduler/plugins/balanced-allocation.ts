/** Prefers nodes where the shares of cpu and memory in use stay alike, so that neither is left over without the other. */
import type { Pod } from '#api/core/v1/pod.ts';
import { definePlugin } from '../define-plugin.ts';
import type { NodeInfo } from '../node-info.ts';
import { requestsOf } from '../resources.ts';

export const balancedAllocation = definePlugin({
  name: 'NodeResourcesBalancedAllocation',
  weight: 1,

  // What asks for nothing changes no balance.
  prepareScore: (pod) => (requestsOf(pod).get('cpu') || requestsOf(pod).get('memory') ? undefined : 'skip'),

  score(pod, node) {
    const cpu = shareOf('cpu', pod, node);
    const memory = shareOf('memory', pod, node);
    // The standard deviation of two numbers is half of what is between them.
    return Math.floor((1 - Math.abs(cpu - memory) / 2) * 100);
  },
  retryWhen: [],
});

function shareOf(name: string, pod: Pod, { allocatable, requested }: NodeInfo): number {
  const capacity = allocatable.get(name) ?? 0;
  if (capacity === 0) return 0;
  return Math.min(1, ((requested.get(name) ?? 0) + (requestsOf(pod).get(name) ?? 0)) / capacity);
}
