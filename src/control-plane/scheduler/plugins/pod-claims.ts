/** The claims behind a pod's volumes, as the volume plugins ask for them. */

import { PersistentVolumeClaim } from '#api/core/v1/persistent-volume-claim.ts';
import { claimNameOf } from '#api/core/v1/persistent-volume-matching.ts';
import type { Pod } from '#api/core/v1/pod.ts';
import type { KubeObject, ObjectKey } from '#api/machinery/object.ts';
import type { ClusterView } from '../define-plugin.ts';

export interface PodClaim {
  name: string;
  /** Made for this pod alone, by the ephemeral volume controller. */
  isEphemeral: boolean;
  claim: PersistentVolumeClaim | undefined;
}

const NONE: readonly PodClaim[] = [];

export function podClaimsOf(pod: Pod, cluster: Pick<ClusterView, 'cached'>): readonly PodClaim[] {
  if (!pod.spec.volumes?.some(({ persistentVolumeClaim, ephemeral }) => persistentVolumeClaim || ephemeral))
    return NONE;
  const claims = cluster.cached(PersistentVolumeClaim);
  return pod.spec.volumes.flatMap((volume) => {
    const name = claimNameOf(pod, volume);
    if (name === undefined) return [];
    const claim = claims.get(`${pod.metadata.namespace}/${name}` as ObjectKey);
    return [{ name, isEphemeral: volume.ephemeral !== undefined, claim }];
  });
}

/** Whether the claim is one of the pod's. */
export const usesClaim = (pod: Pod, { metadata }: KubeObject): boolean =>
  pod.metadata.namespace === metadata.namespace &&
  (pod.spec.volumes?.some((volume) => claimNameOf(pod, volume) === metadata.name) ?? false);

/** As upstream names a claim that is not there. */
export const noSuchClaim = (name: string): string => `persistentvolumeclaim "${name}" not found`;
