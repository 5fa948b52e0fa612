/** StatefulSet: pods with names, an order and storage of their own. Source: API reference, apps/v1. */

import { defaultClaimSpec } from '#api/core/v1/persistent-volume-claim.ts';
import {
  defaultPodTemplate,
  templateColumns,
  validateOrderedTemplate,
  validateOwnSelector,
  warningsOfTemplate,
} from '#api/core/v1/pod-template.ts';
import type * as schema from '#api/generated/schema.ts';
import { ageColumn, column, defineKind, nameColumn } from '#api/machinery/define-kind.ts';
import { isEqual } from '#api/machinery/equal.ts';
import { type FieldError, forbiddenField, invalidValue, requiredValue } from '#api/machinery/field-error.ts';
import type { At } from '#api/machinery/field-path.ts';
import { isNotNegative, mustBeOneOf } from '#api/machinery/field-rules.ts';
import { formatSelector, selectorFrom } from '#api/machinery/label-selector.ts';
import { dns1123Label } from '#api/machinery/names.ts';

export type StatefulSet = schema.StatefulSet;

/** What an update may touch. */
const CHANGEABLE = [
  'replicas',
  'ordinals',
  'template',
  'updateStrategy',
  'revisionHistoryLimit',
  'persistentVolumeClaimRetentionPolicy',
  'minReadySeconds',
] as const;

export const StatefulSet = defineKind<schema.StatefulSet>({
  group: 'apps',
  version: 'v1',
  kind: 'StatefulSet',
  plural: 'statefulsets',
  scope: 'Namespaced',
  shortNames: ['sts'],
  categories: ['all'],
  subresources: ['scale', 'status'],
  name: dns1123Label,
  generationOf: ({ spec }) => spec,
  initialStatus: { replicas: 0, availableReplicas: 0 },
  defaults: (set) => ({ ...(set as schema.StatefulSet), spec: defaultSpec(set.spec ?? {}) }),
  validate: ({ spec }, { spec: at }) => [
    ...mustBeOneOf(at.podManagementPolicy, spec.podManagementPolicy, ['OrderedReady', 'Parallel']),
    ...validateStrategy(spec.updateStrategy, at.updateStrategy),
    ...isNotNegative(at.replicas, spec.replicas),
    ...isNotNegative(at.minReadySeconds, spec.minReadySeconds),
    ...isNotNegative(at.revisionHistoryLimit, spec.revisionHistoryLimit),
    ...isNotNegative(at.ordinals.start, spec.ordinals?.start),
    ...validateOwnSelector(spec.selector, at.selector, 'statefulset'),
    ...validateOrderedTemplate(spec.template, spec.selector, at.template),
  ],
  validateUpdate: ({ next, current, at }) => {
    const fixed = (spec: schema.StatefulSetSpec) =>
      Object.fromEntries(
        Object.entries(spec).filter(([field]) => !CHANGEABLE.includes(field as (typeof CHANGEABLE)[number])),
      );
    const text =
      "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";
    return isEqual(fixed(next.spec), fixed(current.spec)) ? [] : [forbiddenField(at.spec, text)];
  },
  warnings: ({ spec }) => warningsOfTemplate(spec.template),
  columns: [
    nameColumn(),
    column('Ready', 'string', ({ spec, status }) => `${status?.readyReplicas ?? 0}/${spec.replicas}`),
    ageColumn(),
    ...templateColumns<schema.StatefulSet>(({ spec }) => spec.template),
  ],
  scale: {
    replicas: '.spec.replicas',
    statusReplicas: '.status.replicas',
    selector: ({ spec }) => formatSelector(selectorFrom(spec.selector)),
  },
});

function defaultSpec(spec: schema.Submitted<schema.StatefulSetSpec>): schema.StatefulSetSpec {
  const strategy = spec.updateStrategy ?? {};
  const type = strategy.type || 'RollingUpdate';
  const retention = spec.persistentVolumeClaimRetentionPolicy ?? {};
  return {
    ...spec,
    replicas: spec.replicas ?? 1,
    template: defaultPodTemplate(spec.template),
    podManagementPolicy: spec.podManagementPolicy || 'OrderedReady',
    updateStrategy: {
      ...strategy,
      type,
      ...(type === 'RollingUpdate' && {
        rollingUpdate: { ...strategy.rollingUpdate, partition: strategy.rollingUpdate?.partition ?? 0 },
      }),
    },
    revisionHistoryLimit: spec.revisionHistoryLimit ?? 10,
    persistentVolumeClaimRetentionPolicy: {
      whenDeleted: retention.whenDeleted || 'Retain',
      whenScaled: retention.whenScaled || 'Retain',
    },
    ...(spec.volumeClaimTemplates && {
      volumeClaimTemplates: spec.volumeClaimTemplates.map((claim) => ({
        ...claim,
        apiVersion: 'v1',
        kind: 'PersistentVolumeClaim',
        spec: defaultClaimSpec(claim.spec),
        status: { phase: 'Pending', ...claim.status },
      })),
    }),
  } as schema.StatefulSetSpec;
}

function validateStrategy(
  { type, rollingUpdate }: schema.StatefulSetUpdateStrategy,
  at: At<schema.StatefulSetUpdateStrategy>,
): FieldError[] {
  if (!type) return [requiredValue(at)];
  if (type === 'OnDelete')
    return rollingUpdate
      ? [invalidValue(at.rollingUpdate, rollingUpdate, `only allowed for updateStrategy '${'RollingUpdate'}'`)]
      : [];
  if (type !== 'RollingUpdate')
    return [invalidValue(at, { type, rollingUpdate }, "must be 'RollingUpdate' or 'OnDelete'")];
  return isNotNegative(at.rollingUpdate.partition, rollingUpdate?.partition);
}
