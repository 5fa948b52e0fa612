/** PersistentVolume: a piece of storage that outlives pods. Source: API reference, core/v1. */
import type * as schema from '#api/generated/schema.ts';
import { ageColumn, column, defineKind, nameColumn, wideColumn } from '#api/machinery/define-kind.ts';
import { isEqual } from '#api/machinery/equal.ts';
import { type FieldError, forbiddenField, invalidValue, requiredValue } from '#api/machinery/field-error.ts';
import { type At, keyed } from '#api/machinery/field-path.ts';
import { isImmutable, isNotNegativeQuantity, isOneOf } from '#api/machinery/field-rules.ts';
import { ACCESS_MODES, accessModesOf, SOURCES } from './volume-access.ts';

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
        volumeMode: spec.volumeMode || 'Filesystem',
        ...(spec.hostPath && { hostPath: { ...spec.hostPath, type: spec.hostPath.type ?? '' } }),
      },
    }) as schema.PersistentVolume,
  prepareForCreate: (volume) => ({ ...volume, status: { phase: 'Pending' } }),
  validate: ({ spec }, { spec: at }) => {
    const sources = SOURCES.filter((source) => spec[source] !== undefined);
    const modes = spec.accessModes ?? [];
    const errors: FieldError[] = [];
    if (modes.length === 0) errors.push(requiredValue(at.accessModes));
    errors.push(...modes.flatMap((mode) => isOneOf(at.accessModes, mode, ACCESS_MODES)));
    if (modes.length > 1 && modes.includes('ReadWriteOncePod'))
      errors.push(forbiddenField(at.accessModes, 'may not use ReadWriteOncePod with other access modes'));
    const capacity = Object.entries(spec.capacity ?? {});
    if (capacity.length === 0) errors.push(requiredValue(at.capacity));
    errors.push(...capacity.flatMap(([name, amount]) => isNotNegativeQuantity(keyed(at.capacity, name), amount)));
    errors.push(
      ...isOneOf(at.persistentVolumeReclaimPolicy, spec.persistentVolumeReclaimPolicy, ['Delete', 'Recycle', 'Retain']),
    );
    errors.push(...isOneOf(at.volumeMode, spec.volumeMode, ['Block', 'Filesystem']));
    if (sources.length === 0) errors.push(requiredValue(at, 'must specify a volume type'));
    for (const source of sources.slice(1))
      errors.push(forbiddenField(at[source], 'may not specify more than 1 volume type'));
    if (spec.hostPath?.path === '/' && spec.persistentVolumeReclaimPolicy === 'Recycle')
      errors.push(forbiddenField(at.persistentVolumeReclaimPolicy, "may not be 'recycle' for a hostPath mount of '/'"));
    if (spec.local && !spec.nodeAffinity)
      errors.push(requiredValue(at.nodeAffinity, 'Local volume requires node affinity'));
    if (spec.hostPath?.path.split('/').includes('..'))
      errors.push(invalidValue(at.hostPath.path, spec.hostPath.path, "must not contain '..'"));
    return errors;
  },
  validateUpdate: ({ next, current, at }) => {
    const top = at as unknown as At<schema.PersistentVolumeSpec>; // upstream leaves `spec` out of these paths
    return [
      ...(isEqual(sourcesOf(next.spec, current.spec), sourcesOf(current.spec))
        ? []
        : [forbiddenField('spec.persistentvolumesource', 'spec.persistentvolumesource is immutable after creation')]),
      ...isImmutable(top.volumeMode, next.spec.volumeMode, current.spec.volumeMode),
      ...(current.spec.nodeAffinity
        ? isImmutable(top.nodeAffinity, next.spec.nodeAffinity, current.spec.nodeAffinity)
        : []),
      ...(current.spec.volumeAttributesClassName !== undefined && next.spec.volumeAttributesClassName === undefined
        ? [forbiddenField(at.spec.volumeAttributesClassName, 'update from non-nil value to nil is forbidden')]
        : []),
    ];
  },
  columns: [
    nameColumn(),
    column('Capacity', 'string', ({ spec }) => spec.capacity?.['storage'] ?? ''),
    column('Access Modes', 'string', ({ spec }) => accessModesOf(spec.accessModes)),
    column('Reclaim Policy', 'string', ({ spec }) => spec.persistentVolumeReclaimPolicy),
    column('Status', 'string', ({ metadata, status }) =>
      metadata.deletionTimestamp ? 'Terminating' : (status?.phase ?? ''),
    ),
    column('Claim', 'string', ({ spec: { claimRef } }) =>
      claimRef ? `${claimRef.namespace ?? ''}/${claimRef.name ?? ''}` : '',
    ),
    column('StorageClass', 'string', ({ spec }) => spec.storageClassName ?? ''),
    column('VolumeAttributesClass', 'string', ({ spec }) => spec.volumeAttributesClassName || '<unset>'),
    column('Reason', 'string', ({ status }) => status?.reason ?? ''),
    ageColumn(),
    wideColumn('VolumeMode', 'string', ({ spec }) => spec.volumeMode || '<unset>'),
  ],
});

/** What stays after creation. The secret for growing may still be added where `before` has none. */
function sourcesOf(spec: schema.PersistentVolumeSpec, before = spec): Record<string, unknown> {
  const sources = Object.fromEntries(SOURCES.map((source) => [source, spec[source]]));
  if (!spec.csi || !before.csi || before.csi.controllerExpandSecretRef) return sources;
  const { controllerExpandSecretRef: _, ...csi } = spec.csi;
  return { ...sources, csi };
}
