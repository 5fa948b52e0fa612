/** PersistentVolumeClaim: somebody's wish for storage. Source: API reference, core/v1. */
import type * as schema from '#api/generated/schema.ts';
import { ageColumn, column, defineKind, nameColumn, wideColumn } from '#api/machinery/define-kind.ts';
import { type FieldError, forbiddenField, invalidValue, requiredValue } from '#api/machinery/field-error.ts';
import type { At } from '#api/machinery/field-path.ts';
import { follows, isOneOf } from '#api/machinery/field-rules.ts';
import { validateLabelSelector } from '#api/machinery/label-selector.ts';
import { dns1123Label, dns1123Subdomain } from '#api/machinery/names.ts';
import { compareQuantities } from '#api/machinery/quantity.ts';
import { validateClaimStatus, validateClaimUpdate } from './claim-update-rules.ts';
import { ACCESS_MODES, accessModesOf } from './volume-access.ts';

export type PersistentVolumeClaim = schema.PersistentVolumeClaim;

export const PersistentVolumeClaim = defineKind<schema.PersistentVolumeClaim>({
  group: '',
  version: 'v1',
  kind: 'PersistentVolumeClaim',
  plural: 'persistentvolumeclaims',
  scope: 'Namespaced',
  shortNames: ['pvc'],
  subresources: ['status'],
  defaults: (claim) => ({ ...(claim as schema.PersistentVolumeClaim), spec: defaultClaimSpec(claim.spec) }),
  prepareForCreate: (claim) => ({ ...claim, spec: withDataSources(claim.spec), status: { phase: 'Pending' } }),
  validate: ({ spec }, { spec: at }) => validateClaimSpec(spec, at),
  prepareForUpdate: (next, { spec }) =>
    spec.dataSource || spec.dataSourceRef ? next : { ...next, spec: withDataSources(next.spec) },
  validateUpdate: validateClaimUpdate,
  validateStatusUpdate: validateClaimStatus,
  columns: [
    nameColumn(),
    column('Status', 'string', ({ metadata, status }) =>
      metadata.deletionTimestamp ? 'Terminating' : (status?.phase ?? ''),
    ),
    column('Volume', 'string', ({ spec }) => spec.volumeName ?? ''),
    column('Capacity', 'string', ({ spec, status }) => (spec.volumeName ? (status?.capacity?.['storage'] ?? '') : '')),
    column('Access Modes', 'string', ({ spec, status }) => (spec.volumeName ? accessModesOf(status?.accessModes) : '')),
    column('StorageClass', 'string', ({ spec }) => spec.storageClassName ?? ''),
    column('VolumeAttributesClass', 'string', ({ spec }) => spec.volumeAttributesClassName ?? '<unset>'),
    ageColumn(),
    wideColumn('VolumeMode', 'string', ({ spec }) => spec.volumeMode ?? '<unset>'),
  ],
});

/** Where its content comes from, said the old way and the new one; what the old way cannot say is dropped. Source: KEP-1495. */
function withDataSources(spec: schema.PersistentVolumeClaimSpec): schema.PersistentVolumeClaimSpec {
  const { dataSource: given, dataSourceRef: asked, ...rest } = spec;
  if (!given && !asked) return spec;
  const ref = asked?.namespace ? undefined : asked; // in another namespace: a feature that is off
  const source = ref || isClaimOrSnapshot(given) ? given : undefined;
  const either = source ?? ref;
  if (!either) return rest;
  return { ...rest, dataSource: source ?? typedOf(either), dataSourceRef: ref ?? typedOf(either) };
}

type DataSource = schema.TypedLocalObjectReference;

const typedOf = ({ apiGroup, kind, name }: DataSource): DataSource => ({
  ...(apiGroup !== undefined && { apiGroup }),
  kind,
  name,
});

const isClaimOrSnapshot = (source: DataSource | undefined): boolean =>
  (source?.kind === 'PersistentVolumeClaim' && !source.apiGroup) ||
  (source?.kind === 'VolumeSnapshot' && source.apiGroup === 'snapshot.storage.k8s.io');

