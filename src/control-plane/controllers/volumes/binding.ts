/** Makes a volume and a claim each other's, the volume first: who stops in the middle can go on from either. */
import { PersistentVolume } from '#api/core/v1/persistent-volume.ts';
import { PersistentVolumeClaim } from '#api/core/v1/persistent-volume-claim.ts';
import { BIND_COMPLETED, BOUND_BY_CONTROLLER, boundToClaim } from '#api/core/v1/persistent-volume-matching.ts';
import type { Kind } from '#api/machinery/kind.ts';
import { isQuantity } from '#api/machinery/quantity.ts';
import { timestampOf } from '#api/machinery/timestamp.ts';
import type { Clock } from '#base/clock.ts';
import type { Api } from '../define-controller.ts';

export const writes = {
  update: [PersistentVolume, PersistentVolumeClaim],
  status: [PersistentVolume, PersistentVolumeClaim],
} as const;

type VolumePhase = NonNullable<PersistentVolume['status']>['phase'];
type ClaimPhase = NonNullable<PersistentVolumeClaim['status']>['phase'];

/** With what these steps write. */
export interface BindingServices {
  api: Api<Kind<PersistentVolume> | Kind<PersistentVolumeClaim>, typeof writes>;
  clock: Clock;
}

/** Idempotent. */
export async function bind(
  volume: PersistentVolume,
  claim: PersistentVolumeClaim,
  services: BindingServices,
): Promise<void> {
  const { api } = services;
  const taken = boundToClaim(volume, claim);
  const bound = taken === volume ? volume : await api.update(PersistentVolume, taken);
  await setVolumePhase(bound, { phase: 'Bound' }, services);
  const next = withVolume(claim, volume.metadata.name);
  const satisfied = next === claim ? claim : await api.update(PersistentVolumeClaim, next);
  await setClaimPhase(satisfied, { phase: 'Bound', volume: bound }, services);
}

function withVolume(claim: PersistentVolumeClaim, name: string): PersistentVolumeClaim {
  const { annotations = {} } = claim.metadata;
  const isTheirs = claim.spec.volumeName === name;
  if (isTheirs && annotations[BIND_COMPLETED] !== undefined) return claim;
  const marks = { [BIND_COMPLETED]: 'yes', ...(!isTheirs && { [BOUND_BY_CONTROLLER]: 'yes' }) };
  return {
    ...claim,
    metadata: { ...claim.metadata, annotations: { ...marks, ...annotations } },
    spec: { ...claim.spec, volumeName: name },
  };
}

/**
 * The same phase is not said again: times and messages of the first time stay.
 * @returns whether it is new
 */
export async function setVolumePhase(
  volume: PersistentVolume,
  { phase, message }: { phase: VolumePhase; message?: string },
  { api, clock }: BindingServices,
): Promise<boolean> {
  if (volume.status?.phase === phase) return false;
  const lastPhaseTransitionTime = timestampOf(clock.now());
  await api.updateStatus(volume, { phase, ...(message && { message }), lastPhaseTransitionTime });
  return true;
}

/** Of a volume that grew before it was bound: what its file system has. */
const PRE_RESIZE_CAPACITY = 'volume.alpha.kubernetes.io/pre-resize-capacity';

function sizeFor({ status }: PersistentVolumeClaim, { metadata, spec }: PersistentVolume) {
  const before = metadata.annotations?.[PRE_RESIZE_CAPACITY];
  if (before === undefined) return spec.capacity;
  return { ...status?.capacity, storage: isQuantity(before) ? before : (spec.capacity?.['storage'] ?? '0') };
}

/** @returns whether the phase is new */
export async function setClaimPhase(
  claim: PersistentVolumeClaim,
  { phase, volume }: { phase: ClaimPhase; volume?: PersistentVolume },
  { api }: BindingServices,
): Promise<boolean> {
  const { accessModes: _, capacity, currentVolumeAttributesClassName: __, ...kept } = claim.status ?? { phase };
  const isNew = claim.status?.phase !== phase;
  const isFirst = phase === 'Bound' && claim.status?.phase === 'Pending';
  // While it is bound, claim and volume may differ on purpose: a file system grows after its device.
  const className = isFirst ? volume?.spec.volumeAttributesClassName : claim.status?.currentVolumeAttributesClassName;
  const size = isNew ? volume && sizeFor(claim, volume) : capacity;
  await api.updateStatus(claim, {
    ...kept,
    phase,
    ...(volume && {
      accessModes: volume.spec.accessModes,
      ...(size && { capacity: size }),
      ...(className && { currentVolumeAttributesClassName: className }),
    }),
  });
  return isNew;
}
