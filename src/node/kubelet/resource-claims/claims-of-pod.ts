/** Which ResourceClaims a pod names, and which of their requests each of its containers uses. Source: KEP-4381, KEP-5004. */
import type { Container, Pod } from '#api/generated/schema.ts';
import { quantityValue } from '#api/machinery/quantity.ts';
import type { ResourceClaim } from '#api/resource/v1/resource-claim.ts';
import { ClaimsFailed } from './claims-failed.ts';

export interface NamedClaim {
  name: string;
  /** It was made from a template, for this pod alone. */
  isOwn: boolean;
}

/** @throws ClaimsFailed where the claim of a template is not there yet */
export function claimsOf(pod: Pod): NamedClaim[] {
  const named = (pod.spec.resourceClaims ?? []).flatMap(({ name }) => {
    const claim = claimOf(pod, name);
    return claim ? [claim] : [];
  });
  const extended = pod.status?.extendedResourceClaimStatus?.resourceClaimName;
  return extended ? [...named, { name: extended, isOwn: false }] : named;
}

/** By the claim's name in the pod; undefined: it was found that none is needed. */
export function claimOf({ metadata, spec, status }: Pod, name: string): NamedClaim | undefined {
  const wanted = spec.resourceClaims?.find((each) => each.name === name);
  if (wanted?.resourceClaimName) return { name: wanted.resourceClaimName, isOwn: false };
  const pod = `pod "${metadata.namespace}/${metadata.name}"`;
  if (!wanted?.resourceClaimTemplateName)
    throw new ClaimsFailed(`${pod}, spec.resourceClaim "${name}": none of the supported fields are set`);
  const made = status?.resourceClaimStatuses?.find((each) => each.name === name);
  if (!made) throw new ClaimsFailed(`${pod}: ResourceClaim not created yet`);
  return made.resourceClaimName ? { name: made.resourceClaimName, isOwn: true } : undefined;
}

export interface UsedRequest {
  claimName: string;
  /** '': all of the claim's. */
  request: string;
}

/** @throws ClaimsFailed */
export function requestsOf(pod: Pod, { name: containerName, resources }: Container): UsedRequest[] {
  const used: UsedRequest[] = [];
  for (const { name, request = '' } of resources?.claims ?? []) {
    const claim = claimOf(pod, name);
    if (claim) used.push({ claimName: claim.name, request });
  }
  const { resourceClaimName: claimName = '', requestMappings = [] } = pod.status?.extendedResourceClaimStatus ?? {};
  for (const mapping of requestMappings)
    if (mapping.containerName === containerName && quantityValue(resources?.requests?.[mapping.resourceName]) > 0)
      used.push({ claimName, request: mapping.requestName });
  return used;
}

/** Why, in upstream's words, a pod may not use a claim as it is; undefined when it may. */
export function refusalOfClaim(pod: Pod, claim: ResourceClaim, isOwn: boolean): string | undefined {
  const { metadata, status } = claim;
  const { namespace, name, uid } = pod.metadata;
  const owns = metadata.ownerReferences?.some((owner) => owner.controller && owner.uid === uid);
  if (isOwn && !owns)
    return `ResourceClaim ${namespace}/${metadata.name} was not created for Pod ${namespace}/${name} (Pod is not owner)`;
  if (!status?.reservedFor?.some((consumer) => consumer.uid === uid))
    return `pod ${name} (${uid}) is not allowed to use ResourceClaim ${metadata.name} (${metadata.uid})`;
  if (!status.allocation) return `ResourceClaim ${metadata.name}: not allocated`;
  return undefined;
}
