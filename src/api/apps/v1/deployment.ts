/** Deployment: keeps a number of pods running and changes them to a new template step by step. Source: API reference, apps/v1. */

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
import {
  type FieldError,
  forbiddenField,
  invalidValue,
  notSupportedValue,
  requiredValue,
} from '#api/machinery/field-error.ts';
import type { At } from '#api/machinery/field-path.ts';
import {
  isCountOrPercent,
  isImmutable,
  isNotAbove100Percent,
  isNotDecremented,
  isNotNegative,
} from '#api/machinery/field-rules.ts';
import { formatLabelSelector, formatSelector, selectorFrom } from '#api/machinery/label-selector.ts';
import { rollingUpdateInGo } from './rolling-update.ts';

export type Deployment = schema.Deployment;

export const Deployment = defineKind<schema.Deployment>({
  group: 'apps',
  version: 'v1',
  kind: 'Deployment',
  plural: 'deployments',
  scope: 'Namespaced',
  shortNames: ['deploy'],
  categories: ['all'],
  subresources: ['scale', 'status'],
  generationOf: ({ spec, metadata }) => [spec, metadata.annotations ?? {}], // as upstream: annotations count too
  statusKeeps: ['labels'],

  defaults: (deployment) => ({ ...(deployment as schema.Deployment), spec: defaultSpec(deployment.spec ?? {}) }),
  validate: ({ spec }, { spec: at }) => [
    ...isNotNegative(at.replicas, spec.replicas),
    ...validateOwnSelector(spec.selector, at.selector, 'deployment'),
    ...validateKeptTemplate({ ...spec, keptBy: 'ReplicaSet' }, at),
    ...validateStrategy(spec.strategy, at.strategy),
    ...isNotNegative(at.minReadySeconds, spec.minReadySeconds),
    ...isNotNegative(at.revisionHistoryLimit, spec.revisionHistoryLimit),
    ...validateDeadline(spec, at),
  ],
  validateUpdate: ({ next, current, at }) => isImmutable(at.spec.selector, next.spec.selector, current.spec.selector),
  validateStatusUpdate: ({ next, current, at }) => [
    ...validateCounts(next.status ?? {}, at.status),
    ...isNotDecremented(at.status.collisionCount, next.status?.collisionCount, current.status?.collisionCount),
  ],

  warnings: (object, current) => [
    ...(current ? [] : warningsOfPodNames(object)),
    ...(isSpecifiedAs(object, current) ? [] : warningsOfTemplate(object.spec.template)),
  ],
  columns: [
    nameColumn(),
    column('Ready', 'string', ({ spec, status }) => `${status?.readyReplicas ?? 0}/${spec.replicas}`),
    column('Up-to-date', 'string', ({ status }) => status?.updatedReplicas ?? 0),
    column('Available', 'string', ({ status }) => status?.availableReplicas ?? 0),
    ageColumn(),
    ...templateColumns<schema.Deployment>(({ spec }) => spec.template),
    wideColumn('Selector', 'string', ({ spec }) => formatLabelSelector(spec.selector)),
  ],
  scale: {
    replicas: '.spec.replicas',
    statusReplicas: '.status.replicas',
    selector: ({ spec }) => formatSelector(selectorFrom(spec.selector)),
  },
});

const defaultSpec = (spec: schema.Submitted<schema.DeploymentSpec>): schema.DeploymentSpec =>
  ({
    ...spec,
    replicas: spec.replicas ?? 1,
    template: defaultPodTemplate(spec.template),
    strategy: defaultStrategy(spec.strategy ?? {}),
    revisionHistoryLimit: spec.revisionHistoryLimit ?? 10,
    progressDeadlineSeconds: spec.progressDeadlineSeconds ?? 600,
  }) as schema.DeploymentSpec;

function defaultStrategy(strategy: schema.Submitted<schema.DeploymentStrategy>): schema.DeploymentStrategy {
  const type = strategy.type || 'RollingUpdate';
  if (type !== 'RollingUpdate') return { ...strategy, type } as schema.DeploymentStrategy;
  const { maxUnavailable = '25%', maxSurge = '25%' } = strategy.rollingUpdate ?? {};
  return { type, rollingUpdate: { maxUnavailable, maxSurge } };
}

function validateStrategy(strategy: schema.DeploymentStrategy, at: At<schema.DeploymentStrategy>): FieldError[] {
  const { type, rollingUpdate } = strategy;
  if (type === 'Recreate')
    return rollingUpdate
      ? [forbiddenField(at.rollingUpdate, "may not be specified when strategy `type` is 'Recreate'")]
      : [];
  if (type !== 'RollingUpdate')
    return [
      notSupportedValue(at, { Type: type, RollingUpdate: rollingUpdateInGo(rollingUpdate) }, [
        'Recreate',
        'RollingUpdate',
      ]),
    ];
  if (!rollingUpdate) return [requiredValue(at.rollingUpdate, 'this should be defaulted and never be nil')];
  const { maxUnavailable, maxSurge } = rollingUpdate;
  const isZero = (value: number | string) => value === 0 || value === '0%';
  return [
    ...isCountOrPercent(at.rollingUpdate.maxUnavailable, maxUnavailable),
    ...isCountOrPercent(at.rollingUpdate.maxSurge, maxSurge),
    ...(isZero(maxUnavailable) && isZero(maxSurge)
      ? [invalidValue(at.rollingUpdate.maxUnavailable, maxUnavailable, 'may not be 0 when `maxSurge` is 0')]
      : []),
    ...isNotAbove100Percent(at.rollingUpdate.maxUnavailable, maxUnavailable),
  ];
}

function validateDeadline(spec: schema.DeploymentSpec, at: At<schema.DeploymentSpec>): FieldError[] {
  const { progressDeadlineSeconds: seconds, minReadySeconds = 0 } = spec;
  if (seconds === undefined) return [];
  const negative = isNotNegative(at.progressDeadlineSeconds, seconds);
  const text = 'must be greater than minReadySeconds';
  return seconds <= minReadySeconds ? [...negative, invalidValue(at.progressDeadlineSeconds, seconds, text)] : negative;
}

function validateCounts(status: schema.DeploymentStatus, at: At<schema.DeploymentStatus>): FieldError[] {
  const { replicas = 0, updatedReplicas = 0, readyReplicas = 0, availableReplicas = 0 } = status;
  const errors: FieldError[] = [
    ...isNotNegative(at.observedGeneration, status.observedGeneration),
    ...isNotNegative(at.replicas, replicas),
    ...isNotNegative(at.updatedReplicas, updatedReplicas),
    ...isNotNegative(at.readyReplicas, readyReplicas),
    ...isNotNegative(at.availableReplicas, availableReplicas),
    ...isNotNegative(at.unavailableReplicas, status.unavailableReplicas),
    ...isNotNegative(at.terminatingReplicas, status.terminatingReplicas),
    ...isNotNegative(at.collisionCount, status.collisionCount),
  ];
  const text = 'cannot be greater than status.replicas';
  if (updatedReplicas > replicas) errors.push(invalidValue(at.updatedReplicas, updatedReplicas, text));
  if (readyReplicas > replicas) errors.push(invalidValue(at.readyReplicas, readyReplicas, text));
  if (availableReplicas > replicas) errors.push(invalidValue(at.availableReplicas, availableReplicas, text));
  if (availableReplicas > readyReplicas)
    errors.push(invalidValue(at.availableReplicas, availableReplicas, 'cannot be greater than readyReplicas'));
  return errors;
}
