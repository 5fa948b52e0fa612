/** StorageClass: a sort of storage, and who makes it. Source: API reference, storage.k8s.io/v1. */
import type * as schema from '#api/generated/schema.ts';
import { ageColumn, column, defineKind } from '#api/machinery/define-kind.ts';
import { isEqual } from '#api/machinery/equal.ts';
import { duplicateValue, type FieldError, invalidValue, requiredValue } from '#api/machinery/field-error.ts';
import type { At } from '#api/machinery/field-path.ts';
import { follows, isImmutable, isOneOf } from '#api/machinery/field-rules.ts';
import { qualifiedName } from '#api/machinery/names.ts';
import { IMMUTABLE } from '#api/machinery/object-meta.ts';
import { repeatedIn } from '#api/machinery/repeated.ts';
import { validateParameters, validateProvisioner } from './provisioner-rules.ts';

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
    ...validateProvisioner(storageClass.provisioner, at.provisioner),
    ...validateParameters(storageClass.parameters ?? {}, at.parameters),
    ...(storageClass.reclaimPolicy ? isOneOf(at.reclaimPolicy, storageClass.reclaimPolicy, ['Delete', 'Retain']) : []),
    ...isOneOf(at.volumeBindingMode, storageClass.volumeBindingMode, ['Immediate', 'WaitForFirstConsumer']),
    ...validateTopologies(storageClass.allowedTopologies ?? [], at.allowedTopologies),
  ],
  validateUpdate: ({ next, current, at }) => [
    ...(isEqual(next.parameters ?? null, current.parameters ?? null)
      ? []
      : [invalidValue(at.parameters, inOrder(next.parameters), IMMUTABLE)]),
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

/** More are not told. */
const MOST_TWINS = 1000;

/**
 * No two terms say the same. Upstream begins with an empty term for each, and has an error for every earlier term that says
 * what one says.
 */
function validateTopologies(
  terms: readonly schema.TopologySelectorTerm[],
  at: At<schema.TopologySelectorTerm[]>,
): FieldError[] {
  const said = new Map([[meaningOf({}), terms.length]]);
  let left = MOST_TWINS;
  return terms.flatMap((term, i) => {
    const meaning = meaningOf(term);
    const before = said.get(meaning) ?? 0;
    said.set(meaning, before + 1);
    const twins = Math.min(before, left);
    left -= twins;
    const here = at[i]!.matchLabelExpressions;
    return [...validateTopology(term, at[i]!), ...Array.from({ length: twins }, () => duplicateValue(here, ''))];
  });
}

/** Keys, and values of a key, are named once. */
function validateTopology(
  { matchLabelExpressions: requirements = [] }: schema.TopologySelectorTerm,
  { matchLabelExpressions: here }: At<schema.TopologySelectorTerm>,
): FieldError[] {
  const repeatedKeys = repeatedIn(requirements.map(({ key = '' }) => key));
  return requirements.flatMap(({ key = '', values = [] }, i) => [
    ...(values.length === 0 ? [requiredValue(here[i]!.values)] : []),
    ...[...repeatedIn(values)].map((j) => duplicateValue(here[i]!.values[j]!, values[j])),
    ...follows(here[i]!.key, key, qualifiedName),
    ...(repeatedKeys.has(i) ? [duplicateValue(here[i]!.key, key)] : []),
  ]);
}

/** Equal for terms that mean the same. The last of several requirements of a key counts. */
function meaningOf({ matchLabelExpressions = [] }: schema.TopologySelectorTerm): string {
  const byKey = new Map(matchLabelExpressions.map(({ key, values }) => [key, [...new Set(values)].sort()]));
  return JSON.stringify([...byKey].sort(([a], [b]) => (a < b ? -1 : 1)));
}

const inOrder = (parameters: Readonly<Record<string, string>> | undefined) =>
  parameters ? Object.fromEntries(Object.entries(parameters).sort(([a], [b]) => (a < b ? -1 : 1))) : null;
