/** Who the pods of a StatefulSet are: their ordinals, names, hosts, and the claims that stay theirs. Source: "StatefulSets". */
import type { PersistentVolumeClaim, Pod, PodTemplateSpec, StatefulSet } from '#api/generated/schema.ts';
import type { OwnerReference } from '#api/machinery/object.ts';
import type { Draft } from '#client/client.ts';
import { controllerReferenceTo } from '../claim.ts';
import { REVISION_HASH } from '../controller-revisions.ts';
import { podFromTemplate } from '../replica-set-pods.ts';

const POD_NAME = 'statefulset.kubernetes.io/pod-name';
const POD_INDEX = 'apps.kubernetes.io/pod-index';

export const firstOrdinal = ({ spec }: StatefulSet): number => spec.ordinals?.start ?? 0;
export const podName = ({ metadata }: StatefulSet, ordinal: number): string => `${metadata.name}-${ordinal}`;

/** undefined when the name is none of the set's. */
export function ordinalOf({ metadata }: Pod, set: StatefulSet): number | undefined {
  const [, base, digits] = /^(.*)-(\d{1,9})$/.exec(metadata.name) ?? [];
  return base === set.metadata.name ? Number(digits) : undefined;
}

export interface Version {
  /** The name of its revision. */
  revision: string;
  template: PodTemplateSpec;
}

export function podOf(set: StatefulSet, ordinal: number, { revision, template }: Version): Draft<Pod> {
  const name = podName(set, ordinal);
  const { metadata, spec } = podFromTemplate({ ...set, spec: { ...set.spec, template } });
  const { generateName: _, ...rest } = metadata;
  return {
    metadata: {
      ...rest,
      name,
      labels: { ...metadata.labels, [POD_NAME]: name, [POD_INDEX]: `${ordinal}`, [REVISION_HASH]: revision },
    },
    spec: {
      ...spec,
      hostname: name,
      ...(set.spec.serviceName && { subdomain: set.spec.serviceName }),
      ...volumesOf(set, ordinal, spec),
    },
  };
}

/** A claim's volume takes the place of one of the same name in the template. */
export function volumesOf(
  set: StatefulSet,
  ordinal: number,
  { volumes = [] }: Pod['spec'],
): Pick<Pod['spec'], 'volumes'> {
  const claims = (set.spec.volumeClaimTemplates ?? []).map(({ metadata }) => ({
    name: metadata.name,
    persistentVolumeClaim: { claimName: claimName(set, metadata.name, ordinal) },
  }));
  const names = new Set(claims.map(({ name }) => name));
  const all = [...claims, ...volumes.filter(({ name }) => !names.has(name))];
  return all.length > 0 ? { volumes: all } : {};
}

/** Whether a pod mounts the claims of its ordinal: one that was taken on may not. */
export const hasStorage = (set: StatefulSet, ordinal: number, { spec: { volumes = [] } }: Pod): boolean =>
  (set.spec.volumeClaimTemplates ?? []).every(({ metadata: { name } }) => {
    const mounted = volumes.find((volume) => volume.name === name)?.persistentVolumeClaim?.claimName;
    return mounted === claimName(set, name, ordinal);
  });

const claimName = (set: StatefulSet, template: string, ordinal: number): string =>
  `${template}-${set.metadata.name}-${ordinal}`;

/** The claims of one pod, as they would be made now. */
export const claimsOf = (
  set: StatefulSet,
  ordinal: number,
): (Draft<PersistentVolumeClaim> & { metadata: { name: string } })[] =>
  (set.spec.volumeClaimTemplates ?? []).map(({ metadata, spec }) => ({
    metadata: {
      name: claimName(set, metadata.name, ordinal),
      ...(set.metadata.namespace && { namespace: set.metadata.namespace }),
      labels: { ...metadata.labels, ...set.spec.selector.matchLabels },
      ...(metadata.annotations && { annotations: metadata.annotations }),
    },
    spec,
  }));

export interface ClaimOwners {
  owners: readonly OwnerReference[];
  /** Somebody else is said to manage the claim: the policy does not hold for it. */
  isContested: boolean;
}

const STATEFUL_SET = { apiVersion: 'apps/v1', kind: 'StatefulSet' };
const POD = { apiVersion: 'v1', kind: 'Pod' };
type Owner = StatefulSet | Pod;

const names = (reference: OwnerReference, owner: Owner, { apiVersion, kind }: typeof POD): boolean =>
  reference.apiVersion === apiVersion && reference.kind === kind && reference.name === owner.metadata.name;

/**
 * With whom a claim goes: with the set, with its pod that is about to go, or with nobody. Owners that others gave it stay. One
 * that goes with an earlier set or pod of the name is left to go. Source: KEP-1847.
 */
export function claimOwners(
  set: StatefulSet,
  claim: PersistentVolumeClaim,
  { pod, isCondemned }: { pod: Pod; isCondemned: boolean },
): ClaimOwners {
  const { whenDeleted, whenScaled } = set.spec.persistentVolumeClaimRetentionPolicy;
  const owners = claim.metadata.ownerReferences ?? [];
  const ofSet = owners.filter((each) => names(each, set, STATEFUL_SET));
  const ofPod = owners.filter((each) => names(each, pod, POD));
  const others = owners.filter((each) => !ofSet.includes(each) && !ofPod.includes(each));
  const isStale = (references: OwnerReference[], { metadata }: Owner) =>
    references.some(({ uid }) => uid !== metadata.uid);
  const isEarlier = isStale(ofSet, set) || isStale(ofPod, pod);
  const isKept = whenDeleted === 'Retain' && whenScaled === 'Retain';
  const isContested = !isKept && (isEarlier || others.some(({ controller }) => controller === true));
  if (isEarlier) return { owners, isContested };
  if (isContested) return { owners: others, isContested };
  const due = dueOwner(set, { pod, isCondemned });
  const [first, ...more] = [...ofSet, ...ofPod];
  const isRight = due ? first?.uid === due.uid && first.controller === true && more.length === 0 : !first;
  return { owners: isRight ? owners : due ? [...others, due] : others, isContested };
}

function dueOwner(set: StatefulSet, { pod, isCondemned }: { pod: Pod; isCondemned: boolean }) {
  const { whenDeleted, whenScaled } = set.spec.persistentVolumeClaimRetentionPolicy;
  if (isCondemned && whenScaled === 'Delete') return { ...controllerReferenceTo(pod), ...POD };
  return whenDeleted === 'Delete' ? { ...controllerReferenceTo(set), ...STATEFUL_SET } : undefined;
}

/** Whether a pod still is who it is said to be. What a user changed is put right. */
export const hasIdentity = ({ metadata }: Pod): boolean => metadata.labels?.[POD_NAME] === metadata.name;
export const identityLabels = ({ metadata }: Pod, ordinal: number): Record<string, string> => ({
  [POD_NAME]: metadata.name,
  [POD_INDEX]: `${ordinal}`,
});
