/** What a PersistentVolume may say, and the volume that an attachment carries inline. Source: API reference, core/v1. */
import type { PersistentVolume, PersistentVolumeSource, PersistentVolumeSpec } from '#api/generated/schema.ts';
import {
  type FieldError,
  forbiddenField,
  invalidValue,
  notSupportedValue,
  requiredValue,
} from '#api/machinery/field-error.ts';
import { type At, keyed, type Path } from '#api/machinery/field-path.ts';
import { follows, isOneOf } from '#api/machinery/field-rules.ts';
import { dns1123Subdomain } from '#api/machinery/names.ts';
import { compareQuantities, quantityValue } from '#api/machinery/quantity.ts';
import { validateSources } from './persistent-volume-sources.ts';
import { validateNodeSelector } from './pod/scheduling.ts';
import { ACCESS_MODES } from './volume-access.ts';

const INLINE = 'in the context of inline volumes';

/** `isInline`: carried by an attachment, where it has no claim, no capacity and no class. */
export function validateVolumeSpec(
  spec: PersistentVolumeSpec,
  at: At<PersistentVolumeSpec>,
  { name, isInline }: { name: string; isInline: boolean },
): FieldError[] {
  const isRoot = spec.hostPath !== undefined && /^\/+(\.?\/+)*\.?$/.test(spec.hostPath.path ?? '');
  return [
    ...(isInline ? validateInline(spec, at) : []),
    ...validateAccessModes(spec.accessModes ?? [], at.accessModes),
    ...(isInline ? [] : validateCapacity(spec.capacity, at.capacity)),
    ...validateReclaimPolicy(spec, at, isInline),
    ...validateNodeAffinity(spec, at, isInline),
    ...validateSources(spec, at, name),
    ...(isRoot && spec.persistentVolumeReclaimPolicy === 'Recycle'
      ? [forbiddenField(at.persistentVolumeReclaimPolicy, "may not be 'recycle' for a hostPath mount of '/'")]
      : []),
    ...validateClass(spec, at, isInline),
    ...validateMode(spec, at, isInline),
    ...(isInline ? [] : validateAttributesClass(spec, at)),
  ];
}

const validateInline = ({ claimRef, capacity, csi }: PersistentVolumeSpec, at: At<PersistentVolumeSpec>) => [
  ...(claimRef ? [forbiddenField(at.claimRef, `may not be specified ${INLINE}`)] : []),
  ...(Object.keys(capacity ?? {}).length > 0 ? [forbiddenField(at.capacity, `may not be specified ${INLINE}`)] : []),
  ...(csi ? [] : [requiredValue(at.csi, `has to be specified ${INLINE}`)]),
];

function validateAccessModes(modes: readonly string[], at: Path): FieldError[] {
  if (modes.length === 0) return [requiredValue(at)];
  const errors = modes.flatMap((mode) => isOneOf(at, mode, ACCESS_MODES));
  const hasOthers = modes.some((mode) => mode !== 'ReadWriteOncePod' && ACCESS_MODES.includes(mode));
  if (hasOthers && modes.includes('ReadWriteOncePod'))
    errors.push(forbiddenField(at, 'may not use ReadWriteOncePod with other access modes'));
  return errors;
}

function validateCapacity(capacity: Record<string, string> | undefined, at: At<Record<string, string>>): FieldError[] {
  const entries = Object.entries(capacity ?? {});
  const isStorage = entries.length === 1 && capacity?.['storage'] !== undefined;
  return [
    ...(entries.length === 0 ? [requiredValue(at)] : []),
    ...(isStorage ? [] : [notSupportedValue(at, capacity ?? null, ['storage'])]),
    ...entries.flatMap(([name, amount]) => [
      ...(compareQuantities(amount, '0') < 0
        ? [invalidValue(keyed(at, name), quantityValue(amount), 'must be a valid resource quantity')]
        : []),
      ...(compareQuantities(amount, '0') <= 0
        ? [invalidValue(keyed(at, name), amount, 'must be greater than zero')]
        : []),
    ]),
  ];
}

function validateReclaimPolicy(
  { persistentVolumeReclaimPolicy: policy }: PersistentVolumeSpec,
  { persistentVolumeReclaimPolicy: at }: At<PersistentVolumeSpec>,
  isInline: boolean,
): FieldError[] {
  if (!policy) return [];
  if (!isInline) return isOneOf(at, policy, ['Delete', 'Recycle', 'Retain']);
  return policy === 'Retain' ? [] : [forbiddenField(at, `may only be Retain ${INLINE}`)];
}

