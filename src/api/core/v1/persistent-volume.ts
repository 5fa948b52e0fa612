/** PersistentVolume: a piece of storage that outlives pods. Source: API reference, core/v1. */
import type * as schema from '#api/generated/schema.ts';
import { ageColumn, column, defineKind, nameColumn, wideColumn } from '#api/machinery/define-kind.ts';
import { isEqual } from '#api/machinery/equal.ts';
import { forbiddenField, invalidValue } from '#api/machinery/field-error.ts';
import type { At } from '#api/machinery/field-path.ts';
import { isImmutable } from '#api/machinery/field-rules.ts';
import { differenceOf } from '#api/machinery/unified-diff.ts';
import { validateMountOptions, validateVolumeSpec, warningsOfVolume } from './persistent-volume-rules.ts';
import { SOURCES } from './persistent-volume-sources.ts';
import { defaultSources } from './pod/source-defaults.ts';
import { accessModesOf } from './volume-access.ts';

const FIXED_AFFINITY = 'field is immutable, except for updating from beta label to GA';
/** What labels of nodes were called before they were here to stay. */
const NEW_LABELS: ReadonlyMap<string, string> = new Map([
  ['failure-domain.beta.kubernetes.io/zone', 'topology.kubernetes.io/zone'],
  ['failure-domain.beta.kubernetes.io/region', 'topology.kubernetes.io/region'],
  ['beta.kubernetes.io/os', 'kubernetes.io/os'],
  ['beta.kubernetes.io/arch', 'kubernetes.io/arch'],
  ['beta.kubernetes.io/instance-type', 'node.kubernetes.io/instance-type'],
]);
const FIXED_SOURCE = 'spec.persistentvolumesource is immutable after creation';

export type PersistentVolume = schema.PersistentVolume;

export const PersistentVolume = defineKind<schema.PersistentVolume>({
  group: '',
  version: 'v1',
  kind: 'PersistentVolume',
  plural: 'persistentvolumes',
  scope: 'Cluster',
  shortNames: ['pv'],
  subresources: ['status'],
  defaults: ({ spec = {}, ...volume }) =>
    ({
      ...volume,
      spec: {
        ...spec,
        persistentVolumeReclaimPolicy: spec.persistentVolumeReclaimPolicy || 'Retain',
        volumeMode: spec.volumeMode ?? 'Filesystem',
        ...defaultSources(spec),
      },
    }) as schema.PersistentVolume,
  createdWithStatus: true, // the API server writes it: that it waits, and since when
  prepareForCreate: (volume) => ({ ...volume, status: { ...volume.status, phase: 'Pending' } }),
  validate: (volume, at) => [
    ...validateVolumeSpec(volume.spec, at.spec, { name: volume.metadata.name, isInline: false }),
    ...validateMountOptions(volume),
  ],
  validateUpdate: ({ next, current, at }) => {
    const top = at as unknown as At<schema.PersistentVolumeSpec>; // upstream leaves `spec` out of these paths
    return [
      ...(isEqual(sourcesOf(next.spec, current.spec), sourcesOf(current.spec))
        ? []
        : [
            forbiddenField(
              'spec.persistentvolumesource',
              `${FIXED_SOURCE}\n${differenceOf(sourcesOf(current.spec), sourcesOf(next.spec, current.spec))}`,
            ),
          ]),
      ...isImmutable(top.volumeMode, next.spec.volumeMode, current.spec.volumeMode),
      ...(!current.spec.nodeAffinity || isEqual(next.spec.nodeAffinity, withNewLabels(current.spec.nodeAffinity, next))
        ? []
        : [invalidValue(top.nodeAffinity, next.spec.nodeAffinity ?? null, FIXED_AFFINITY)]),
      ...(current.spec.volumeAttributesClassName !== undefined && next.spec.volumeAttributesClassName === undefined
        ? [forbiddenField(at.spec.volumeAttributesClassName, 'update from non-nil value to nil is forbidden')]
        : []),
    ];
  },
  validateStatusUpdate: () => [],
  warnings: warningsOfVolume,
  columns: [
    nameColumn(),
    column('Capacity', 'string', ({ spec }) => spec.capacity?.['storage'] ?? '0'),
    column('Access Modes', 'string', ({ spec }) => accessModesOf(spec.accessModes)),
    column('Reclaim Policy', 'string', ({ spec }) => spec.persistentVolumeReclaimPolicy),
    column('Status', 'string', ({ metadata, status }) =>
      metadata.deletionTimestamp ? 'Terminating' : (status?.phase ?? ''),
    ),
    column('Claim', 'string', ({ spec: { claimRef } }) =>
      claimRef ? `${claimRef.namespace ?? ''}/${claimRef.name ?? ''}` : '',
    ),
    column('StorageClass', 'string', ({ spec }) => spec.storageClassName ?? ''),
    column('VolumeAttributesClass', 'string', ({ spec }) => spec.volumeAttributesClassName ?? '<unset>'),
    column('Reason', 'string', ({ status }) => status?.reason ?? ''),
    ageColumn(),
    wideColumn('VolumeMode', 'string', ({ spec }) => spec.volumeMode ?? '<unset>'),
  ],
});

/** What stays after creation. The secret for growing may still be added where `before` has none. */
function sourcesOf(spec: schema.PersistentVolumeSpec, before = spec): Record<string, unknown> {
  const sources = Object.fromEntries(SOURCES.map((source) => [source, spec[source]]));
  if (!spec.csi || !before.csi || before.csi.controllerExpandSecretRef) return sources;
  const { controllerExpandSecretRef: _, ...csi } = spec.csi;
  return { ...sources, csi };
}

/** With the keys that `next` has newer names for at the same places. */
function withNewLabels(affinity: schema.VolumeNodeAffinity, { spec }: schema.PersistentVolume) {
  const { required } = affinity;
  if (!required) return affinity;
  const renamed = (requirement: schema.NodeSelectorRequirement, term: number, place: number) => {
    const wanted = spec.nodeAffinity?.required?.nodeSelectorTerms[term]?.matchExpressions?.[place]?.key;
    return wanted !== undefined && NEW_LABELS.get(requirement.key) === wanted
      ? { ...requirement, key: wanted }
      : requirement;
  };
  const terms = required.nodeSelectorTerms.map((term, i) => ({
    ...term,
    ...(term.matchExpressions && { matchExpressions: term.matchExpressions.map((one, j) => renamed(one, i, j)) }),
  }));
  return { ...affinity, required: { ...required, nodeSelectorTerms: terms } };
}
