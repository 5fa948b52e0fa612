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
  const [first, second] = amounts;
  const balanceOf = first && second && amounts.length === 2 ? balanceOfTwo(first, second) : balanceOfAll(amounts);
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
      const change = balanceOf(allocatable, requested, requests) - balanceOf(allocatable, requested, undefined);
      return MOST / 2 + Math.trunc((MOST / 2 + change) / 2);
    },
    retryWhen: [],
  });
}

export const balancedAllocation = balancedAllocationWith();

type Amount = (amounts: Amounts) => number;
/** 0…100 for what is in use, and more with it. */
type Balance = (allocatable: Amounts, requested: Amounts, more: Amounts | undefined) => number;

/** Its place is looked up once. */
function amountIn(name: string): Amount {
  const place = COMMON_NAMES.indexOf(name as (typeof COMMON_NAMES)[number]);
  return place < 0 ? (amounts) => amountOf(name, amounts) : ({ common }) => common[place] as number;
}

/** What nearly everybody asks for, of every node for every pod: without a list. One alone is in balance. */
function balanceOfTwo(first: Amount, second: Amount): Balance {
  return (allocatable, requested, more) => {
    const a = first(allocatable);
    const b = second(allocatable);
    if (a === 0 || b === 0) return MOST;
    const used = Math.min(1, (first(requested) + (more ? first(more) : 0)) / a);
    const other = Math.min(1, (second(requested) + (more ? second(more) : 0)) / b);
    // The standard deviation of two numbers is half of what is between them.
    return Math.trunc((1 - Math.abs(used - other) / 2) * MOST);
  };
}

function balanceOfAll(amounts: readonly Amount[]): Balance {
  return (allocatable, requested, more) => {
    const shares = amounts.flatMap((amount) => {
      const capacity = amount(allocatable);
      return capacity === 0 ? [] : [Math.min(1, (amount(requested) + (more ? amount(more) : 0)) / capacity)];
    });
    return Math.trunc((1 - deviationOf(shares)) * MOST);
  };
}

function deviationOf(shares: readonly number[]): number {
  if (shares.length < 2) return 0;
  const mean = shares.reduce((sum, share) => sum + share, 0) / shares.length;
  return Math.sqrt(shares.reduce((sum, share) => sum + (share - mean) ** 2, 0) / shares.length);
}
