/** Makes the claims of pods' generic ephemeral volumes; a claim goes with its pod. Source: "Ephemeral Volumes", KEP-1698. */
import { PersistentVolumeClaim } from '#api/core/v1/persistent-volume-claim.ts';
import { claimNameOf, notMadeFor } from '#api/core/v1/persistent-volume-matching.ts';
import { Pod } from '#api/core/v1/pod.ts';
import type { Volume } from '#api/generated/schema.ts';
import type { Kind } from '#api/machinery/kind.ts';
import { StatusError } from '#api/machinery/status.ts';
import { defineController, type ReconcileContext, settled, watching } from '../define-controller.ts';
import { NotYet } from '../errors.ts';

const writes = { create: [PersistentVolumeClaim] } as const;
type Context = ReconcileContext<never, Kind<Pod> | Kind<PersistentVolumeClaim>, typeof writes>;

export const ephemeralVolumes = defineController({
  name: 'ephemeral-volume-controller',
  eventSource: 'ephemeral_volume',
  reconciles: Pod,
  when: () => false, // which volumes a pod has never changes
  watches: [
    watching(
      PersistentVolumeClaim,
      ({ metadata }) =>
        (metadata.ownerReferences ?? [])
          .filter(({ kind, controller }) => kind === 'Pod' && controller)
          .map(({ name }) => `${metadata.namespace}/${name}`),
      () => false,
    ),
  ],
  writes,
  // The owner's deletion is blocked by its claim.
  also: [{ apiGroups: [''], resources: ['pods/finalizers'], verbs: ['update'] }],

  async reconcile(pod, context) {
    if (pod.metadata.deletionTimestamp) return settled;
    for (const volume of pod.spec.volumes ?? []) if (volume.ephemeral) await ensureClaim(pod, volume, context);
    return settled;
  },
});

async function ensureClaim(pod: Pod, volume: Volume, { cached, api, events }: Context): Promise<void> {
  const name = claimNameOf(pod, volume) ?? '';
  const { namespace = '', uid } = pod.metadata;
  const failed = (why: string): never => {
    events.warning(pod, 'FailedBinding', `ephemeral volume ${volume.name}: ${why}`);
    throw new NotYet(`pod ${namespace}/${pod.metadata.name}, ephemeral volume ${volume.name}: ${why}`);
  };
  const there = cached(PersistentVolumeClaim).get(`${namespace}/${name}`);
  if (there) {
    const why = notMadeFor(pod, there);
    if (why) failed(why);
    return;
  }
  const { metadata, spec } = volume.ephemeral?.volumeClaimTemplate ?? { spec: {} };
  const owner = { apiVersion: 'v1', kind: 'Pod', name: pod.metadata.name, uid };
  try {
    await api.create(PersistentVolumeClaim, {
      metadata: {
        name,
        namespace,
        ownerReferences: [{ ...owner, controller: true, blockOwnerDeletion: true }],
        ...(metadata?.annotations && { annotations: metadata.annotations }),
        ...(metadata?.labels && { labels: metadata.labels }),
      },
      spec: spec as PersistentVolumeClaim['spec'],
    });
  } catch (error) {
    if (!(error instanceof StatusError)) throw error;
    failed(`create PVC ${name}: ${error.message}`);
  }
}
