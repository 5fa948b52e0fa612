/** A node takes no more volumes of a CSI driver than its CSINode says. Source: "Node-specific Volume Limits". */
import { Node } from '#api/core/v1/node.ts';
import { PersistentVolume } from '#api/core/v1/persistent-volume.ts';
import type { PersistentVolumeClaim as Claim } from '#api/core/v1/persistent-volume-claim.ts';
import { PersistentVolumeClaim } from '#api/core/v1/persistent-volume-claim.ts';
import { classOfClaim, notMadeFor } from '#api/core/v1/persistent-volume-matching.ts';
import { Pod } from '#api/core/v1/pod.ts';
import type { Volume } from '#api/generated/schema.ts';
import type { ObjectKey } from '#api/machinery/object.ts';
import { CSINode } from '#api/storage/v1/csi-node.ts';
import { StorageClass } from '#api/storage/v1/storage-class.ts';
import { VolumeAttachment } from '#api/storage/v1/volume-attachment.ts';
import type { ClusterView } from '../define-plugin.ts';
import { changed, definePlugin, fits, removed, unresolvable, unschedulable, when } from '../define-plugin.ts';
import { type CsiVolume, csiVolumeOf, driverInPlaceOf, inlineCsiVolumeOf } from './in-tree-volumes.ts';
import { noSuchClaim, podClaimsOf, usesClaim } from './pod-claims.ts';

/** Driver by volume. */
type Attached = Map<string, string>;

interface State {
  cluster: ClusterView;
  /** Of the pod that is to be placed. */
  wanted: ReadonlyMap<string, string>;
  /** A claim of it cannot be used. Others say so before any node is looked at; they come first. */
  refusal: string | undefined;
  /** By node; made when the first node with limits is looked at. */
  attachments: Map<string, Attached> | undefined;
}

export const nodeVolumeLimits = definePlugin<State>({
  name: 'NodeVolumeLimits',
  reads: [PersistentVolumeClaim, PersistentVolume, StorageClass, CSINode, VolumeAttachment],

  prepare(pod, cluster) {
    const claims = podClaimsOf(pod, cluster);
    const wanted: Attached = new Map();
    addInline(wanted, pod);
    if (claims.length === 0 && wanted.size === 0) return 'skip';
    const { namespace } = pod.metadata;
    for (const { name, isEphemeral, claim } of claims) {
      const refusal = claim
        ? isEphemeral && notMadeFor(pod, claim)
        : `looking up PVC ${namespace}/${name}: ${noSuchClaim(name)}`;
      if (refusal) return { state: { cluster, wanted, refusal, attachments: undefined } };
      if (claim) addVolume(wanted, claim, cluster);
    }
    return wanted.size === 0 ? 'skip' : { state: { cluster, wanted, refusal: undefined, attachments: undefined } };
  },

  filter(_, { node, pods }, state) {
    const { cluster, wanted, refusal } = state;
    if (refusal) return unresolvable(refusal);
    const limits = limitsOf(cluster, node.metadata.name);
    if (limits.size === 0) return fits;
    const attached: Attached = new Map(attachmentsOf(state).get(node.metadata.name));
    for (const other of pods) {
      addInline(attached, other);
      for (const { claim, isEphemeral } of podClaimsOf(other, cluster))
        if (claim && !(isEphemeral && notMadeFor(other, claim))) addVolume(attached, claim, cluster);
    }
    const counts = new Map<string, number>();
    for (const [volume, driver] of wanted) if (!attached.has(volume)) counts.set(driver, (counts.get(driver) ?? 0) + 1);
    for (const driver of attached.values()) if (counts.has(driver)) counts.set(driver, (counts.get(driver) ?? 0) + 1);
    for (const [driver, count] of counts)
      if (count > (limits.get(driver) ?? Number.POSITIVE_INFINITY))
        return unschedulable('node(s) exceed max volume count');
    return fits;
  },

  retryWhen: [
    changed(CSINode, 'spec.drivers'),
    changed(Node),
    when(removed(Pod), ({ before }) => (before as Pod).spec.volumes?.some(mayBeAttached) ?? false),
    when(changed(PersistentVolumeClaim), ({ now }, pod) => now !== undefined && usesClaim(pod, now)),
    removed(VolumeAttachment),
  ],
});

const mayBeAttached = (volume: Volume): boolean =>
  Boolean(volume.persistentVolumeClaim || volume.ephemeral || inlineCsiVolumeOf(volume));

function limitsOf(cluster: ClusterView, nodeName: string): ReadonlyMap<string, number> {
  const drivers = cluster.cached(CSINode).get(nodeName as ObjectKey)?.spec.drivers ?? [];
  return new Map(
    drivers.flatMap(({ name, allocatable }) =>
      allocatable?.count === undefined ? [] : [[name, allocatable.count] as const],
    ),
  );
}

const add = (to: Attached, { driver, handle }: CsiVolume): void => void to.set(`${driver}/${handle}`, driver);

/** What the pod names itself, of drivers that others have taken the place of. */
function addInline(to: Attached, { spec: { volumes } }: Pod): void {
  for (const volume of volumes ?? []) {
    const found = inlineCsiVolumeOf(volume);
    if (found) add(to, found);
  }
}

/** Adds the CSI volume of the claim; one that is not made yet counts as well, by who will make it. */
function addVolume(to: Attached, claim: Claim, cluster: ClusterView): void {
  const { volumeName } = claim.spec;
  const volume = volumeName ? cluster.cached(PersistentVolume).get(volumeName as ObjectKey) : undefined;
  if (volume) {
    const found = csiVolumeOf(volume);
    if (found) add(to, found);
    return;
  }
  const provisioner = cluster.cached(StorageClass).get(classOfClaim(claim) as ObjectKey)?.provisioner;
  const driver = provisioner && driverInPlaceOf(provisioner);
  if (driver) add(to, { driver, handle: `claim/${claim.metadata.namespace}/${claim.metadata.name}` });
}

/** What is attached, be it for pods that are gone already. */
function attachmentsOf(state: State): Map<string, Attached> {
  if (state.attachments) return state.attachments;
  const byNode = new Map<string, Attached>();
  for (const { spec } of state.cluster.cached(VolumeAttachment).list()) {
    const name = spec.source.persistentVolumeName;
    const volume = name ? state.cluster.cached(PersistentVolume).get(name as ObjectKey) : undefined;
    const found = volume && csiVolumeOf(volume);
    if (!found) continue;
    const attached = byNode.get(spec.nodeName) ?? new Map<string, string>();
    add(attached, found);
    byNode.set(spec.nodeName, attached);
  }
  state.attachments = byNode;
  return byNode;
}
