/**
 * Which volume a claim gets, and what says that the two belong together. The binder (controller) and the scheduler both
 * decide by these rules, so they agree without knowing of each other. Source: "Persistent Volumes", "Volume Binding Mode",
 * KEP-490.
 */
import type {
  NodeSelectorTerm,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  StorageClass,
  Volume,
} from '#api/generated/schema.ts';
import { matchesLabels, selectorFrom } from '#api/machinery/label-selector.ts';
import { compareQuantities } from '#api/machinery/quantity.ts';
import { matchesNodeTerm } from './node-affinity.ts';

/** Of a claim: the binding is whole, from both sides. */
export const BIND_COMPLETED = 'pv.kubernetes.io/bind-completed';
/** Of a claim or volume: the binding is the controller's work, not a user's; it may be undone. */
export const BOUND_BY_CONTROLLER = 'pv.kubernetes.io/bound-by-controller';
/** Of a claim: the node that its first pod gets; the volume is to be made for it. Taken away when that fails. */
export const SELECTED_NODE = 'volume.kubernetes.io/selected-node';
/** Of a claim: who is asked to make its volume; the first is the old name, written beside. */
export const STORAGE_PROVISIONERS = [
  'volume.beta.kubernetes.io/storage-provisioner',
  'volume.kubernetes.io/storage-provisioner',
] as const;
/** Of a volume: who made it. */
export const PROVISIONED_BY = 'pv.kubernetes.io/provisioned-by';
/** The provisioner of classes whose volumes nobody makes. */
export const NO_PROVISIONER = 'kubernetes.io/no-provisioner';

const CLASS_ANNOTATION = 'volume.beta.kubernetes.io/storage-class';

type Claim = PersistentVolumeClaim;

const annotated = ({ metadata }: Claim | PersistentVolume, name: string): string | undefined =>
  metadata.annotations && Object.hasOwn(metadata.annotations, name) ? metadata.annotations[name] : undefined;

/** Empty when it asks for none: then only volumes without a class will do. */
export const classOfClaim = (claim: Claim): string =>
  annotated(claim, CLASS_ANNOTATION) ?? claim.spec.storageClassName ?? '';

/** Whether the claim says anything of a class, be it "none". */
export const namesClass = (claim: Claim): boolean =>
  annotated(claim, CLASS_ANNOTATION) !== undefined || claim.spec.storageClassName !== undefined;

export const classOfVolume = (volume: PersistentVolume): string =>
  annotated(volume, CLASS_ANNOTATION) ?? volume.spec.storageClassName ?? '';

/** The volume names this claim, be it only by name (then a user has said so). */
export function isBoundTo({ spec: { claimRef } }: PersistentVolume, { metadata }: Claim): boolean {
  if (!claimRef || claimRef.name !== metadata.name || claimRef.namespace !== metadata.namespace) return false;
  return !claimRef.uid || claimRef.uid === metadata.uid;
}

/** The claim has its volume, and the binder has said so. */
export const isFullyBound = (claim: Claim): boolean =>
  Boolean(claim.spec.volumeName) && annotated(claim, BIND_COMPLETED) !== undefined;

/** The volume waits until a pod that uses the claim has its node. `classNamed`: what there is of classes. */
export function isBindingDelayed(claim: Claim, classNamed: (name: string) => StorageClass | undefined): boolean {
  const name = classOfClaim(claim);
  return name !== '' && classNamed(name)?.volumeBindingMode === 'WaitForFirstConsumer';
}

/** Whether a node with these labels reaches the volume. Terms are matched by labels alone: a name is no label. */
export function isReachableFrom({ spec }: PersistentVolume, labels: Readonly<Record<string, string>> = {}): boolean {
  const required = spec.nodeAffinity?.required;
  if (!required) return true;
  const node = { apiVersion: 'v1', kind: 'Node', metadata: { name: '', labels } } as never;
  return required.nodeSelectorTerms.some((term: NodeSelectorTerm) => matchesNodeTerm(term, node));
}

export interface Matching {
  /** Only what this node reaches comes into question (the scheduler's question). */
  nodeLabels?: Readonly<Record<string, string>> | undefined;
  /** Names of volumes that are taken already. */
  taken?: ReadonlySet<string>;
  /** Without a node: the claim waits for one, so only a volume that names the claim will do. */
  isDelayed?: boolean;
}

/**
 * The volume that names the claim, else the smallest available one that will do; undefined when there is none. Without a
 * node the access modes are not looked at: the binder lists volumes by them.
 */
