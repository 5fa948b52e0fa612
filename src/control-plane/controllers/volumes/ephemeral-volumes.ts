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
  // Not pods: of those there are many, and few have such volumes.
  reconciles: PersistentVolumeClaim,
  when: () => false,
  watches: [
    watching(
      Pod,
      (pod) =>
        (pod.spec.volumes ?? [])
          .filter(({ ephemeral }) => ephemeral)
          .map((volume) => `${pod.metadata.namespace}/${claimNameOf(pod, volume)}`),
      () => false, // which volumes a pod has never changes
    ),
  ],
  writes,
  // The owner's deletion is blocked by its claim.
  also: [{ apiGroups: [''], resources: ['pods/finalizers'], verbs: ['update'] }],

  async reconcile(claim, context) {
    const wanted = wantedBy(context);
    const why = wanted && !wanted.pod.metadata.deletionTimestamp && notMadeFor(wanted.pod, claim);
    if (wanted && why) failed(wanted, why, context);
    return settled;
  },

  async gone(context) {
    const wanted = wantedBy(context);
    if (wanted && !wanted.pod.metadata.deletionTimestamp) await makeClaim(wanted, context);
    return settled;
  },
});

interface Wanted {
  pod: Pod;
  volume: Volume;
}

/** The pod and the volume whose names, put together, are that of the claim. */
function wantedBy({ key, cached }: Context): Wanted | undefined {
  for (let at = key.indexOf('-'); at !== -1; at = key.indexOf('-', at + 1)) {
    const pod = cached(Pod).get(key.slice(0, at));
    const volume = pod?.spec.volumes?.find(({ name, ephemeral }) => ephemeral && name === key.slice(at + 1));
    if (pod && volume) return { pod, volume };
  }
  return undefined;
}

function failed({ pod, volume }: Wanted, why: string, { events }: Context): never {
  events.warning(pod, 'FailedBinding', `ephemeral volume ${volume.name}: ${why}`);
  const { namespace, name } = pod.metadata;
  throw new NotYet(`pod ${namespace}/${name}, ephemeral volume ${volume.name}: ${why}`);
}

async function makeClaim(wanted: Wanted, context: Context): Promise<void> {
  const { pod, volume } = wanted;
  const name = claimNameOf(pod, volume) ?? '';
  const { namespace = '', uid } = pod.metadata;
  const { metadata, spec } = volume.ephemeral?.volumeClaimTemplate ?? { spec: {} };
  const owner = { apiVersion: 'v1', kind: 'Pod', name: pod.metadata.name, uid };
  try {
    await context.api.create(PersistentVolumeClaim, {
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
    failed(wanted, `create PVC ${name}: ${error.message}`, context);
  }
}
