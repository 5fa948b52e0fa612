/**
 * Prefers nodes whose shares of cpu and memory in use become more alike by the pod, so that neither is left over without the
 * other. A node whose balance stays as it is gets 75.
 */
import { definePlugin } from '../define-plugin.ts';
import { type Amounts, amountOf, COMMON_NAMES, requestsOf, signatureOf } from '../resources.ts';

const MOST = 100;

/** What is asked for of each resource. Source: NodeResourcesBalancedAllocationArgs. */
export function balancedAllocationWith(names: readonly string[] = ['cpu', 'memory']) {
  const amounts = names.map(amountIn);
  const balanceOf = (allocatable: Amounts, requested: Amounts, more?: Amounts): number => {
    const shares: number[] = [];
    for (const amount of amounts) {
      const capacity = amount(allocatable);
      if (capacity !== 0) shares.push(Math.min(1, (amount(requested) + (more ? amount(more) : 0)) / capacity));
    }
    return Math.trunc((1 - deviationOf(shares)) * MOST);
  };
  return definePlugin<Amounts>({
    name: 'NodeResourcesBalancedAllocation',
    weight: 1,
    sign: (pod) => signatureOf(requestsOf(pod)),

    // What asks for nothing changes no balance.
    prepareScore(pod) {
      const requests = requestsOf(pod);
      return amounts.some((amount) => amount(requests) !== 0) ? requests : 'skip';
    },

    score(_, { allocatable, requested }, requests) {
      const change = balanceOf(allocatable, requested, requests) - balanceOf(allocatable, requested);
      return MOST / 2 + Math.trunc((MOST / 2 + change) / 2);
    },
    retryWhen: [],
  });
}

export const balancedAllocation = balancedAllocationWith();

/** Its place is looked up once. */
function amountIn(name: string): (amounts: Amounts) => number {
  const place = COMMON_NAMES.indexOf(name as (typeof COMMON_NAMES)[number]);
  return place < 0 ? (amounts) => amountOf(name, amounts) : ({ common }) => common[place] as number;
}

/** The standard deviation; one alone is in balance. */
function deviationOf(shares: readonly number[]): number {
  if (shares.length < 2) return 0;
  if (shares.length === 2) return Math.abs((shares[0] as number) - (shares[1] as number)) / 2;
  const mean = shares.reduce((sum, share) => sum + share, 0) / shares.length;
  return Math.sqrt(shares.reduce((sum, share) => sum + (share - mean) ** 2, 0) / shares.length);
}
