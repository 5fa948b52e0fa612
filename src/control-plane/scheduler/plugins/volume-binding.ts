/**
 * A pod goes where its volumes are, or can be had: bound ones must be reachable from the node; a claim that waits for its
 * first pod gets a free volume that the node reaches, or one is made for the node. Both are written before the pod is bound,
 * and waited for. Source: "Volume Binding Mode", "Storage Capacity", KEP-490, KEP-1472.
 */
import { Node } from '#api/core/v1/node.ts';
import { PersistentVolume } from '#api/core/v1/persistent-volume.ts';
import { PersistentVolumeClaim } from '#api/core/v1/persistent-volume-claim.ts';
import {
  classOfClaim,
  classOfVolume,
  findMatchingVolume,
  isBindingDelayed,
  isFullyBound,
  notMadeFor,
} from '#api/core/v1/persistent-volume-matching.ts';
import { Pod } from '#api/core/v1/pod.ts';
import type { ObjectKey } from '#api/machinery/object.ts';
import { quantityValue } from '#api/machinery/quantity.ts';
import { CSIDriver } from '#api/storage/v1/csi-driver.ts';
import { CSINode } from '#api/storage/v1/csi-node.ts';
import { CSIStorageCapacity } from '#api/storage/v1/csi-storage-capacity.ts';
import { StorageClass } from '#api/storage/v1/storage-class.ts';
import type { ClusterView, Plugin } from '../define-plugin.ts';
import { changed, definePlugin, fits, removed, unresolvable, updated, when } from '../define-plugin.ts';
import type { Verdict } from '../verdict.ts';
import { AssumedObjects } from './assumed-objects.ts';
import { hasOldTopology, migratedOn } from './migrated-topology.ts';
import { noSuchClaim, podClaimsOf, usesClaim } from './pod-claims.ts';
import { bindVolumes } from './volume-binding-writes.ts';
import { type Choice, chooseVolumes, type VolumeNeeds } from './volume-choice.ts';

export interface VolumeBindingArgs {
  /** How long to wait until the volumes of a pod are bound. */
  bindTimeoutSeconds: number;
}

const DEFAULTS: VolumeBindingArgs = { bindTimeoutSeconds: 600 };

interface State extends VolumeNeeds {
  /** What was found for the nodes that fit. */
  choices: Map<string, Choice>;
}

/** What has been given away, and is not written yet. */
export interface GivenVolumes {
  volumes: AssumedObjects<PersistentVolume>;
  claims: AssumedObjects<PersistentVolumeClaim>;
}
export const noVolumesGiven = (): GivenVolumes => ({ volumes: new AssumedObjects(), claims: new AssumedObjects() });

