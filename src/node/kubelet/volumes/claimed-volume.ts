/** The claim behind a volume of a pod, and the volume behind the claim. Texts are upstream's. */
import { PersistentVolume } from '#api/core/v1/persistent-volume.ts';
import { PersistentVolumeClaim } from '#api/core/v1/persistent-volume-claim.ts';
import { claimNameOf, isReachableFrom, notMadeFor } from '#api/core/v1/persistent-volume-matching.ts';
import type { Node, Pod, Volume } from '#api/generated/schema.ts';
import { StatusError } from '#api/machinery/status.ts';
import type { Client } from '#client/client.ts';
import { VolumeProblem } from './volume-problem.ts';

export interface Claimed {
  claim: PersistentVolumeClaim;
  volume: PersistentVolume;
}

/** Throws VolumeProblem, or what the client throws when the API is out of reach. */
export async function claimedVolume(
  pod: Pod,
  volume: Volume,
  { client, node }: { client: Client; node: Node | undefined },
): Promise<Claimed> {
  const { namespace = '' } = pod.metadata;
  const name = claimNameOf(pod, volume) ?? '';
  const refuse = (why: string): never => {
    throw VolumeProblem.beforeMount(volume.name, `error processing PVC ${namespace}/${name}: ${why}`);
  };
  const claim = await orRefuse(client.get(PersistentVolumeClaim, { namespace, name }), (why) =>
    refuse(`failed to fetch PVC from API server: ${why}`),
  );
  const stranger = volume.ephemeral && notMadeFor(pod, claim);
  if (stranger) refuse(stranger);
  if (claim.metadata.deletionTimestamp) refuse('PVC is being deleted');
  const { volumeName } = claim.spec;
  if (claim.status?.phase !== 'Bound' || !volumeName) return refuse('PVC is not bound');
  const found = await orRefuse(client.get(PersistentVolume, { name: volumeName }), (why) =>
    refuse(`failed to fetch PV ${volumeName} from API server: ${why}`),
  );
  const { claimRef } = found.spec;
  if (!claimRef)
    refuse(`found PV object ${volumeName} with nil pv.Spec.ClaimRef indicating it is not yet bound to the claim`);
  if (claimRef?.uid !== claim.metadata.uid)
    refuse(
      `found PV object ${volumeName} with a pv.Spec.ClaimRef.UID ${claimRef?.uid} that does not point to the claim ${claim.metadata.uid}`,
    );
  if (!isReachableFrom(found, node?.metadata.labels))
    throw new VolumeProblem(
      volume.name,
      `MountVolume.NodeAffinity check failed for volume "${volumeName}" : no matching NodeSelectorTerms`,
    );
  return { claim, volume: found };
}

async function orRefuse<T>(asking: Promise<T>, refuse: (why: string) => never): Promise<T> {
  try {
    return await asking;
  } catch (error) {
    if (error instanceof StatusError) return refuse(error.message);
    throw error;
  }
}
