/** Writes into a claim which devices it has been given, and for which pod. */
import { Pod } from '#api/core/v1/pod.ts';
import type { AllocationResult, PodExtendedResourceClaimStatus } from '#api/generated/schema.ts';
import { hasReason, StatusError } from '#api/machinery/status.ts';
import { timestampOf } from '#api/machinery/timestamp.ts';
import { ResourceClaim } from '#api/resource/v1/resource-claim.ts';
import type { Client, Draft } from '#client/client.ts';
import type { BindingServices } from '../../define-plugin.ts';
import { PluginFailed } from '../../define-plugin.ts';

/** As long as it is there the claim's devices are given to somebody. */
export const CLAIM_FINALIZER = 'resource.kubernetes.io/delete-protection';

interface Reservation extends Pick<BindingServices, 'client' | 'clock'> {
  pod: Pod;
  /** undefined: it has its devices already. */
  allocation: AllocationResult | undefined;
}

const TRIES = 5;

/** Throws PluginFailed, and what the server said. */
export async function reserveClaim(claim: ResourceClaim, reservation: Reservation): Promise<ResourceClaim> {
  const { namespace = '', name } = claim.metadata;
  let current = claim;
  for (let attempt = 1; ; attempt++) {
    try {
      return await write(current, reservation);
    } catch (error) {
      if (!hasReason(error, 'Conflict') || attempt === TRIES) throw worded(error, { claim, reservation });
      current = await reservation.client.get(ResourceClaim, { namespace, name });
    }
  }
}

async function write(claim: ResourceClaim, { client, clock, pod, allocation }: Reservation): Promise<ResourceClaim> {
  const key = `${claim.metadata.namespace}/${claim.metadata.name}`;
  if (claim.metadata.deletionTimestamp) throw new PluginFailed(`claim ${key} got deleted in the meantime`);
  if (allocation && claim.status?.allocation)
    throw new PluginFailed(`claim ${key} got allocated elsewhere in the meantime`);
  const protectedOne = allocation ? await withFinalizer(claim, client) : claim;
  const { name, uid } = pod.metadata;
  const reservedFor = [...(protectedOne.status?.reservedFor ?? []), { resource: 'pods', name, uid }];
  const given = allocation && { allocation: { ...allocation, allocationTimestamp: timestampOf(clock.now()) } };
  return client.updateStatus(ResourceClaim, {
    ...protectedOne,
    status: { ...protectedOne.status, ...given, reservedFor },
  });
}

async function withFinalizer(claim: ResourceClaim, client: Client): Promise<ResourceClaim> {
  const { metadata } = claim;
  if (metadata.finalizers?.includes(CLAIM_FINALIZER)) return claim;
  const finalizers = [...(metadata.finalizers ?? []), CLAIM_FINALIZER];
  return client.update(ResourceClaim, { ...claim, metadata: { ...metadata, finalizers } });
}

function worded(error: unknown, { claim, reservation }: { claim: ResourceClaim; reservation: Reservation }): unknown {
  if (!(error instanceof StatusError)) return error;
  const what = reservation.allocation ? 'add allocation and reservation' : 'add reservation';
  const { namespace, name } = claim.metadata;
  return new PluginFailed(`${what} to claim ${namespace}/${name}: ${error.message}`, { cause: error });
}

/** The pod could not be placed after all. What is gone, or changed meanwhile, is left alone. */
export async function withoutReservation(claim: ResourceClaim, pod: Pod, client: Client): Promise<void> {
  const { namespace = '', name, uid } = claim.metadata;
  const patch = { metadata: { uid }, status: { reservedFor: [{ $patch: 'delete', uid: pod.metadata.uid }] } };
  try {
    await client.patch(ResourceClaim, { namespace, name, subresource: 'status' }, { type: 'strategic', patch });
  } catch (error) {
    if (!hasReason(error, 'NotFound') && !hasReason(error, 'Conflict')) throw error;
  }
}

/** Of resources that devices meet; see `extendedClaimFor`. Throws PluginFailed, and what the server said. */
export async function writeExtendedClaim(special: ResourceClaim, client: Client): Promise<ResourceClaim> {
  const { name: _, uid: __, ...metadata } = special.metadata;
  try {
    return await client.create(ResourceClaim, { metadata, spec: special.spec } as Draft<ResourceClaim>);
  } catch (error) {
    if (!(error instanceof StatusError)) throw error;
    const where = `${metadata.namespace}/`; // it has no name yet
    throw new PluginFailed(`create claim for extended resources ${where}: ${error.message}`, { cause: error });
  }
}

/** Throws PluginFailed. */
export async function sayExtendedClaim(
  pod: Pod,
  extendedResourceClaimStatus: PodExtendedResourceClaimStatus,
  client: Client,
): Promise<void> {
  const { namespace = '', name, uid } = pod.metadata;
  const patch = { metadata: { uid }, status: { extendedResourceClaimStatus } };
  try {
    await client.patch(Pod, { namespace, name, subresource: 'status' }, { type: 'strategic', patch });
  } catch (error) {
    if (!(error instanceof StatusError)) throw error;
    const what = `update pod ${namespace}/${name} ExtendedResourceClaimStatus`;
    throw new PluginFailed(`${what}: ${error.message}`, { cause: error });
  }
}

/** With what protects it. One that is gone is no error. Throws what the server said. */
export async function deleteClaim(claim: ResourceClaim, client: Client): Promise<void> {
  const { namespace = '', name } = claim.metadata;
  let current = claim;
  for (let attempt = 1; ; attempt++) {
    try {
      const { metadata } = current;
      const finalizers = metadata.finalizers?.filter((each) => each !== CLAIM_FINALIZER) ?? [];
      if (finalizers.length !== (metadata.finalizers?.length ?? 0))
        await client.update(ResourceClaim, { ...current, metadata: { ...metadata, finalizers } });
      return await client.delete(ResourceClaim, { namespace, name });
    } catch (error) {
      if (hasReason(error, 'NotFound')) return;
      if (!hasReason(error, 'Conflict') || attempt === TRIES) throw error;
      current = await client.get(ResourceClaim, { namespace, name });
    }
  }
}
