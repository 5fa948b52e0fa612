/** StorageClass: a sort of storage, and who makes it. Source: API reference, storage.k8s.io/v1. */
import type * as schema from '#api/generated/schema.ts';
import { ageColumn, column, defineKind } from '#api/machinery/define-kind.ts';
import { forbiddenField, requiredValue } from '#api/machinery/field-error.ts';
import { isEqual } from '#api/machinery/equal.ts';
import { follows, isImmutable, mustBeOneOf } from '#api/machinery/field-rules.ts';
import { qualifiedName } from '#api/machinery/names.ts';

export type StorageClass = schema.StorageClass;

const DEFAULT_ANNOTATIONS = [
  'storageclass.kubernetes.io/is-default-class',
  'storageclass.beta.kubernetes.io/is-default-class',
];

/** Claims that name no class get it. */
export const isDefaultClass = ({ metadata }: Pick<schema.StorageClass, 'metadata'>): boolean =>
  DEFAULT_ANNOTATIONS.some((annotation) => metadata.annotations?.[annotation] === 'true');

export const StorageClass = defineKind<schema.StorageClass>({
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'StorageClass',
  plural: 'storageclasses',
  scope: 'Cluster',
  shortNames: ['sc'],
  defaults: (storageClass) => ({
    ...(storageClass as schema.StorageClass),
    reclaimPolicy: storageClass.reclaimPolicy ?? 'Delete',
    volumeBindingMode: storageClass.volumeBindingMode ?? 'Immediate',
  }),
  validate: (storageClass, at) => [
    ...(storageClass.provisioner
      ? follows(at.provisioner, storageClass.provisioner.toLowerCase(), qualifiedName)
      : [requiredValue(at.provisioner)]),
    ...mustBeOneOf(at.reclaimPolicy, storageClass.reclaimPolicy, ['Delete', 'Retain']),
    ...mustBeOneOf(at.volumeBindingMode, storageClass.volumeBindingMode, ['Immediate', 'WaitForFirstConsumer']),
  ],
  validateUpdate: ({ next, current, at }) => [
    ...(isEqual(next.parameters ?? {}, current.parameters ?? {})
      ? []
      : [forbiddenField(at.parameters, 'updates to parameters are forbidden.')]),
    ...(next.provisioner === current.provisioner
      ? []
      : [forbiddenField(at.provisioner, 'updates to provisioner are forbidden.')]),
    ...(next.reclaimPolicy === current.reclaimPolicy
      ? []
      : [forbiddenField(at.reclaimPolicy, 'updates to reclaimPolicy are forbidden.')]),
    ...isImmutable(at.volumeBindingMode, next.volumeBindingMode, current.volumeBindingMode),
  ],
  columns: [
    column(
      'Name',
      'string',
      (storageClass) => `${storageClass.metadata.name}${isDefaultClass(storageClass) ? ' (default)' : ''}`,
      {
        format: 'name',
      },
    ),
    column('Provisioner', 'string', ({ provisioner }) => provisioner),
    column('ReclaimPolicy', 'string', ({ reclaimPolicy }) => reclaimPolicy),
    column('VolumeBindingMode', 'string', ({ volumeBindingMode }) => volumeBindingMode),
    column('AllowVolumeExpansion', 'string', ({ allowVolumeExpansion }) => String(allowVolumeExpansion ?? false)),
    ageColumn(),
  ],
});
