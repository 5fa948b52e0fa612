/** StorageClass: a sort of storage, and who makes it. Source: API reference, storage.k8s.io/v1. */
import type * as schema from '#api/generated/schema.ts';
import { ageColumn, column, defineKind } from '#api/machinery/define-kind.ts';
import { isEqual } from '#api/machinery/equal.ts';
import { duplicateValue, type FieldError, requiredValue } from '#api/machinery/field-error.ts';
import type { At } from '#api/machinery/field-path.ts';
import { follows, isImmutable, isOneOf } from '#api/machinery/field-rules.ts';
import { qualifiedName } from '#api/machinery/names.ts';

export type StorageClass = schema.StorageClass;

const DEFAULT_ANNOTATIONS = [
  'storageclass.kubernetes.io/is-default-class',
  'storageclass.beta.kubernetes.io/is-default-class',
];

/** Claims that name no class get it. */
export const isDefaultClass = ({ metadata }: Pick<schema.StorageClass, 'metadata'>): boolean =>
  DEFAULT_ANNOTATIONS.some((annotation) => metadata.annotations?.[annotation] === 'true');

/** What claims get that name no class: the youngest of several, of equal age the first by name. */
export const defaultClassOf = (classes: readonly schema.StorageClass[]): schema.StorageClass | undefined =>
  classes
    .filter(isDefaultClass)
    .sort(
      (a, b) =>
        Date.parse(b.metadata.creationTimestamp) - Date.parse(a.metadata.creationTimestamp) ||
        (a.metadata.name < b.metadata.name ? -1 : 1),
    )[0];

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
    ...(storageClass.reclaimPolicy ? isOneOf(at.reclaimPolicy, storageClass.reclaimPolicy, ['Delete', 'Retain']) : []),
    ...isOneOf(at.volumeBindingMode, storageClass.volumeBindingMode, ['Immediate', 'WaitForFirstConsumer']),
    ...(storageClass.allowedTopologies ?? []).flatMap((term, i, terms) =>
      validateTopology(term, at.allowedTopologies[i]!, terms.slice(0, i)),
    ),
  ],
  validateUpdate: ({ next, current, at }) => [
    ...isImmutable(at.parameters, next.parameters ?? null, current.parameters ?? null),
    ...isImmutable(at.provisioner, next.provisioner ?? '', current.provisioner ?? ''),
    ...isImmutable(at.reclaimPolicy, next.reclaimPolicy, current.reclaimPolicy),
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

/** Keys, and values of a key, are named once; no two terms say the same. */
function validateTopology(
  { matchLabelExpressions: requirements = [] }: schema.TopologySelectorTerm,
  at: At<schema.TopologySelectorTerm>,
  before: readonly schema.TopologySelectorTerm[],
): FieldError[] {
  const here = at.matchLabelExpressions;
  const errors = requirements.flatMap(({ key = '', values = [] }, i) => [
    ...(values.length === 0 ? [requiredValue(here[i]!.values)] : []),
    ...values.flatMap((value, j) => (values.indexOf(value) < j ? [duplicateValue(here[i]!.values[j]!, value)] : [])),
    ...follows(here[i]!.key, key, qualifiedName),
    ...(requirements.findIndex((other) => (other.key ?? '') === key) < i ? [duplicateValue(here[i]!.key, key)] : []),
  ]);
  const valuesByKey = (term: schema.TopologySelectorTerm) =>
    Object.fromEntries((term.matchLabelExpressions ?? []).map(({ key, values }) => [key, [...(values ?? [])].sort()]));
  const isTwice = before.some((other) =>
    isEqual(valuesByKey(other), valuesByKey({ matchLabelExpressions: requirements })),
  );
  return isTwice ? [...errors, duplicateValue(here, '')] : errors;
}
