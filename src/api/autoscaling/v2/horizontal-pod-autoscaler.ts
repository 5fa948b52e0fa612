/** HorizontalPodAutoscaler: as many pods as the load asks for. This is the stored version. Source: API reference, autoscaling/v2. */
import type * as schema from '#api/generated/schema.ts';
import { ageColumn, column, defineKind, nameColumn } from '#api/machinery/define-kind.ts';
import { type FieldError, invalidValue, requiredValue } from '#api/machinery/field-error.ts';
import type { At } from '#api/machinery/field-path.ts';
import { follows, isNotNegative, mustBeOneOf } from '#api/machinery/field-rules.ts';
import { pathSegment } from '#api/machinery/names.ts';
import { targetsOf } from './hpa-targets.ts';

export type HorizontalPodAutoscaler = schema.HorizontalPodAutoscaler;

const CPU_PERCENT = 80;
const SOURCES = ['ContainerResource', 'External', 'Object', 'Pods', 'Resource'];
const MAX_WINDOW_SECONDS = 3600;
const MAX_PERIOD_SECONDS = 1800;

export const HorizontalPodAutoscaler = defineKind<schema.HorizontalPodAutoscaler>({
  group: 'autoscaling',
  version: 'v2',
  kind: 'HorizontalPodAutoscaler',
  plural: 'horizontalpodautoscalers',
  scope: 'Namespaced',
  shortNames: ['hpa'],
  categories: ['all'],
  subresources: ['status'],
  initialStatus: { desiredReplicas: 0, currentMetrics: [] },
  defaults: (autoscaler) => ({
    ...(autoscaler as schema.HorizontalPodAutoscaler),
    spec: defaultSpec(autoscaler.spec ?? {}),
  }),
  validate: ({ spec }, { spec: at }) => [
    ...isNotNegative(at.minReplicas, spec.minReplicas),
    ...((spec.minReplicas ?? 1) < 1
      ? [invalidValue(at.minReplicas, spec.minReplicas, 'must be greater than or equal to 1')]
      : []),
    ...((spec.maxReplicas ?? 0) < 1
      ? [invalidValue(at.maxReplicas, spec.maxReplicas ?? 0, 'must be greater than 0')]
      : []),
    ...((spec.maxReplicas ?? 0) < (spec.minReplicas ?? 1)
      ? [invalidValue(at.maxReplicas, spec.maxReplicas ?? 0, 'must be greater than or equal to `minReplicas`')]
      : []),
    ...validateTarget(spec.scaleTargetRef, at.scaleTargetRef),
    ...(spec.metrics ?? []).flatMap((metric, i) => validateMetric(metric, at.metrics[i]!)),
    ...(spec.behavior ? validateBehavior(spec.behavior, at.behavior) : []),
  ],
  validateStatusUpdate: ({ next: { status }, at }) => [
    ...isNotNegative(at.status.currentReplicas, status?.currentReplicas),
    ...isNotNegative(at.status.desiredReplicas, status?.desiredReplicas),
  ],
  columns: [
    nameColumn(),
    column(
      'Reference',
      'string',
      ({ spec }) => `${spec.scaleTargetRef?.kind ?? ''}/${spec.scaleTargetRef?.name ?? ''}`,
    ),
    column('Targets', 'string', targetsOf),
    column('MinPods', 'string', ({ spec }) => (spec.minReplicas === undefined ? '<unset>' : String(spec.minReplicas))),
    column('MaxPods', 'integer', ({ spec }) => spec.maxReplicas ?? 0),
    column('Replicas', 'integer', ({ status }) => status?.currentReplicas ?? 0),
    ageColumn(),
  ],
});

function defaultSpec(spec: schema.Submitted<schema.HorizontalPodAutoscalerSpec>): schema.HorizontalPodAutoscalerSpec {
  const cpu = {
    type: 'Resource',
    resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: CPU_PERCENT } },
  };
  return {
    ...spec,
    minReplicas: spec.minReplicas ?? 1,
    metrics: spec.metrics?.length ? spec.metrics : [cpu],
    ...(spec.behavior && { behavior: defaultBehavior(spec.behavior) }),
  } as schema.HorizontalPodAutoscalerSpec;
}

