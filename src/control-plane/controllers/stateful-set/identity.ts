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
function volumesOf(set: StatefulSet, ordinal: number, { volumes = [] }: Pod['spec']): Pick<Pod['spec'], 'volumes'> {
  const claims = (set.spec.volumeClaimTemplates ?? []).map(({ metadata }) => ({
    name: metadata.name,
    persistentVolumeClaim: { claimName: claimName(set, metadata.name, ordinal) },
  }));
  const names = new Set(claims.map(({ name }) => name));
  const all = [...claims, ...volumes.filter(({ name }) => !names.has(name))];
  return all.length > 0 ? { volumes: all } : {};
}

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

/**
 * With whom a claim goes: with the set, with its pod that is about to go, or with nobody. Owners that others gave it stay.
 * Source: KEP-1847.
 */
export function claimOwners(
  set: StatefulSet,
  claim: PersistentVolumeClaim,
  { pod, isCondemned }: { pod: Pod | undefined; isCondemned: boolean },
): OwnerReference[] {
  const { whenDeleted, whenScaled } = set.spec.persistentVolumeClaimRetentionPolicy;
  const others = (claim.metadata.ownerReferences ?? []).filter(
    ({ kind, name }) =>
      !(kind === 'StatefulSet' && name === set.metadata.name) &&
      !(kind === 'Pod' && name.startsWith(`${set.metadata.name}-`)),
  );
  if (isCondemned && whenScaled === 'Delete' && pod) return [...others, { ...ownerOf(pod), controller: true }];
  if (whenDeleted === 'Delete') return [...others, { ...ownerOf(set), controller: true }];
  return others;
}

const ownerOf = (owner: StatefulSet | Pod): OwnerReference => controllerReferenceTo(owner);

/** Whether a pod still is who it is said to be. What a user changed is put right. */
export function hasIdentity({ metadata }: Pod, ordinal: number): boolean {
  return metadata.labels?.[POD_NAME] === metadata.name && metadata.labels[POD_INDEX] === `${ordinal}`;
}
export const identityLabels = ({ metadata }: Pod, ordinal: number): Record<string, string> => ({
  [POD_NAME]: metadata.name,
  [POD_INDEX]: `${ordinal}`,
});
