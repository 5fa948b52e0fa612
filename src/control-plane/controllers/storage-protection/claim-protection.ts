/** A claim that is told to go stays until no pod that has a node uses it. Source: "Storage Object in Use Protection". */
import { PersistentVolumeClaim } from '#api/core/v1/persistent-volume-claim.ts';
import { Pod } from '#api/core/v1/pod.ts';
import type { Volume } from '#api/generated/schema.ts';
import { defineController, settled, watching } from '../define-controller.ts';
import { isHeld, lacksFinalizer, withFinalizer, withoutFinalizer } from './finalizer.ts';

const FINALIZER = 'kubernetes.io/pvc-protection';

export const claimProtection = defineController({
  name: 'persistentvolumeclaim-protection-controller',
  serviceAccount: 'pvc-protection-controller',
  reconciles: PersistentVolumeClaim,
  watches: [
    watching(
      Pod,
      (pod) =>
        (pod.spec.volumes ?? []).flatMap((volume) =>
          claimNameOf(pod, volume).map((name) => `${pod.metadata.namespace}/${name}`),
        ),
      (now, before) => now.spec.nodeName !== before.spec.nodeName || isShutDown(now) !== isShutDown(before),
    ),
  ],
  writes: { update: [PersistentVolumeClaim] },

  async reconcile(claim, { cached, api }) {
    if (isHeld(claim, FINALIZER)) {
      const { namespace = '' } = claim.metadata;
      const isUsed = (pods: readonly Pod[]) => pods.some((pod) => uses(pod, claim));
      // A pod that got its node a moment ago may not have been heard of.
      if (isUsed(cached(Pod).inNamespace(namespace)) || isUsed(await api.list(Pod, { namespace }))) return settled;
      await api.update(PersistentVolumeClaim, withoutFinalizer(claim, FINALIZER));
    } else if (lacksFinalizer(claim, FINALIZER)) {
      await api.update(PersistentVolumeClaim, withFinalizer(claim, FINALIZER));
    }
    return settled;
  },
});

/** None for a volume that is no claim. */
const claimNameOf = ({ metadata }: Pod, { name, persistentVolumeClaim, ephemeral }: Volume): string[] =>
  persistentVolumeClaim ? [persistentVolumeClaim.claimName] : ephemeral ? [`${metadata.name}-${name}`] : [];

/** Without a node no kubelet starts it: those do not take on a claim that is told to go. */
const uses = (pod: Pod, claim: PersistentVolumeClaim): boolean =>
  !!pod.spec.nodeName &&
  (pod.spec.volumes ?? []).some((volume) => {
    if (!claimNameOf(pod, volume).includes(claim.metadata.name)) return false;
    if (volume.persistentVolumeClaim) return true;
    const isItsOwn = claim.metadata.ownerReferences?.some(
      ({ uid, controller }) => controller && uid === pod.metadata.uid,
    );
    return !isShutDown(pod) && isItsOwn === true;
  });

/** The kubelet is done with it: it may wait for the claim that it owns, and must not be waited for. */
const isShutDown = ({ metadata }: Pod): boolean =>
  metadata.deletionTimestamp !== undefined && metadata.deletionGracePeriodSeconds === 0;
