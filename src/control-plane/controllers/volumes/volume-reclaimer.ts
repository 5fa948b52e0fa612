/**
 * Says in which phase each volume is, and does with it what its policy says when its claim has gone. The other half of the
 * binder: `claim-binder.ts` makes the bindings. Source: "Persistent Volumes", reclaiming.
 */
import { PersistentVolume } from '#api/core/v1/persistent-volume.ts';
import { PersistentVolumeClaim } from '#api/core/v1/persistent-volume-claim.ts';
import { BOUND_BY_CONTROLLER, hasSameMode, PROVISIONED_BY } from '#api/core/v1/persistent-volume-matching.ts';
import type { Kind } from '#api/machinery/kind.ts';
import { keyOf, type ObjectKey } from '#api/machinery/object.ts';
import { hasReason } from '#api/machinery/status.ts';
import {
  type Cached,
  defineController,
  type Outcome,
  type ReconcileContext,
  settled,
  watching,
} from '../define-controller.ts';
import { setVolumePhase, writes } from './binding.ts';

type Context = ReconcileContext<never, Kind<PersistentVolume> | Kind<PersistentVolumeClaim>, typeof writes>;

export const volumeReclaimer = defineController({
  name: 'persistentvolume-reclaimer-controller',
  serviceAccount: 'persistent-volume-binder',
  eventSource: 'persistentvolume-controller',
  reconciles: PersistentVolume,
  watches: [
    watching(
      PersistentVolumeClaim,
      (claim, cached) => {
        if (claim.spec.volumeName) return [claim.spec.volumeName];
        // A claim that waits has no volume; one that has gone while it waited may have been about to get one.
        return cached(PersistentVolumeClaim).get(keyOf(claim)) ? [] : volumesNaming(claim, cached);
      },
      (now, before) => now.spec.volumeName !== before.spec.volumeName,
    ),
  ],
  writes,

  async reconcile(volume, context) {
    const { claimRef } = volume.spec;
    if (!claimRef?.uid) {
      await setVolumePhase(volume, { phase: 'Available' }, context);
      return settled;
    }
    const claim = await claimOf(volume, context);
    if (!claim) return release(volume, context);
    if (!claim.spec.volumeName) {
      if (!hasSameMode(volume, claim)) tellMismatch(volume, claim, context);
      return settled; // the claim's own step goes on
    }
    if (claim.spec.volumeName === volume.metadata.name) {
      await setVolumePhase(volume, { phase: 'Bound' }, context);
      return settled;
    }
    const { annotations } = volume.metadata;
    const wasMadeForIt = annotations?.[PROVISIONED_BY] && volume.spec.persistentVolumeReclaimPolicy === 'Delete';
    return wasMadeForIt ? release(volume, context) : unbind(volume, context);
  },
});

const volumesNaming = ({ metadata }: PersistentVolumeClaim, cached: Cached<Kind>): ObjectKey[] =>
  (cached(PersistentVolume).list() as PersistentVolume[])
    .filter(({ spec }) => spec.claimRef?.uid === metadata.uid)
    .map(({ metadata: { name } }) => name);

/** Only the very claim that the volume names; asked of the server before it counts as gone. */
async function claimOf(
  { spec: { claimRef = {} } }: PersistentVolume,
  { cached, api }: Context,
): Promise<PersistentVolumeClaim | undefined> {
  const { namespace = '', name = '', uid } = claimRef;
  const known = cached(PersistentVolumeClaim).get(`${namespace}/${name}`);
  if (known?.metadata.uid === uid) return known;
  try {
    const there = await api.get(PersistentVolumeClaim, { namespace, name });
    return there.metadata.uid === uid ? there : undefined;
  } catch (error) {
    if (hasReason(error, 'NotFound')) return undefined;
    throw error;
  }
}

function tellMismatch(volume: PersistentVolume, claim: PersistentVolumeClaim, { events }: Context): void {
  const why = 'due to incompatible volumeMode.';
  const asked = 'requested PersistentVolumeClaim';
  const { name } = claim.metadata;
  events.warning(volume, 'VolumeMismatch', `Cannot bind PersistentVolume to ${asked} "${name}" ${why}`);
  events.warning(claim, 'VolumeMismatch', `Cannot bind PersistentVolume "${volume.metadata.name}" to ${asked} ${why}`);
}

async function release(volume: PersistentVolume, context: Context): Promise<Outcome> {
  const { phase } = volume.status ?? {};
  if (phase !== 'Released' && phase !== 'Failed') {
    await setVolumePhase(volume, { phase: 'Released' }, context);
    return settled; // the change brings us back
  }
  const failed = async (reason: string, message: string): Promise<void> => {
    if (await setVolumePhase(volume, { phase: 'Failed', message }, context))
      context.events.warning(volume, reason, message);
  };
  switch (volume.spec.persistentVolumeReclaimPolicy) {
    case 'Retain':
      break;
    case 'Recycle':
      await failed('VolumeFailedRecycle', 'No recycler plugin found for the volume!');
      break;
    case 'Delete': {
      const refusal = whyNotDeleted(volume);
      if (refusal) await failed('VolumeFailedDelete', refusal);
      break;
    }
    default:
      await failed('VolumeUnknownReclaimPolicy', 'Volume has unrecognized PersistentVolumeReclaimPolicy');
  }
  return settled;
}

/** undefined: who made the volume deletes it. */
function whyNotDeleted({ metadata, spec }: PersistentVolume): string | undefined {
  const maker = metadata.annotations?.[PROVISIONED_BY];
  if (maker && !maker.startsWith('kubernetes.io/')) return undefined;
  // Upstream's controller erases such folders of its own host, which is no node's.
  if (spec.hostPath && !/^\/tmp\/.+/.test(spec.hostPath.path))
    return `host_path deleter only supports /tmp/.+ but received provided ${spec.hostPath.path}`;
  return `error getting deleter volume plugin for volume "${metadata.name}": no deletable volume plugin matched`;
}

/** What the controller bound is free again; what a user kept for a claim stays kept for one of that name. */
async function unbind(volume: PersistentVolume, context: Context): Promise<Outcome> {
  const { [BOUND_BY_CONTROLLER]: ours, ...annotations } = volume.metadata.annotations ?? {};
  const { claimRef, ...spec } = volume.spec;
  const { uid: _, ...name } = claimRef ?? {};
  const free = { ...volume, metadata: { ...volume.metadata, annotations }, spec } as PersistentVolume;
  const kept = { ...volume, spec: { ...spec, claimRef: name } } as PersistentVolume;
  const updated = await context.api.update(PersistentVolume, ours === undefined ? kept : free);
  await setVolumePhase(updated, { phase: 'Available' }, context);
  return settled;
}