export function findMatchingVolume(
  claim: Claim,
  volumes: Iterable<PersistentVolume>,
  { nodeLabels, taken, isDelayed = false }: Matching = {},
): PersistentVolume | undefined {
  const selector = claim.spec.selector && selectorFrom(claim.spec.selector);
  let smallest: PersistentVolume | undefined;
  for (const volume of volumes) {
    if (taken?.has(volume.metadata.name) || !couldHold(volume, claim)) continue;
    if (isBoundTo(volume, claim)) return !nodeLabels || isReachableFrom(volume, nodeLabels) ? volume : undefined;
    if (!nodeLabels && isDelayed) continue;
    if (volume.status?.phase !== 'Available') continue;
    if (selector && !matchesLabels(selector, volume.metadata.labels)) continue;
    if (classOfVolume(volume) !== classOfClaim(claim)) continue;
    if (nodeLabels && !(isReachableFrom(volume, nodeLabels) && hasAccessModes(volume, claim))) continue;
    if (!smallest || compareQuantities(capacityOf(smallest), capacityOf(volume)) > 0) smallest = volume;
  }
  return smallest;
}

/** Free or kept for it, large enough, of its mode and attributes, and not going. */
function couldHold(volume: PersistentVolume, claim: Claim): boolean {
  if (volume.spec.claimRef && !isBoundTo(volume, claim)) return false;
  if (volume.metadata.deletionTimestamp || !hasSameMode(volume, claim)) return false;
  if (!hasSameAttributes(volume, claim)) return false;
  return compareQuantities(capacityOf(volume), requestOf(claim)) >= 0;
}

export const requestOf = ({ spec }: Claim): string => spec.resources?.requests?.['storage'] ?? '0';

export const capacityOf = ({ spec }: PersistentVolume): string => spec.capacity?.['storage'] ?? '0';

export const hasSameMode = ({ spec: a }: PersistentVolume, { spec: b }: Claim): boolean =>
  (a.volumeMode || 'Filesystem') === (b.volumeMode || 'Filesystem');

export const hasSameAttributes = ({ spec: a }: PersistentVolume, { spec: b }: Claim): boolean =>
  (a.volumeAttributesClassName ?? '') === (b.volumeAttributesClassName ?? '');

/** The volume has every mode that the claim asks for. */
export const hasAccessModes = ({ spec }: PersistentVolume, claim: Claim): boolean =>
  (claim.spec.accessModes ?? []).every((mode) => spec.accessModes?.includes(mode));

/** The volume as it is when it is this claim's; the same object when it is so already. */
export function boundToClaim(volume: PersistentVolume, claim: Claim): PersistentVolume {
  const { name, namespace, uid, resourceVersion } = claim.metadata;
  const isTheirs = isBoundTo(volume, claim);
  if (isTheirs && volume.spec.claimRef?.uid === uid) return volume;
  const claimRef = {
    kind: 'PersistentVolumeClaim',
    apiVersion: 'v1',
    name,
    ...(namespace !== undefined && { namespace }),
    uid,
    ...(resourceVersion !== undefined && { resourceVersion }),
  };
  const annotations = { [BOUND_BY_CONTROLLER]: 'yes', ...volume.metadata.annotations };
  return {
    ...volume,
    metadata: isTheirs ? volume.metadata : { ...volume.metadata, annotations },
    spec: { ...volume.spec, claimRef } as PersistentVolume['spec'],
  };
}

/** The claim behind a volume of a pod; undefined for other volumes. An ephemeral one is named after pod and volume. */
export function claimNameOf(pod: Pod, volume: Volume): string | undefined {
  if (volume.persistentVolumeClaim) return volume.persistentVolumeClaim.claimName;
  return volume.ephemeral ? `${pod.metadata.name}-${volume.name}` : undefined;
}

/** Why the claim of this name is not the pod's own, for an ephemeral volume; undefined when it is. */
export function notMadeFor(pod: Pod, { metadata }: Claim): string | undefined {
  const isOwn =
    metadata.namespace === pod.metadata.namespace &&
    metadata.ownerReferences?.some(({ controller, uid }) => controller && uid === pod.metadata.uid);
  if (isOwn) return undefined;
  const { namespace, name } = pod.metadata;
  return `PVC ${metadata.namespace}/${metadata.name} was not created for pod ${namespace}/${name} (pod is not owner)`;
}
