/**
 * What a claim of devices uses of a quota: itself, devices by class, and by the resource that a class stands for. Source: KEP-4381,
 * KEP-5004; "Resource Quotas".
 */
import type { Pod } from '#api/generated/schema.ts';
import { compareQuantities, subtractQuantities } from '#api/machinery/quantity.ts';
import type { DeviceClass } from '#api/resource/v1/device-class.ts';
import type { ResourceClaim } from '#api/resource/v1/resource-claim.ts';
import type { Amounts } from './amounts.ts';
import type { QuotaEvaluator } from './evaluator.ts';
import { podEvaluator } from './pod-usage.ts';

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

/** Followed by the name of a class. */
const IMPLICIT = 'requests.deviceclass.resource.kubernetes.io/';
const EXTENDED_CLAIM = 'resource.kubernetes.io/extended-resource-claim';

/** What is around a claim. */
export interface DeviceSurroundings {
  classes(): readonly DeviceClass[];
  podOf(claim: ResourceClaim): Pod | undefined;
  /** Those of the claim's namespace. */
  claimsBeside(claim: ResourceClaim): readonly ResourceClaim[];
}

const NOTHING: DeviceSurroundings = { classes: () => [], podOf: () => undefined, claimsBeside: () => [] };

export const deviceClaimEvaluator = (around: DeviceSurroundings = NOTHING): QuotaEvaluator => ({
  handles: ({ subresource }) => subresource === '',
  isUsed: (name) => name === COUNT || name.endsWith(OF_CLASS) || isResourceOfClass(name, around),
  matchesScope: () => false,
  usage(object, nowMs) {
    const claim = object as ResourceClaim;
    const byClass = devicesByClass(claim);
    const counted = [...byClass].map(([name, count]) => [`${name}${OF_CLASS}`, String(count)]);
    const ofPod = podUsage(claim, around, nowMs);
    return { [COUNT]: '1', ...Object.fromEntries(counted), ...byResource(byClass, ofPod, around) };
  },
});

function devicesByClass({ spec }: ResourceClaim): Map<string, number> {
  const totals = new Map<string, number>();
  for (const { exactly, firstAvailable = [] } of spec.devices?.requests ?? []) {
    const most = new Map<string, number>(); // of alternatives the dearest of each class
    for (const one of firstAvailable.length > 0 ? firstAvailable : exactly ? [exactly] : [])
      most.set(one.deviceClassName, Math.max(most.get(one.deviceClassName) ?? 0, devicesOf(one)));
    for (const [name, count] of most) totals.set(name, (totals.get(name) ?? 0) + count);
  }
  return totals;
}

function isResourceOfClass(name: string, { classes }: DeviceSurroundings): boolean {
  if (name.startsWith(IMPLICIT)) {
    const of = name.slice(IMPLICIT.length);
    return classes().some(({ metadata, spec }) => metadata.name === of && Boolean(spec.extendedResourceName));
  }
  const isExtended = name.startsWith('requests.') && name.includes('/') && !name.includes('kubernetes.io/');
  return isExtended && classes().some(({ spec }) => `requests.${spec.extendedResourceName}` === name);
}

/** Under the name of a class, and of the resource that it stands for; less what the pod is counted with that it was made for. */
function byResource(byClass: ReadonlyMap<string, number>, ofPod: Amounts, { classes }: DeviceSurroundings): Amounts {
  const amounts: Record<string, string> = {};
  for (const [of, count] of byClass) {
    const resource = classes().find(({ metadata }) => metadata.name === of)?.spec.extendedResourceName;
    for (const name of [`${IMPLICIT}${of}`, ...(resource ? [`requests.${resource}`] : [])]) {
      const left = subtractQuantities(String(count), ofPod[name] ?? '0');
      if (compareQuantities(left, '0') > 0) amounts[name] = left;
    }
  }
  return amounts;
}

/** Of the pod for whose extended resources the scheduler has made the claim: anybody can write that it is one. */
function podUsage(claim: ResourceClaim, around: DeviceSurroundings, nowMs: number): Amounts {
  const owner = ownerOf(claim);
  const pod = owner && around.podOf(claim);
  if (!pod || owner.uid !== pod.metadata.uid) return {};
  const told = pod.status?.extendedResourceClaimStatus?.resourceClaimName;
  if (told !== undefined && told !== claim.metadata.name) return {};
  const isOlder = (other: ResourceClaim) => ownerOf(other)?.uid === owner.uid && ageOf(other) < ageOf(claim);
  if (told === undefined && around.claimsBeside(claim).some(isOlder)) return {};
  return podEvaluator.usage(pod, nowMs);
}

/** The pod for whose extended resources a claim says that it was made; undefined for all other claims, which most are. */
export const ownerOf = ({ metadata }: ResourceClaim) =>
  metadata.annotations?.[EXTENDED_CLAIM] === 'true'
    ? metadata.ownerReferences?.find(
        ({ controller, kind, apiVersion }) => controller && kind === 'Pod' && apiVersion === 'v1',
      )
    : undefined;

/** The older one first, then by name. */
const ageOf = ({ metadata }: ResourceClaim): string => `${metadata.creationTimestamp} ${metadata.name}`;
