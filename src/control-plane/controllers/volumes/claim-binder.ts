/**
 * Finds each claim its volume, and asks for one to be made where there is none. A class can tell it to wait until a pod
 * that uses the claim has its node. Source: "Persistent Volumes", "Storage Classes".
 */
import { PersistentVolume } from '#api/core/v1/persistent-volume.ts';
import { PersistentVolumeClaim } from '#api/core/v1/persistent-volume-claim.ts';
import {
  BIND_COMPLETED,
  BOUND_BY_CONTROLLER,
  capacityOf,
  claimNameOf,
  classOfClaim,
  classOfVolume,
  findMatchingVolume,
  hasAccessModes,
  hasSameAttributes,
  hasSameMode,
  isBindingDelayed,
  isBoundTo,
  namesClass,
  requestOf,
  SELECTED_NODE,
  STORAGE_PROVISIONERS,
} from '#api/core/v1/persistent-volume-matching.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { usesNothing } from '#api/core/v1/pod-conditions.ts';
import { accessModesOf } from '#api/core/v1/volume-access.ts';
import type { Kind } from '#api/machinery/kind.ts';
import type { ObjectKey } from '#api/machinery/object.ts';
import { keyOf } from '#api/machinery/object.ts';
import { compareQuantities } from '#api/machinery/quantity.ts';
import { defaultClassOf, StorageClass } from '#api/storage/v1/storage-class.ts';
import {
  type Cached,
  defineController,
  type Outcome,
  type ReconcileContext,
  settled,
  watching,
} from '../define-controller.ts';
import { NotYet } from '../errors.ts';
import { bind, setClaimPhase, writes } from './binding.ts';

type Context = ReconcileContext<
  never,
  Kind<PersistentVolumeClaim> | Kind<PersistentVolume> | Kind<StorageClass> | Kind<Pod>,
  typeof writes
>;

export const claimBinder = defineController({
  name: 'persistentvolume-binder-controller',
  serviceAccount: 'persistent-volume-binder',
  eventSource: 'persistentvolume-controller',
  reconciles: PersistentVolumeClaim,
  watches: [
    watching(PersistentVolume, concerned),
    watching(StorageClass, ({ metadata }, cached) =>
      waiting(cached, (claim) => !namesClass(claim) || classOfClaim(claim) === metadata.name),
    ),
    watching(
      Pod,
      (pod, cached) =>
        (pod.spec.volumes ?? []).flatMap((volume) => {
          const key = `${pod.metadata.namespace}/${claimNameOf(pod, volume) ?? ''}`;
          const claim = cached(PersistentVolumeClaim).get(key) as PersistentVolumeClaim | undefined;
          return claim && !isComplete(claim) ? [key] : [];
        }),
      () => false,
    ),
  ],
  writes,

  reconcile(claim, context) {
    return isComplete(claim) ? checkBound(claim, context) : findVolume(claim, context);
  },
});

const isComplete = ({ metadata }: PersistentVolumeClaim): boolean =>
  metadata.annotations?.[BIND_COMPLETED] !== undefined;

/** The claim that a volume names; for a volume that names none, who names it and all that wait for one of its class. */
function concerned(volume: PersistentVolume, cached: Cached<Kind>): ObjectKey[] {
  const { claimRef } = volume.spec;
  if (claimRef) return [`${claimRef.namespace}/${claimRef.name}`];
  return (cached(PersistentVolumeClaim).list() as PersistentVolumeClaim[])
    .filter((claim) =>
      isComplete(claim)
        ? claim.spec.volumeName === volume.metadata.name
        : claim.spec.volumeName === volume.metadata.name || classOfClaim(claim) === classOfVolume(volume),
    )
    .map(keyOf);
}

const waiting = (cached: Cached<Kind>, which: (claim: PersistentVolumeClaim) => boolean): ObjectKey[] =>
  cached(PersistentVolumeClaim)
    .list()
    .map((claim) => claim as PersistentVolumeClaim)
    .filter((claim) => !isComplete(claim) && which(claim))
    .map(keyOf);

async function findVolume(claim: PersistentVolumeClaim, context: Context): Promise<Outcome> {
  if (claim.spec.volumeName) return bindToNamed(claim, claim.spec.volumeName, context);
  const isDelayed = isBindingDelayed(claim, (name) => context.cached(StorageClass).get(name));
  const found = bestMatch(claim, context.cached(PersistentVolume).list(), isDelayed);
  if (found) {
    await bind(found, claim, context);
    return settled;
  }
  if (await assignDefaultClass(claim, context)) return settled;
  if (isDelayed && !claim.metadata.annotations?.[SELECTED_NODE]) tellWaiting(claim, context);
  else if (classOfClaim(claim) !== '') return askProvisioner(claim, context);
  else
    context.events.normal(
      claim,
      'FailedBinding',
      'no persistent volumes available for this claim and no storage class is set',
    );
  await setClaimPhase(claim, { phase: 'Pending' }, context);
  return settled;
}

/** Volumes with no more access modes than needed come first. */
function bestMatch(
  claim: PersistentVolumeClaim,
  volumes: readonly PersistentVolume[],
  isDelayed: boolean,
): PersistentVolume | undefined {
  const byModes = new Map<string, PersistentVolume[]>();
  for (const volume of volumes) {
    if (!hasAccessModes(volume, claim)) continue;
    const modes = accessModesOf(volume.spec.accessModes);
    const others = byModes.get(modes);
    if (others) others.push(volume);
    else byModes.set(modes, [volume]);
  }
  const count = (modes: string) => modes.split(',').length;
  const groups = [...byModes].sort(([a], [b]) => count(a) - count(b) || (a < b ? -1 : 1));
  for (const [, group] of groups) {
    const found = findMatchingVolume(claim, group, { isDelayed });
    if (found) return found;
  }
  return undefined;
}