export const defaultClaimSpec = (
  spec: schema.Submitted<schema.PersistentVolumeClaimSpec> = {},
): schema.PersistentVolumeClaimSpec =>
  ({
    ...spec,
    resources: spec.resources ?? {},
    volumeMode: spec.volumeMode ?? 'Filesystem',
  }) as schema.PersistentVolumeClaimSpec;

export function validateClaimSpec(
  spec: schema.PersistentVolumeClaimSpec,
  at: At<schema.PersistentVolumeClaimSpec>,
  { keptNamesAreFree = false } = {},
): FieldError[] {
  const modes = spec.accessModes ?? [];
  const { storageClassName, volumeAttributesClassName, dataSource, dataSourceRef } = spec;
  const errors: FieldError[] = [];
  if (modes.length === 0) errors.push(requiredValue(at.accessModes, 'at least 1 access mode is required'));
  errors.push(...validateLabelSelector(spec.selector, at.selector));
  errors.push(...modes.flatMap((mode) => isOneOf(at.accessModes, mode, ACCESS_MODES)));
  if (modes.length > 1 && modes.includes('ReadWriteOncePod'))
    errors.push(forbiddenField(at.accessModes, 'may not use ReadWriteOncePod with other access modes'));
  const storage = spec.resources?.requests?.['storage'];
  const request = `${String(at.resources)}[storage]`; // upstream leaves `requests` out
  if (storage === undefined) errors.push(requiredValue(request));
  else if (compareQuantities(storage, '0') <= 0)
    errors.push(invalidValue(request, storage, 'must be greater than zero'));
  if (storageClassName && !keptNamesAreFree)
    errors.push(...follows(at.storageClassName, storageClassName, dns1123Subdomain));
  if (spec.volumeMode !== undefined) errors.push(...isOneOf(at.volumeMode, spec.volumeMode, ['Block', 'Filesystem']));
  if (dataSource) errors.push(...validateSource(dataSource, at.dataSource));
  if (dataSourceRef) errors.push(...validateSource(dataSourceRef, at.dataSourceRef));
  if (dataSourceRef?.namespace) {
    errors.push(...follows(at.dataSourceRef.namespace, dataSourceRef.namespace, dns1123Label));
  } else if (dataSource && dataSourceRef && !isSame(dataSource, dataSourceRef))
    errors.push(invalidValue(at, at.dataSource.toString(), 'must match dataSourceRef'));
  if (volumeAttributesClassName)
    errors.push(...follows(at.volumeAttributesClassName, volumeAttributesClassName, dns1123Subdomain));
  return errors;
}

const isSame = (source: schema.TypedLocalObjectReference, ref: schema.TypedObjectReference): boolean =>
  (source.apiGroup ?? '') === (ref.apiGroup ?? '') && source.kind === ref.kind && source.name === ref.name;

function validateSource(
  { apiGroup, kind, name }: schema.TypedLocalObjectReference,
  at: At<schema.TypedLocalObjectReference>,
): FieldError[] {
  return [
    ...(name ? [] : [requiredValue(at.name)]),
    ...(kind ? [] : [requiredValue(at.kind)]),
    ...(!apiGroup && kind !== 'PersistentVolumeClaim'
      ? [invalidValue(at, kind ?? '', "must be 'PersistentVolumeClaim' when referencing the default apiGroup")]
      : []),
    ...(apiGroup ? follows(at.apiGroup, apiGroup, dns1123Subdomain) : []),
  ];
}

/** `path`: where the claim is; upstream leaves its `spec` out. */
export const warningsOfClaimSpec = ({ resources }: schema.PersistentVolumeClaimSpec, path: string): string[] => {
  const storage = resources?.requests?.['storage'];
  const fraction = storage?.endsWith('m')
    ? [
        `${path}.resources.requests[storage]: fractional byte value ${JSON.stringify(storage)} is invalid, must be an integer`,
      ]
    : [];
  return fraction;
};
