/** Writes into a claim which devices it has been given, and for which pod. */
import type { Pod } from '#api/core/v1/pod.ts';
import type { AllocationResult } from '#api/generated/schema.ts';
import { hasReason, StatusError } from '#api/machinery/status.ts';
import { timestampOf } from '#api/machinery/timestamp.ts';
import { ResourceClaim } from '#api/resource/v1/resource-claim.ts';
import type { Client } from '#client/client.ts';
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