async function bindToNamed(claim: PersistentVolumeClaim, name: string, context: Context): Promise<Outcome> {
  const { events, cached } = context;
  const volume = cached(PersistentVolume).get(name);
  const mismatch = volume && !volume.spec.claimRef ? mismatchOf(volume, claim) : undefined;
  if (volume && (isBoundTo(volume, claim) || (!volume.spec.claimRef && !mismatch))) {
    await bind(volume, claim, context);
    return settled;
  }
  if (mismatch) events.warning(claim, 'VolumeMismatch', `Cannot bind to requested volume "${name}": ${mismatch}`);
  else if (volume) {
    const { claimRef } = volume.spec;
    events.warning(claim, 'FailedBinding', `volume "${name}" already bound to a different claim.`);
    if (claim.metadata.annotations?.[BOUND_BY_CONTROLLER] !== undefined)
      throw new NotYet(
        `invalid binding of claim "${keyOf(claim)}" to volume "${name}": volume already claimed by "${claimRef?.namespace}/${claimRef?.name}"`,
      );
  }
  await setClaimPhase(claim, { phase: 'Pending' }, context);
  return settled;
}

/** Why the volume that a claim names will not do. */
function mismatchOf(volume: PersistentVolume, claim: PersistentVolumeClaim): string | undefined {
  if (volume.metadata.deletionTimestamp) return `the volume is marked for deletion "${volume.metadata.name}"`;
  if (compareQuantities(capacityOf(volume), requestOf(claim)) < 0) return 'requested PV is too small';
  if (classOfVolume(volume) !== classOfClaim(claim)) return 'storageClassName does not match';
  if (!hasSameAttributes(volume, claim)) return 'volumeAttributesClassName does not match';
  if (!hasSameMode(volume, claim)) return 'incompatible volumeMode';
  if (!hasAccessModes(volume, claim)) return 'incompatible accessMode';
  return undefined;
}

/** For a claim from before there was a default class. Source: KEP-3333. */
async function assignDefaultClass(claim: PersistentVolumeClaim, { api, cached }: Context): Promise<boolean> {
  if (namesClass(claim)) return false;
  const chosen = defaultClassOf(cached(StorageClass).list());
  if (!chosen) return false;
  await api.update(PersistentVolumeClaim, {
    ...claim,
    spec: { ...claim.spec, storageClassName: chosen.metadata.name },
  });
  return true;
}

function tellWaiting(claim: PersistentVolumeClaim, { cached, events }: Context): void {
  const { namespace = '', name } = claim.metadata;
  const pods = cached(Pod)
    .inNamespace(namespace)
    .filter((pod) => !pod.spec.nodeName && !usesNothing(pod))
    .filter((pod) => pod.spec.volumes?.some((volume) => claimNameOf(pod, volume) === name))
    .map(({ metadata }) => metadata.name);
  const [first] = pods;
  if (!first) events.normal(claim, 'WaitForFirstConsumer', 'waiting for first consumer to be created before binding');
  else {
    const who = pods.length > 1 ? `pods ${pods.sort().join(',')}` : `pod ${first}`;
    events.normal(claim, 'WaitForPodScheduled', `waiting for ${who} to be scheduled`);
  }
}

async function askProvisioner(claim: PersistentVolumeClaim, context: Context): Promise<Outcome> {
  const { cached, events, api } = context;
  const className = classOfClaim(claim);
  const storageClass = cached(StorageClass).get(className);
  if (!storageClass) {
    events.warning(claim, 'ProvisioningFailed', `storageclass.storage.k8s.io "${className}" not found`);
    return settled;
  }
  const { provisioner } = storageClass;
  if (provisioner.startsWith('kubernetes.io/')) {
    events.warning(claim, 'ProvisioningFailed', `no volume plugin matched name: ${provisioner}`);
    return settled;
  }
  const { annotations = {} } = claim.metadata;
  if (STORAGE_PROVISIONERS.some((name) => annotations[name] !== provisioner)) {
    const asked = Object.fromEntries(STORAGE_PROVISIONERS.map((name) => [name, provisioner]));
    const metadata = { ...claim.metadata, annotations: { ...annotations, ...asked } };
    await api.update(PersistentVolumeClaim, { ...claim, metadata });
  }
  events.normal(
    claim,
    'ExternalProvisioning',
    `Waiting for a volume to be created either by the external provisioner '${provisioner}' or manually by the system administrator. If volume creation is delayed, please verify that the provisioner is running and correctly registered.`,
  );
  return settled;
}

async function checkBound(claim: PersistentVolumeClaim, context: Context): Promise<Outcome> {
  const lost = async (reason: string, message: string): Promise<Outcome> => {
    const isNew = await setClaimPhase(claim, { phase: 'Lost' }, context);
    if (isNew) context.events.warning(claim, reason, message);
    return settled;
  };
  const { volumeName } = claim.spec;
  if (!volumeName)
    return lost('ClaimLost', 'Bound claim has lost reference to PersistentVolume. Data on the volume is lost!');
  const volume = context.cached(PersistentVolume).get(volumeName);
  if (!volume) return lost('ClaimLost', 'Bound claim has lost its PersistentVolume. Data on the volume is lost!');
  if (volume.spec.claimRef && volume.spec.claimRef.uid !== claim.metadata.uid)
    return lost('ClaimMisbound', 'Two claims are bound to the same volume, this one is bound incorrectly');
  await bind(volume, claim, context);
  return settled;
}
