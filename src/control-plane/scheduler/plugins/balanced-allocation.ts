/** Prefers nodes where the shares of cpu and memory in use stay alike, so that neither is left over without the other. */
import { definePlugin } from '../define-plugin.ts';
import type { NodeInfo } from '../node-info.ts';
import { type Amounts, CPU, MEMORY, requestsOf, signatureOf } from '../resources.ts';

export const balancedAllocation = definePlugin<Amounts>({
  name: 'NodeResourcesBalancedAllocation',
  weight: 1,
  sign: (pod) => signatureOf(requestsOf(pod)),

  // What asks for nothing changes no balance.
  prepareScore(pod) {
    const requests = requestsOf(pod);
    return requests.common[CPU] || requests.common[MEMORY] ? requests : 'skip';
  },

  score(_, node, requests) {
    const cpu = shareOf(CPU, requests, node);
    const memory = shareOf(MEMORY, requests, node);
    if (cpu === undefined || memory === undefined) return 100; // one alone is in balance
    // The standard deviation of two numbers is half of what is between them.
    return Math.floor((1 - Math.abs(cpu - memory) / 2) * 100);
  },
  retryWhen: [],
});

function shareOf(resource: number, requests: Amounts, { allocatable, requested }: NodeInfo): number | undefined {
  const capacity = allocatable.common[resource] as number;
  if (capacity === 0) return undefined;
  return Math.min(1, ((requested.common[resource] as number) + (requests.common[resource] as number)) / capacity);
}
