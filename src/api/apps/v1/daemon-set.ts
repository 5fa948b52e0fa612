/** DaemonSet: one pod on each node that fits. Source: API reference, apps/v1. */

import {
  defaultPodTemplate,
  isSpecifiedAs,
  templateColumns,
  validateKeptTemplate,
  validateOwnSelector,
  warningsOfTemplate,
} from '#api/core/v1/pod-template.ts';
import type * as schema from '#api/generated/schema.ts';
import { ageColumn, column, defineKind, nameColumn, wideColumn } from '#api/machinery/define-kind.ts';
import { isEqual } from '#api/machinery/equal.ts';
import { type FieldError, invalidValue, notSupportedValue, requiredValue } from '#api/machinery/field-error.ts';
import type { At } from '#api/machinery/field-path.ts';
import {
  isCountOrPercent,
  isImmutable,
  isNotAbove100Percent,
  isNotDecremented,
  isNotNegative,
} from '#api/machinery/field-rules.ts';
import { formatLabelSelector, formatLabels } from '#api/machinery/label-selector.ts';
import { rollingUpdateInGo } from './rolling-update.ts';

export type DaemonSet = schema.DaemonSet;

export const DaemonSet = defineKind<schema.DaemonSet>({
  group: 'apps',
  version: 'v1',
  kind: 'DaemonSet',
  plural: 'daemonsets',
  scope: 'Namespaced',
  shortNames: ['ds'],
  categories: ['all'],
  subresources: ['status'],
  generationOf: ({ spec }) => spec,
  initialStatus: { currentNumberScheduled: 0, numberMisscheduled: 0, desiredNumberScheduled: 0, numberReady: 0 },
  defaults: (set) => ({
    ...(set as schema.DaemonSet),
    spec: {
      ...(set.spec as schema.DaemonSetSpec),
      template: defaultPodTemplate(set.spec?.template),
      updateStrategy: defaultStrategy(set.spec?.updateStrategy),
      revisionHistoryLimit: set.spec?.revisionHistoryLimit ?? 10,
    },
  }),
  prepareForCreate: (set) => withTemplateGeneration(set, Math.max(1, templateGenerationOf(set))),
  prepareForUpdate: (next, current) => {
    const before = templateGenerationOf(current);
    return withTemplateGeneration(next, isEqual(next.spec.template, current.spec.template) ? before : before + 1);
  },
  prepareForStatusUpdate: (next, current) => withTemplateGeneration(next, templateGenerationOf(current)),
  validate: ({ spec }, { spec: at }) => [
    ...validateOwnSelector(spec.selector, at.selector, 'daemonset'),
    ...validateKeptTemplate({ ...spec, keptBy: 'DaemonSet' }, at),
    ...isNotNegative(at.minReadySeconds, spec.minReadySeconds),
    ...validateStrategy(spec.updateStrategy, at.updateStrategy),
    ...isNotNegative(at.revisionHistoryLimit, spec.revisionHistoryLimit),
  ],
  validateUpdate: ({ next, current, at }) => isImmutable(at.spec.selector, next.spec.selector, current.spec.selector),
  validateStatusUpdate: ({ next, current, at }) => [
    ...(next.status ? validateCounts(next.status, at.status) : []),
    ...isNotDecremented(at.status.collisionCount, next.status?.collisionCount, current.status?.collisionCount),
  ],
  warnings: (object, current) => (isSpecifiedAs(object, current) ? [] : warningsOfTemplate(object.spec.template)),
  columns: [
    nameColumn(),
    column('Desired', 'integer', ({ status }) => status?.desiredNumberScheduled ?? 0),
    column('Current', 'integer', ({ status }) => status?.currentNumberScheduled ?? 0),
    column('Ready', 'integer', ({ status }) => status?.numberReady ?? 0),
    column('Up-to-date', 'integer', ({ status }) => status?.updatedNumberScheduled ?? 0),
    column('Available', 'integer', ({ status }) => status?.numberAvailable ?? 0),
    column('Node Selector', 'string', ({ spec }) => formatLabels(spec.template.spec.nodeSelector)),
    ageColumn(),
    ...templateColumns<schema.DaemonSet>(({ spec }) => spec.template),
    wideColumn('Selector', 'string', ({ spec }) => formatLabelSelector(spec.selector)),
  ],
});

function defaultStrategy(
  strategy: schema.Submitted<schema.DaemonSetUpdateStrategy> = {},
): schema.DaemonSetUpdateStrategy {
  const type = strategy.type || 'RollingUpdate';
  if (type !== 'RollingUpdate') return { ...strategy, type } as schema.DaemonSetUpdateStrategy;
  const { maxUnavailable = 1, maxSurge = 0 } = strategy.rollingUpdate ?? {};
  return { type, rollingUpdate: { maxUnavailable, maxSurge } };
}

function validateStrategy(
  { type, rollingUpdate }: schema.DaemonSetUpdateStrategy,
  at: At<schema.DaemonSetUpdateStrategy>,
): FieldError[] {
  if (type === 'OnDelete') return [];
  if (type !== 'RollingUpdate')
    return [
      notSupportedValue(at, { Type: type, RollingUpdate: rollingUpdateInGo(rollingUpdate) }, [
        'RollingUpdate',
        'OnDelete',
      ]),
    ];
  if (!rollingUpdate) return [requiredValue(at.rollingUpdate)];
  const { maxUnavailable, maxSurge } = rollingUpdate;
  const isSome = (value: number | string) => (typeof value === 'number' ? value !== 0 : Number.parseInt(value, 10) > 0);
  const errors = [
    ...isCountOrPercent(at.rollingUpdate.maxUnavailable, maxUnavailable),
    ...isNotAbove100Percent(at.rollingUpdate.maxUnavailable, maxUnavailable),
    ...isCountOrPercent(at.rollingUpdate.maxSurge, maxSurge),
    ...isNotAbove100Percent(at.rollingUpdate.maxSurge, maxSurge),
  ];
  if (isSome(maxSurge) && isSome(maxUnavailable))
    errors.push(invalidValue(at.rollingUpdate.maxSurge, maxSurge, 'may not be set when maxUnavailable is non-zero'));
  if (!isSome(maxSurge) && !isSome(maxUnavailable))
    errors.push(requiredValue(at.rollingUpdate.maxUnavailable, 'cannot be 0 when maxSurge is 0'));
  return errors;
}

function validateCounts(status: schema.DaemonSetStatus, at: At<schema.DaemonSetStatus>): FieldError[] {
  const counts = [
    'currentNumberScheduled',
    'numberMisscheduled',
    'desiredNumberScheduled',
    'numberReady',
    'observedGeneration',
    'updatedNumberScheduled',
    'numberAvailable',
    'numberUnavailable',
    'collisionCount',
  ] as const;
  return counts.flatMap((count) => isNotNegative(at[count], status[count]));
}

/** What apps/v1beta1 had as a field; upstream still keeps it, as an annotation. */
const TEMPLATE_GENERATION = 'deprecated.daemonset.template.generation';

const withTemplateGeneration = (set: schema.DaemonSet, generation: string | number): schema.DaemonSet => ({
  ...set,
  metadata: {
    ...set.metadata,
    annotations: { ...set.metadata.annotations, [TEMPLATE_GENERATION]: String(generation) },
  },
});

const templateGenerationOf = ({ metadata }: schema.DaemonSet): number => {
  const text = metadata.annotations?.[TEMPLATE_GENERATION] ?? '';
  return /^-?\d{1,15}$/.test(text) ? Number(text) : 0;
};