function validateNodeAffinity(
  { nodeAffinity }: PersistentVolumeSpec,
  { nodeAffinity: at }: At<PersistentVolumeSpec>,
  isInline: boolean,
): FieldError[] {
  if (!nodeAffinity) return [];
  if (isInline) return [forbiddenField(at, `may not be specified ${INLINE}`)];
  return nodeAffinity.required
    ? validateNodeSelector(nodeAffinity.required, at.required)
    : [requiredValue(at.required, 'must specify required node constraints')];
}

function validateClass(
  { storageClassName: name }: PersistentVolumeSpec,
  { storageClassName: at }: At<PersistentVolumeSpec>,
  isInline: boolean,
): FieldError[] {
  if (!name) return [];
  return isInline ? [forbiddenField(at, `may not be specified ${INLINE}`)] : follows(at, name, dns1123Subdomain);
}

function validateMode(
  { volumeMode }: PersistentVolumeSpec,
  { volumeMode: at }: At<PersistentVolumeSpec>,
  isInline: boolean,
): FieldError[] {
  if (!isInline) return isOneOf(at, volumeMode, ['Block', 'Filesystem']);
  return volumeMode === undefined || volumeMode === 'Filesystem'
    ? []
    : [forbiddenField(at, `may not specify volumeMode other than Filesystem ${INLINE}`)];
}

function validateAttributesClass(
  { volumeAttributesClassName: name, csi }: PersistentVolumeSpec,
  at: At<PersistentVolumeSpec>,
): FieldError[] {
  if (name === undefined) return [];
  return [
    ...(name
      ? follows(at.volumeAttributesClassName, name, dns1123Subdomain)
      : [requiredValue(at.volumeAttributesClassName, 'an empty string is disallowed')]),
    ...(csi ? [] : [requiredValue(at.csi, 'has to be specified when using volumeAttributesClassName')]),
  ];
}

const MOUNT_OPTIONS = 'volume.beta.kubernetes.io/mount-options';
const WITH_MOUNT_OPTIONS: readonly (keyof PersistentVolumeSource)[] = [
  'gcePersistentDisk',
  'awsElasticBlockStore',
  'glusterfs',
  'nfs',
  'rbd',
  'quobyte',
  'iscsi',
  'cinder',
  'cephfs',
  'azureFile',
  'vsphereVolume',
  'azureDisk',
  'photonPersistentDisk',
];

/** As an annotation they are for the older sources only. */
export function validateMountOptions({ metadata, spec }: PersistentVolume): FieldError[] {
  if (metadata.annotations?.[MOUNT_OPTIONS] === undefined) return [];
  if (WITH_MOUNT_OPTIONS.some((source) => spec[source])) return [];
  return [
    forbiddenField(`metadata.annotations.${MOUNT_OPTIONS}`, 'may not specify mount options for this volume type'),
  ];
}

const OLD_ANNOTATIONS: readonly (readonly [string, string])[] = [
  ['volume.beta.kubernetes.io/storage-class', 'deprecated since v1.8; use "storageClassName" attribute instead'],
  [MOUNT_OPTIONS, 'deprecated since v1.31; use "mountOptions" attribute instead'],
];

const OLD_SOURCES: readonly (readonly [keyof PersistentVolumeSource, string, string])[] = [
  ['cephfs', 'cephfs', 'deprecated in v1.28, non-functional in v1.31+'],
  ['photonPersistentDisk', 'photonPersistentDisk', 'deprecated in v1.11, non-functional in v1.16+'],
  ['scaleIO', 'scaleIO', 'deprecated in v1.16, non-functional in v1.22+'],
  ['storageos', 'storageOS', 'deprecated in v1.22, non-functional in v1.25+'],
  ['glusterfs', 'glusterfs', 'deprecated in v1.25, non-functional in v1.26+'],
  ['rbd', 'rbd', 'deprecated in v1.28, non-functional in v1.31+'],
];

export function warningsOfVolume({ metadata, spec }: PersistentVolume): string[] {
  const recycled =
    'The Recycle reclaim policy is deprecated. Instead, the recommended approach is to use dynamic provisioning.';
  return [
    ...OLD_ANNOTATIONS.filter(([key]) => metadata.annotations?.[key] !== undefined).map(
      ([key, text]) => `metadata.annotations[${key}]: ${text}`,
    ),
    ...(spec.persistentVolumeReclaimPolicy === 'Recycle' ? [`spec.persistentVolumeReclaimPolicy: ${recycled}`] : []),
    ...OLD_SOURCES.filter(([source]) => spec[source]).map(([, field, text]) => `spec.${field}: ${text}`),
  ];
}
