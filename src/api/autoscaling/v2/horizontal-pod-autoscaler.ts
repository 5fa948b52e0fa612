/** HorizontalPodAutoscaler: as many pods as the load asks for. This is the stored version. Source: API reference, autoscaling/v2. */
import type * as schema from '#api/generated/schema.ts';
import { ageColumn, column, defineKind, nameColumn } from '#api/machinery/define-kind.ts';
import { type FieldError, forbiddenField, invalidValue, requiredValue } from '#api/machinery/field-error.ts';
import type { At } from '#api/machinery/field-path.ts';
import { isNotNegative, isNotNegativeQuantity, isOneOf } from '#api/machinery/field-rules.ts';
import { targetsOf } from './hpa-targets.ts';
import { validateMetric, validateObjectReference } from './metric-rules.ts';

export type HorizontalPodAutoscaler = schema.HorizontalPodAutoscaler;

export const CPU_PERCENT = 80;
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
  validate: ({ spec }, { spec: at }) => validateSpec(spec, at),
  updateHasOwnRules: true,
  validateUpdate: ({ next, current, at }) => validateSpec(next.spec, at.spec, current.spec),
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
    column('MaxPods', 'string', ({ spec }) => spec.maxReplicas ?? 0),
    column('Replicas', 'string', ({ status }) => status?.currentReplicas ?? 0),
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

/** What was bad before, or is not changed, is not judged again: the version of what is scaled, and a minimum of none. */
function validateSpec(
  spec: schema.HorizontalPodAutoscalerSpec,
  at: At<schema.HorizontalPodAutoscalerSpec>,
  before?: schema.HorizontalPodAutoscalerSpec,
): FieldError[] {
  const { minReplicas, maxReplicas = 0, scaleTargetRef, metrics = [] } = spec;
  const least = before?.minReplicas === 0 ? 0 : 1;
  const isKept =
    before?.scaleTargetRef.apiVersion === scaleTargetRef.apiVersion &&
    before?.scaleTargetRef.kind === scaleTargetRef.kind;
  const hadBadMetric = (before?.metrics ?? []).some(
    ({ object }) => object && (object.describedObject.apiVersion ?? '').split('/').length > 2,
  );
  const reachesOutside = metrics.some(({ type }) => type === 'Object' || type === 'External');
  return [
    ...(minReplicas !== undefined && minReplicas < least
      ? [invalidValue(at.minReplicas, minReplicas, `must be greater than or equal to ${least}`)]
      : []),
    ...(maxReplicas === 0 ? [requiredValue(at.maxReplicas, 'must be set and greater than 0')] : []),
    ...(maxReplicas < 0 ? [invalidValue(at.maxReplicas, maxReplicas, 'must be greater than or equal to 1')] : []),
    ...(minReplicas !== undefined && maxReplicas < minReplicas
      ? [invalidValue(at.maxReplicas, maxReplicas, 'must be greater than or equal to `minReplicas`')]
      : []),
    ...validateObjectReference(scaleTargetRef, at.scaleTargetRef, {
      anyVersion: before !== undefined && isKept,
      coreGroup: scaleTargetRef.kind === 'ReplicationController',
    }),
    ...metrics.flatMap((metric, i) =>
      validateMetric(metric, at.metrics[i]!, { coreGroup: true, anyVersion: hadBadMetric }),
    ),
    ...(minReplicas === 0 && !reachesOutside
      ? [
          forbiddenField(
            at.metrics,
            'must specify at least one Object or External metric to support scaling to zero replicas',
          ),
        ]
      : []),
    ...(spec.behavior ? validateBehavior(spec.behavior, at.behavior) : []),
  ];
}

const SELECT_POLICIES = ['Disabled', 'Max', 'Min'];
const POLICY_TYPES = ['Percent', 'Pods'];

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
      ...(window < 0
        ? [invalidValue(here.stabilizationWindowSeconds, window, 'must be greater than or equal to zero')]
        : []),
      ...(window > MAX_WINDOW_SECONDS
        ? [invalidValue(here.stabilizationWindowSeconds, window, `must be less than or equal to ${MAX_WINDOW_SECONDS}`)]
        : []),
      ...isOneOf(here.selectPolicy, rules.selectPolicy, SELECT_POLICIES),
      ...(rules.policies?.length ? [] : [requiredValue(here.policies, 'must specify at least one Policy')]),
      ...(rules.policies ?? []).flatMap((policy, i) => [
        ...isOneOf(here.policies[i]!.type, policy.type ?? '', POLICY_TYPES),
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
      ...(rules.tolerance === undefined ? [] : isNotNegativeQuantity(here.tolerance, rules.tolerance)),
    ];
  });
}
