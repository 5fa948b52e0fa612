/** The claims for devices that a pod names, and what they say of it. Source: "Dynamic Resource Allocation". */
import type { Pod } from '#api/core/v1/pod.ts';
import type { ObjectKey } from '#api/machinery/object.ts';
import type { ResourceClaim } from '#api/resource/v1/resource-claim.ts';
import { type Consumed, consumedFrom, plusConsumed } from './device-capacity.ts';
import type { Allocated } from './device-search.ts';

type ClaimNamed = (key: ObjectKey) => ResourceClaim | undefined;

/** Or, in upstream's words, why one of them cannot be used. */
export function resourceClaimsOf(pod: Pod, claimNamed: ClaimNamed): ResourceClaim[] | { refusal: string } {
  const { namespace, name } = pod.metadata;
  const found: ResourceClaim[] = [];
  for (const { name: of, resourceClaimName, resourceClaimTemplateName } of pod.spec.resourceClaims ?? []) {
    const made = pod.status?.resourceClaimStatuses?.find((status) => status.name === of);
    if (!resourceClaimName && !resourceClaimTemplateName)
      return {
        refusal: `pod "${namespace}/${name}", spec.resourceClaim "${of}": none of the supported fields are set`,
      };
    if (!resourceClaimName && !made) return { refusal: `pod "${namespace}/${name}": ResourceClaim not created yet` };
    const claimName = resourceClaimName ?? made?.resourceClaimName;
    if (claimName === undefined) continue; // it was found that none is needed
    const claim = claimNamed(`${namespace}/${claimName}` as ObjectKey);
    if (!claim) return { refusal: `resourceclaim "${claimName}" not found` };
    if (claim.metadata.deletionTimestamp) return { refusal: `resourceclaim "${claimName}" is being deleted` };
    if (!resourceClaimName && !isControlledBy(claim, pod))
      return {
        refusal: `ResourceClaim ${namespace}/${claimName} was not created for Pod ${namespace}/${name} (Pod is not owner)`,
      };
    found.push(claim);
  }
  return found;
}

const isControlledBy = ({ metadata }: ResourceClaim, pod: Pod): boolean =>
  metadata.ownerReferences?.some(({ controller, uid }) => controller && uid === pod.metadata.uid) ?? false;

export const isReservedFor = ({ status }: ResourceClaim, pod: Pod): boolean =>
  status?.reservedFor?.some(({ uid }) => uid === pod.metadata.uid) ?? false;

/** What all claims together have been given; what administrators look at is nobody's. */
export function allocatedBy(claims: Iterable<ResourceClaim>): Allocated {
  const taken = new Set<string>();
  const shared = new Map<string, Consumed>();
  for (const { status } of claims)
    for (const { driver, pool, device, adminAccess, shareID, consumedCapacity } of status?.allocation?.devices
      ?.results ?? []) {
      if (adminAccess) continue;
      const id = `${driver}/${pool}/${device}`;
      if (shareID === undefined) taken.add(id);
      else shared.set(id, plusConsumed(shared.get(id) ?? new Map(), consumedFrom(consumedCapacity ?? {})));
    }
  return { taken, shared };
}