/** One for each scheduler, or several that know of each other by `given`. */
export function volumeBinding(
  { bindTimeoutSeconds }: VolumeBindingArgs = DEFAULTS,
  { volumes, claims }: GivenVolumes = noVolumesGiven(),
): Plugin {
  const forget = ({ bindings, provisions }: Choice) => {
    for (const { volume } of bindings) volumes.restore(volume);
    for (const claim of provisions) claims.restore(claim);
  };

  return definePlugin<State>({
    name: 'VolumeBinding',
    reads: [PersistentVolumeClaim, PersistentVolume, StorageClass, CSINode, CSIDriver, CSIStorageCapacity],

    prepare(pod, cluster) {
      const own = ownClaims(pod, cluster);
      if ('fits' in own) return own;
      if (own.length === 0) return 'skip';
      const cachedClaims = cluster.cached(PersistentVolumeClaim);
      const current = own.map((claim) => claims.get(keyOfClaim(claim), cachedClaims) ?? claim);
      const unbound = current.filter((claim) => !isFullyBound(claim));
      const classNamed = (name: string) => cluster.cached(StorageClass).get(name as ObjectKey);
      const isDelayed = (claim: PersistentVolumeClaim) => !claim.spec.volumeName && isBindingDelayed(claim, classNamed);
      if (!unbound.every(isDelayed)) return unresolvable('pod has unbound immediate PersistentVolumeClaims');
      const csiNodeNamed = (name: string) => cluster.cached(CSINode).get(name as ObjectKey);
      const cachedVolumes = cluster.cached(PersistentVolume);
      const bound = current
        .filter(isFullyBound)
        .map(({ spec }) => volumes.get((spec.volumeName ?? '') as ObjectKey, cachedVolumes));
      const needs: VolumeNeeds = {
        bound,
        boundOn: bound.some((volume) => volume && hasOldTopology(volume))
          ? (nodeName) => bound.map((volume) => volume && migratedOn(volume, csiNodeNamed(nodeName)))
          : undefined,
        unbound,
        volumes: unbound.length > 0 ? volumesByClass(unbound, volumes.list(cachedVolumes)) : new Map(),
        classNamed,
        driverNamed: (name) => cluster.cached(CSIDriver).get(name as ObjectKey),
        capacities: () => cluster.cached(CSIStorageCapacity).list(),
      };
      return { state: { ...needs, choices: new Map() } };
    },

    filter(_, { node }, state) {
      const choice = chooseVolumes(node, state);
      if (Array.isArray(choice)) return unresolvable(...choice);
      state.choices.set(node.metadata.name, choice as Choice);
      return fits;
    },

    reserve(_, nodeName, state) {
      const choice = state?.choices.get(nodeName);
      if (!choice) return fits;
      for (const { volume } of choice.bindings) volumes.assume(volume);
      for (const claim of choice.provisions) claims.assume(claim);
      return fits;
    },

    unreserve(_, nodeName, state) {
      const choice = state?.choices.get(nodeName);
      if (choice) forget(choice);
    },

    preBindPreFlight: (_, nodeName, state) => ({
      hasWork: hasWork(state?.choices.get(nodeName)),
      allowParallel: true,
    }),

    async preBind(pod, nodeName, services, state) {
      const choice = state?.choices.get(nodeName);
      if (hasWork(choice))
        await bindVolumes(choice as Choice, { pod, nodeName, services, timeoutMs: bindTimeoutSeconds * 1000 });
      return fits;
    },

    retryWhen: [
      changed(StorageClass, 'allowedTopologies'),
      when(changed(PersistentVolumeClaim, 'spec', 'status', 'metadata'), ({ now }, pod) => usesClaim(pod, now!)),
      changed(PersistentVolume, 'spec', 'status', 'metadata'),
      // It may have been on its way to a node, with volumes of which the API has never heard.
      when(removed(Pod), ({ before }) => usesClaims(before as Pod)),
      changed(Node, 'metadata.labels'),
      changed(CSINode, 'metadata.annotations'),
      when(changed(CSIStorageCapacity, 'capacity', 'maximumVolumeSize'), (change) => {
        const [now, before] = [change.now, change.before] as (CSIStorageCapacity | undefined)[];
        return !before || limitOf(now) > limitOf(before);
      }),
      when(updated(CSIDriver, 'spec.storageCapacity'), ({ now, before }) =>
        Boolean((before as CSIDriver).spec.storageCapacity && !(now as CSIDriver).spec.storageCapacity),
      ),
    ],
  });
}

const hasWork = (choice: Choice | undefined): boolean =>
  choice !== undefined && choice.bindings.length + choice.provisions.length > 0;

const usesClaims = ({ spec: { volumes = [] } }: Pod): boolean =>
  volumes.some(({ persistentVolumeClaim, ephemeral }) => persistentVolumeClaim ?? ephemeral);

const keyOfClaim = ({ metadata }: PersistentVolumeClaim) => `${metadata.namespace}/${metadata.name}` as ObjectKey;

/** The claims of the pod, or why one of them cannot be used. */
function ownClaims(pod: Pod, cluster: ClusterView): PersistentVolumeClaim[] | Verdict {
  const own: PersistentVolumeClaim[] = [];
  for (const { name, claim, isEphemeral } of podClaimsOf(pod, cluster)) {
    if (!claim && isEphemeral)
      return unresolvable(`waiting for ephemeral volume controller to create the persistentvolumeclaim "${name}"`);
    if (!claim) return unresolvable(noSuchClaim(name));
    if (claim.status?.phase === 'Lost')
      return unresolvable(
        `persistentvolumeclaim "${name}" bound to non-existent persistentvolume "${claim.spec.volumeName ?? ''}"`,
      );
    if (claim.metadata.deletionTimestamp) return unresolvable(`persistentvolumeclaim "${name}" is being deleted`);
    const isOthers = isEphemeral ? notMadeFor(pod, claim) : undefined;
    if (isOthers) return unresolvable(isOthers);
    own.push(claim);
  }
  return own;
}

/** Those that would do for one of the claims, seen from some node: looked for once, and not for every node. */
function volumesByClass(
  claims: readonly PersistentVolumeClaim[],
  volumes: readonly PersistentVolume[],
): Map<string, PersistentVolume[]> {
  const byClass = new Map(claims.map((claim) => [classOfClaim(claim), [] as PersistentVolume[]]));
  for (const volume of volumes) {
    const sameClass = byClass.get(classOfVolume(volume));
    if (sameClass && claims.some((claim) => findMatchingVolume(claim, [volume]))) sameClass.push(volume);
  }
  return byClass;
}

const limitOf = (capacity: CSIStorageCapacity | undefined): number => {
  const limit = capacity?.maximumVolumeSize ?? capacity?.capacity;
  return limit === undefined ? -1 : quantityValue(limit);
};
