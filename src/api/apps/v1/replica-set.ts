/** ReplicaSet: keeps a number of equal pods running. Source: API reference, apps/v1. */

import {
  defaultPodTemplate,
  isSpecifiedAs,
  templateColumns,
  validateKeptTemplate,
  validateOwnSelector,
  warningsOfPodNames,
  warningsOfTemplate,
} from '#api/core/v1/pod-template.ts';
import type * as schema from '#api/generated/schema.ts';
import { ageColumn, column, defineKind, nameColumn, wideColumn } from '#api/machinery/define-kind.ts';
import { type FieldError, invalidValue } from '#api/machinery/field-error.ts';
import type { At } from '#api/machinery/field-path.ts';
import { isImmutable, isNotNegative } from '#api/machinery/field-rules.ts';
import { formatLabelSelector, formatSelector, selectorFrom } from '#api/machinery/label-selector.ts';

export type ReplicaSet = schema.ReplicaSet;

export const ReplicaSet = defineKind<schema.ReplicaSet>({
  group: 'apps',
  version: 'v1',
  kind: 'ReplicaSet',
  plural: 'replicasets',
  scope: 'Namespaced',
  shortNames: ['rs'],
  categories: ['all'],
  subresources: ['scale', 'status'],
  generationOf: ({ spec }) => spec,
  initialStatus: { replicas: 0 },

  defaults: (replicaSet) => ({
    ...(replicaSet as schema.ReplicaSet),
    spec: {
      ...(replicaSet.spec as schema.ReplicaSetSpec),
      replicas: replicaSet.spec?.replicas ?? 1,
      template: defaultPodTemplate(replicaSet.spec?.template),
    },
  }),
  validate: ({ spec }, { spec: at }) => [
    ...isNotNegative(at.replicas, spec.replicas),
    ...isNotNegative(at.minReadySeconds, spec.minReadySeconds),
    ...validateOwnSelector(spec.selector, at.selector, 'deployment'),
    ...validateKeptTemplate({ ...spec, keptBy: 'ReplicaSet' }, at),
  ],
  validateUpdate: ({ next, current, at }) => isImmutable(at.spec.selector, next.spec.selector, current.spec.selector),
  validateStatusUpdate: ({ next, at }) => (next.status ? validateReplicaCounts(next.status, at.status) : []),

  warnings: (object, current) => [
    ...(current ? [] : warningsOfPodNames(object)),
    ...(isSpecifiedAs(object, current) ? [] : warningsOfTemplate(object.spec.template)),
  ],
  columns: [
    nameColumn(),
    column('Desired', 'integer', ({ spec }) => spec.replicas),
    column('Current', 'integer', ({ status }) => status?.replicas ?? 0),
    column('Ready', 'integer', ({ status }) => status?.readyReplicas ?? 0),
    ageColumn(),
    ...templateColumns<schema.ReplicaSet>(({ spec }) => spec.template),
    wideColumn('Selector', 'string', ({ spec }) => formatLabelSelector(spec.selector)),
  ],
  selectableFields: { 'status.replicas': ({ status }) => String(status?.replicas ?? 0) },
  scale: {
    replicas: '.spec.replicas',
    statusReplicas: '.status.replicas',
    selector: ({ spec }) => formatSelector(selectorFrom(spec.selector)),
  },
});

/** For a ReplicationController as well. */
export function validateReplicaCounts(status: schema.ReplicaSetStatus, at: At<schema.ReplicaSetStatus>): FieldError[] {
  const { replicas, fullyLabeledReplicas = 0, readyReplicas = 0, availableReplicas = 0 } = status;
  const text = 'cannot be greater than status.replicas';
  return [
    ...isNotNegative(at.replicas, replicas),
    ...isNotNegative(at.fullyLabeledReplicas, fullyLabeledReplicas),
    ...isNotNegative(at.readyReplicas, readyReplicas),
    ...isNotNegative(at.availableReplicas, availableReplicas),
    ...isNotNegative(at.terminatingReplicas, status.terminatingReplicas),
    ...isNotNegative(at.observedGeneration, status.observedGeneration),
    ...(fullyLabeledReplicas > replicas ? [invalidValue(at.fullyLabeledReplicas, fullyLabeledReplicas, text)] : []),
    ...(readyReplicas > replicas ? [invalidValue(at.readyReplicas, readyReplicas, text)] : []),
    ...(availableReplicas > replicas ? [invalidValue(at.availableReplicas, availableReplicas, text)] : []),
    ...(availableReplicas > readyReplicas
      ? [invalidValue(at.availableReplicas, availableReplicas, 'cannot be greater than readyReplicas')]
      : []),
  ];
}
