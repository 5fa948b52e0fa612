/**
 * Takes devices back: a claim is kept only for pods that still run; when nobody uses it any more its devices are free, and one
 * that was made for a pod that is done goes. Source: "Dynamic Resource Allocation", KEP-4381.
 */
import { Pod } from '#api/core/v1/pod.ts';
import { isTerminal } from '#api/core/v1/pod-conditions.ts';
import type { ResourceClaimConsumerReference } from '#api/generated/schema.ts';
import { isEqual } from '#api/machinery/equal.ts';
import type { Kind } from '#api/machinery/kind.ts';
import { hasReason } from '#api/machinery/status.ts';
import { ResourceClaim } from '#api/resource/v1/resource-claim.ts';
import { defineController, type ReconcileContext, settled, watching } from '../define-controller.ts';
import { withoutFinalizer } from '../storage-protection/finalizer.ts';
import { isOwnedBy } from './pod-resource-claims.ts';

const writes = { update: [ResourceClaim], delete: [ResourceClaim], status: [ResourceClaim] } as const;
type Context = ReconcileContext<never, Kind<ResourceClaim> | Kind<Pod>, typeof writes>;

/** As long as it is there the claim's devices are given to somebody. */
const FINALIZER = 'resource.kubernetes.io/delete-protection';

export const resourceClaims = defineController({
  name: 'resourceclaim-controller',
  serviceAccount: 'resource-claim-controller',
  eventSource: 'resource_claim',
  reconciles: ResourceClaim,
  watches: [
    watching(
      Pod,
      ({ metadata, spec, status }) =>
        [
          ...(spec.resourceClaims ?? []),
          ...(status?.resourceClaimStatuses ?? []),
          ...(status?.extendedResourceClaimStatus ? [status.extendedResourceClaimStatus] : []),
        ].flatMap(({ resourceClaimName }) => (resourceClaimName ? [`${metadata.namespace}/${resourceClaimName}`] : [])),
      (now, before) => isDone(now) !== isDone(before) || (isDone(now) && hasOtherClaims(now, before)),
    ),
  ],
  writes,
  also: [{ apiGroups: ['resource.k8s.io'], resources: ['resourceclaims/binding'], verbs: ['update', 'patch'] }],

  async reconcile(claim, context) {
    const had = claim.status?.reservedFor ?? [];
    const reservedFor: ResourceClaimConsumerReference[] = [];
    for (const one of had) if (await isKept(one, claim, context)) reservedFor.push(one);
    if (reservedFor.length > 0) {
      if (reservedFor.length < had.length) await context.api.updateStatus(claim, { ...claim.status, reservedFor });
      return settled;
    }
    const free = await deallocated(claim, had.length > 0, context);
    const owner = context
      .cached(Pod)
      .inNamespace(claim.metadata.namespace ?? '')
      .find((pod) => isOwnedBy(claim, pod));
    if (owner && isDone(owner) && !claim.metadata.deletionTimestamp) await context.api.delete(ResourceClaim, free);
    return settled;
  },
});

/** Of a claim that was used, or is told to go, and has been given devices by the scheduler. */
async function deallocated(claim: ResourceClaim, wasUsed: boolean, { api }: Context): Promise<ResourceClaim> {
  const isProtected = claim.metadata.finalizers?.includes(FINALIZER) ?? false;
  if (!wasUsed && !(isProtected && claim.metadata.deletionTimestamp)) return claim;
  const { reservedFor: _, allocation, devices, ...status } = claim.status ?? {};
  const kept = { ...status, ...(allocation && { allocation }), ...(devices && { devices }) };
  const free = await api.updateStatus(claim, isProtected ? status : kept);
  if (!isProtected) return free;
  return api.update(ResourceClaim, withoutFinalizer(free, FINALIZER));
}

/** One that is not known (yet) is asked for: the scheduler may be placing it. */
async function isKept(
  { name, uid, resource, apiGroup }: ResourceClaimConsumerReference,
  { metadata: { namespace = '' } }: ResourceClaim,
  { cached, api }: Context,
): Promise<boolean> {
  if (apiGroup || resource !== 'pods') return true;
  const known = cached(Pod).get(`${namespace}/${name}`);
  if (known) return known.metadata.uid === uid && !isDone(known);
  try {
    return (await api.get(Pod, { namespace, name })).metadata.uid === uid;
  } catch (error) {
    if (hasReason(error, 'NotFound')) return false;
    throw error;
  }
}

/** It may be told of a claim that is made for it only when it is done. */
const hasOtherClaims = ({ status: now }: Pod, { status: before }: Pod): boolean =>
  !isEqual(now?.resourceClaimStatuses, before?.resourceClaimStatuses) ||
  !isEqual(now?.extendedResourceClaimStatus, before?.extendedResourceClaimStatus);

/** Nothing of it runs, and nothing will. */
const isDone = (pod: Pod): boolean =>
  isTerminal(pod) || (pod.metadata.deletionTimestamp !== undefined && !pod.spec.nodeName);
