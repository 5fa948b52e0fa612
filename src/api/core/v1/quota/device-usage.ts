/** What a claim of devices uses of a quota: itself, and devices by class. Source: KEP-4381; "Resource Quotas". */
import type { ResourceClaim } from '#api/resource/v1/resource-claim.ts';
import type { QuotaEvaluator } from './evaluator.ts';

const COUNT = 'count/resourceclaims.resource.k8s.io';
const OF_CLASS = '.deviceclass.resource.k8s.io/devices';
/** An allocation holds no more: who asks for all is counted with that many. */
const MOST_DEVICES = 32;

interface Asked {
  deviceClassName: string;
  allocationMode?: string;
  count?: number;
}

const devicesOf = ({ allocationMode, count }: Asked): number =>
  allocationMode === 'ExactCount' ? (count ?? 0) : allocationMode === 'All' ? MOST_DEVICES : 0;

export const deviceClaimEvaluator: QuotaEvaluator = {
  handles: ({ subresource }) => subresource === '',
  isUsed: (name) => name === COUNT || name.endsWith(OF_CLASS),
  matchesScope: () => false,
  usage(object) {
    const totals = new Map<string, number>();
    for (const { exactly, firstAvailable = [] } of (object as ResourceClaim).spec.devices?.requests ?? []) {
      const most = new Map<string, number>(); // of alternatives the dearest of each class
      for (const one of firstAvailable.length > 0 ? firstAvailable : exactly ? [exactly] : [])
        most.set(one.deviceClassName, Math.max(most.get(one.deviceClassName) ?? 0, devicesOf(one)));
      for (const [name, count] of most) totals.set(name, (totals.get(name) ?? 0) + count);
    }
    const byClass = [...totals].map(([name, count]) => [`${name}${OF_CLASS}`, String(count)]);
    return { [COUNT]: '1', ...Object.fromEntries(byClass) };
  },
};
