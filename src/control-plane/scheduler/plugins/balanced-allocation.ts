/** Prefers nodes where the shares of cpu and memory in use stay alike, so that neither is left over without the other. */
import { definePlugin } from '../define-plugin.ts';
import { requestsOf } from '../resources.ts';

const BALANCED = ['cpu', 'memory'];

export const balancedAllocation = definePlugin({
  name: 'NodeResourcesBalancedAllocation',
  weight: 1,

  // What asks for nothing changes no balance.
  prepareScore: (pod) => (BALANCED.some((name) => requestsOf(pod).get(name)) ? undefined : 'skip'),

  score(pod, { allocatable, requested }) {
    const asked = requestsOf(pod);
    const shares = BALANCED.flatMap((name) => {
      const capacity = allocatable.get(name) ?? 0;
      return capacity > 0 ? [Math.min(1, ((requested.get(name) ?? 0) + (asked.get(name) ?? 0)) / capacity)] : [];
    });
    return Math.floor((1 - deviation(shares)) * 100);
  },
  retryWhen: [],
});

function deviation(shares: readonly number[]): number {
  if (shares.length === 0) return 0;
  const mean = shares.reduce((sum, share) => sum + share, 0) / shares.length;
  return Math.sqrt(shares.reduce((sum, share) => sum + (share - mean) ** 2, 0) / shares.length);
}