/** Up: at most double or four pods more in 15 s, whichever is more. Down: as far as it goes. */
function defaultBehavior(
  behavior: schema.Submitted<schema.HorizontalPodAutoscalerBehavior>,
): schema.Submitted<schema.HorizontalPodAutoscalerBehavior> {
  const percent = { type: 'Percent', value: 100, periodSeconds: 15 };
  const up = {
    stabilizationWindowSeconds: 0,
    selectPolicy: 'Max',
    policies: [{ type: 'Pods', value: 4, periodSeconds: 15 }, percent],
  };
  const down = { selectPolicy: 'Max', policies: [percent] };
  return { scaleUp: { ...up, ...behavior.scaleUp }, scaleDown: { ...down, ...behavior.scaleDown } };
}

const validateTarget = (
  target: schema.CrossVersionObjectReference,
  at: At<schema.CrossVersionObjectReference>,
): FieldError[] => [
  ...(target?.kind ? follows(at.kind, target.kind, pathSegment) : [requiredValue(at.kind)]),
  ...(target?.name ? follows(at.name, target.name, pathSegment) : [requiredValue(at.name)]),
];

function validateMetric(metric: schema.MetricSpec, at: At<schema.MetricSpec>): FieldError[] {
  const errors = mustBeOneOf(at.type, metric.type, SOURCES);
  if (errors.length > 0) return errors;
  const field = `${metric.type[0]!.toLowerCase()}${metric.type.slice(1)}` as Exclude<keyof schema.MetricSpec, 'type'>;
  const source = metric[field];
  if (!source) return [requiredValue(at[field], `must populate information for the given metric source`)];
  const target = source.target;
  const path = at[field].target;
  if (!target?.type) return [requiredValue(path.type, 'must specify a metric target type')];
  if (target.value === undefined && target.averageValue === undefined && target.averageUtilization === undefined)
    return [requiredValue(path.averageUtilization, 'must set either a target raw value or a target utilization')];
  if (target.averageUtilization !== undefined && target.averageUtilization < 1)
    return [invalidValue(path.averageUtilization, target.averageUtilization, 'must be greater than 0')];
  return [];
}

function validateBehavior(
  behavior: schema.HorizontalPodAutoscalerBehavior,
  at: At<schema.HorizontalPodAutoscalerBehavior>,
): FieldError[] {
  return (['scaleUp', 'scaleDown'] as const).flatMap((direction) => {
    const rules = behavior[direction];
    if (!rules) return [];
    const here = at[direction];
    const window = rules.stabilizationWindowSeconds ?? 0;
    return [
      ...isNotNegative(here.stabilizationWindowSeconds, window),
      ...(window > MAX_WINDOW_SECONDS
        ? [invalidValue(here.stabilizationWindowSeconds, window, `must be less than or equal to ${MAX_WINDOW_SECONDS}`)]
        : []),
      ...mustBeOneOf(here.selectPolicy, rules.selectPolicy, ['Disabled', 'Max', 'Min']),
      ...(rules.policies?.length ? [] : [requiredValue(here.policies, 'must specify at least one Policy')]),
      ...(rules.policies ?? []).flatMap((policy, i) => [
        ...mustBeOneOf(here.policies[i]!.type, policy.type, ['Percent', 'Pods']),
        ...(policy.value > 0 ? [] : [invalidValue(here.policies[i]!.value, policy.value, 'must be greater than zero')]),
        ...(policy.periodSeconds > 0
          ? []
          : [invalidValue(here.policies[i]!.periodSeconds, policy.periodSeconds, 'must be greater than zero')]),
        ...(policy.periodSeconds > MAX_PERIOD_SECONDS
          ? [
              invalidValue(
                here.policies[i]!.periodSeconds,
                policy.periodSeconds,
                `must be less than or equal to ${MAX_PERIOD_SECONDS}`,
              ),
            ]
          : []),
      ]),
    ];
  });
}
