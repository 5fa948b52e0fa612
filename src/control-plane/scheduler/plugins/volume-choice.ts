/** Which volumes a pod would get on a node. Pure; upstream's order and reasons. Source: "Volume Binding Mode", KEP-1472. */
import type { Node } from '#api/core/v1/node.ts';
import type { PersistentVolume } from '#api/core/v1/persistent-volume.ts';
import type { PersistentVolumeClaim as Claim } from '#api/core/v1/persistent-volume-claim.ts';
import {
  boundToClaim,
  classOfClaim,
  findMatchingVolume,
  isReachableFrom,
  NO_PROVISIONER,
  requestOf,
  SELECTED_NODE,
} from '#api/core/v1/persistent-volume-matching.ts';
import { matchesLabels, selectorFrom } from '#api/machinery/label-selector.ts';
import { compareQuantities } from '#api/machinery/quantity.ts';
import type { CSIDriver } from '#api/storage/v1/csi-driver.ts';
import type { CSIStorageCapacity } from '#api/storage/v1/csi-storage-capacity.ts';
import type { StorageClass } from '#api/storage/v1/storage-class.ts';

export interface VolumeNeeds {
  /** Of the bound claims; undefined for one that is not there. */
  bound: readonly (PersistentVolume | undefined)[];
  /** Those of `bound` as they are seen on a node, where that differs. */
  boundOn?: ((nodeName: string) => VolumeNeeds['bound']) | undefined;
  /** They wait for a node. */
  unbound: readonly Claim[];
  /** What could be given to those, by class. */
  volumes: ReadonlyMap<string, readonly PersistentVolume[]>;
  classNamed(name: string): StorageClass | undefined;
  driverNamed(name: string): CSIDriver | undefined;
  capacities(): readonly CSIStorageCapacity[];
}

export interface Choice {
  /** As they will be written. */
  bindings: readonly { volume: PersistentVolume; claim: Claim }[];
  provisions: readonly Claim[];
}

const NODE_CONFLICT = "node(s) didn't match PersistentVolume's node affinity";
const NO_VOLUME = "node(s) didn't find available persistent volumes to bind";
const NO_SPACE = 'node(s) did not have enough free storage';
const NO_SUCH_VOLUME = 'node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)';

/** The reasons why not, in upstream's order, when the node does not do. */
export function chooseVolumes(node: Node, needs: VolumeNeeds): Choice | readonly string[] {
  const bound = refusedBound(node, needs.boundOn?.(node.metadata.name) ?? needs.bound);
  const chosen = chooseUnbound(node, needs);
  if (!bound && typeof chosen !== 'string') return chosen;
  const reasons = [bound, typeof chosen === 'string' ? chosen : undefined];
  return [NODE_CONFLICT, NO_VOLUME, NO_SPACE, NO_SUCH_VOLUME].filter((reason) => reasons.includes(reason));
}

/** The first that does not do decides. */
function refusedBound({ metadata }: Node, volumes: VolumeNeeds['bound']): string | undefined {
  for (const volume of volumes) {
    if (!volume) return NO_SUCH_VOLUME;
    if (!isReachableFrom(volume, metadata.labels)) return NODE_CONFLICT;
  }
  return undefined;
}

/** Free volumes go first, small claims first; what finds none is made, where that is possible. */
function chooseUnbound(node: Node, needs: VolumeNeeds): Choice | string {
  const { name, labels: nodeLabels = {} } = node.metadata;
  const toProvision: Claim[] = [];
  const toMatch: Claim[] = [];
  for (const claim of needs.unbound) {
    const selected = claim.metadata.annotations?.[SELECTED_NODE];
    if (selected === undefined) toMatch.push(claim);
    else if (selected === name) toProvision.push(claim);
    else return NO_VOLUME; // its volume is being made for another node
  }
  toMatch.sort((a, b) => compareQuantities(requestOf(a), requestOf(b)));
  const bindings: { volume: PersistentVolume; claim: Claim }[] = [];
  const taken = new Set<string>();
  for (const claim of toMatch) {
    const candidates = needs.volumes.get(classOfClaim(claim)) ?? [];
    const volume = findMatchingVolume(claim, candidates, { nodeLabels, taken });
    if (volume) {
      taken.add(volume.metadata.name);
      bindings.push({ volume: boundToClaim(volume, claim), claim });
    } else toProvision.push(claim);
  }
  for (const claim of toProvision) {
    const refused = refusedProvision(claim, node, needs);
    if (refused) return refused;
  }
  return { bindings, provisions: toProvision.map((claim) => withSelectedNode(claim, name)) };
}

const withSelectedNode = ({ metadata, ...claim }: Claim, name: string): Claim => ({
  ...claim,
  metadata: { ...metadata, annotations: { ...metadata.annotations, [SELECTED_NODE]: name } },
});

function refusedProvision(claim: Claim, node: Node, needs: VolumeNeeds): string | undefined {
  const storageClass = needs.classNamed(classOfClaim(claim));
  if (!storageClass?.provisioner || storageClass.provisioner === NO_PROVISIONER) return NO_VOLUME;
  if (!isAllowedTopology(storageClass, node.metadata.labels ?? {})) return NO_VOLUME;
  return hasRoom(claim, { storageClass, node, needs }) ? undefined : NO_SPACE;
}

/** One term must hold, with all of its expressions. */
const isAllowedTopology = ({ allowedTopologies = [] }: StorageClass, labels: Readonly<Record<string, string>>) =>
  allowedTopologies.length === 0 ||
  allowedTopologies.some(
    ({ matchLabelExpressions = [] }) =>
      matchLabelExpressions.length > 0 &&
      matchLabelExpressions.every(({ key, values }) => Object.hasOwn(labels, key) && values.includes(labels[key]!)),
  );

/** Only drivers that say how much they have are asked. */
function hasRoom(
  claim: Claim,
  { storageClass, node, needs }: { storageClass: StorageClass; node: Node; needs: VolumeNeeds },
): boolean {
  if (!needs.driverNamed(storageClass.provisioner)?.spec.storageCapacity) return true;
  return needs.capacities().some(({ storageClassName, maximumVolumeSize, capacity, nodeTopology }) => {
    if (storageClassName !== storageClass.metadata.name || !nodeTopology) return false;
    const limit = maximumVolumeSize ?? capacity; // the first is the more precise
    if (limit === undefined || compareQuantities(limit, requestOf(claim)) < 0) return false;
    return matchesLabels(selectorFrom(nodeTopology), node.metadata.labels);
  });
}
