/**
 * HorizontalPodAutoscaler as autoscaling/v1 has it: CPU alone has a field; what else the stored version holds travels in
 * annotations, so that nothing is lost on a way there and back. Source: API reference, autoscaling/v1.
 */
import { CPU_PERCENT, HorizontalPodAutoscaler as Hub } from '#api/autoscaling/v2/horizontal-pod-autoscaler.ts';
import type * as schema from '#api/generated/schema.ts';
import { ageColumn, column, defineKind, nameColumn } from '#api/machinery/define-kind.ts';
import { isNotNegative } from '#api/machinery/field-rules.ts';
import type { KubeObject } from '#api/machinery/object.ts';

export type HorizontalPodAutoscaler = schema.HorizontalPodAutoscalerV1;

const METRICS = 'autoscaling.alpha.kubernetes.io/metrics';
const STATUS_METRICS = 'autoscaling.alpha.kubernetes.io/current-metrics';
const CONDITIONS = 'autoscaling.alpha.kubernetes.io/conditions';
const BEHAVIOR = 'autoscaling.alpha.kubernetes.io/behavior';

const isCpu = ({ type, resource }: schema.MetricSpec): boolean =>
  type === 'Resource' && resource?.name === 'cpu' && resource.target.averageUtilization !== undefined;

function toHub(given: schema.HorizontalPodAutoscalerV1): schema.HorizontalPodAutoscaler {
  const { metadata, spec, status, ...rest } = given;
  const { targetCPUUtilizationPercentage: percent, ...target } = spec;
  const {
    [METRICS]: metrics,
    [STATUS_METRICS]: current,
    [CONDITIONS]: conditions,
    [BEHAVIOR]: behavior,
    ...annotations
  } = metadata.annotations ?? {};
  const cpu: schema.MetricSpec[] =
    percent === undefined
      ? []
      : [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: percent } } }];
  const read = <T>(text: string | undefined): T[] => listIn<T>(text);
  return {
    ...rest,
    apiVersion: 'autoscaling/v2',
    kind: 'HorizontalPodAutoscaler',
    metadata: withAnnotations(metadata, annotations),
    spec: {
      ...target,
      metrics: [...read<schema.MetricSpec>(metrics), ...cpu],
      ...(objectIn(behavior) && { behavior: objectIn(behavior) as schema.HorizontalPodAutoscalerBehavior }),
    },
    ...(status && {
      status: {
        ...(status.observedGeneration !== undefined && { observedGeneration: status.observedGeneration }),
        ...(status.lastScaleTime && { lastScaleTime: status.lastScaleTime }),
        currentReplicas: status.currentReplicas,
        desiredReplicas: status.desiredReplicas,
        currentMetrics: read<schema.MetricStatus>(current),
        conditions: read<schema.HorizontalPodAutoscalerCondition>(conditions),
      },
    }),
  };
}

function fromHub(object: KubeObject): schema.HorizontalPodAutoscalerV1 {
  const { metadata, spec, status, ...rest } = object as schema.HorizontalPodAutoscaler;
  const { metrics = [], behavior, ...target } = spec;
  const cpu = metrics.find(isCpu);
  const others = metrics.filter((metric) => metric !== cpu);
  const usage = status?.currentMetrics?.find(({ resource }) => resource?.name === 'cpu')?.resource?.current;
  return {
    ...rest,
    apiVersion: 'autoscaling/v1',
    kind: 'HorizontalPodAutoscaler',
    metadata: withAnnotations(metadata, {
      ...metadata.annotations,
      ...(others.length > 0 && { [METRICS]: JSON.stringify(others) }),
      ...(status?.currentMetrics?.length && { [STATUS_METRICS]: JSON.stringify(status.currentMetrics) }),
      ...(status?.conditions?.length && { [CONDITIONS]: JSON.stringify(status.conditions) }),
      ...(behavior && { [BEHAVIOR]: JSON.stringify(behavior) }),
    }),
    spec: {
      ...target,
      ...(cpu?.resource?.target.averageUtilization !== undefined && {
        targetCPUUtilizationPercentage: cpu.resource.target.averageUtilization,
      }),
    },
    ...(status && {
      status: {
        ...(status.observedGeneration !== undefined && { observedGeneration: status.observedGeneration }),
        ...(status.lastScaleTime && { lastScaleTime: status.lastScaleTime }),
        currentReplicas: status.currentReplicas ?? 0,
        desiredReplicas: status.desiredReplicas,
        ...(usage?.averageUtilization !== undefined && { currentCPUUtilizationPercentage: usage.averageUtilization }),
      },
    }),
  };
}

function withAnnotations(metadata: schema.ObjectMeta, annotations: Record<string, string>): schema.ObjectMeta {
  const { annotations: _, ...rest } = metadata;
  return Object.keys(annotations).length > 0 ? { ...rest, annotations } : rest;
}

/** Annotations are anybody's to write: what does not read as JSON counts as absent. */
function parsed(text: string | undefined): unknown {
  if (!text) return undefined;
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

const listIn = <T>(text: string | undefined): T[] => {
  const value = parsed(text);
  return Array.isArray(value) ? value : [];
};

const objectIn = (text: string | undefined): object | undefined => {
  const value = parsed(text);
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined;
};

export const HorizontalPodAutoscaler = defineKind<schema.HorizontalPodAutoscalerV1>({
  group: 'autoscaling',
  version: 'v1',
  kind: 'HorizontalPodAutoscaler',
  plural: 'horizontalpodautoscalers',
  scope: 'Namespaced',
  shortNames: ['hpa'],
  categories: ['all'],
  subresources: ['status'],
  hub: { kind: Hub, toHub, fromHub },
  initialStatus: { currentReplicas: 0, desiredReplicas: 0 },
  defaults: (autoscaler) =>
    ({
      ...autoscaler,
      spec: {
        ...autoscaler.spec,
        minReplicas: autoscaler.spec?.minReplicas ?? 1,
        ...(autoscaler.metadata.annotations?.[METRICS] === undefined && {
          targetCPUUtilizationPercentage: autoscaler.spec?.targetCPUUtilizationPercentage ?? CPU_PERCENT,
        }),
      },
    }) as schema.HorizontalPodAutoscalerV1,
  validate: (autoscaler) =>
    Hub.validate(Hub.defaults(toHub(autoscaler))).filter(({ field }) => !field.startsWith('metadata.')),
  updateHasOwnRules: true,
  validateUpdate: ({ next, current }) =>
    Hub.validateUpdate(Hub.defaults(toHub(next)), Hub.defaults(toHub(current)), '').filter(
      ({ field }) => !field.startsWith('metadata.'),
    ),
  validateStatusUpdate: ({ next, at }) => [
    ...isNotNegative(at.status.currentReplicas, next.status?.currentReplicas),
    ...isNotNegative(at.status.desiredReplicas, next.status?.desiredReplicas),
  ],
  columns: [
    nameColumn(),
    column('Reference', 'string', ({ spec }) => `${spec.scaleTargetRef.kind}/${spec.scaleTargetRef.name}`),
    column('Targets', 'string', ({ spec, status }) => {
      const percent = (value: number | undefined, none: string) => (value === undefined ? none : `${value}%`);
      const now = percent(status?.currentCPUUtilizationPercentage, '<unknown>');
      return `cpu: ${now}/${percent(spec.targetCPUUtilizationPercentage, '<auto>')}`;
    }),
    column('MinPods', 'string', ({ spec }) => String(spec.minReplicas ?? '<unset>')),
    column('MaxPods', 'string', ({ spec }) => spec.maxReplicas),
    column('Replicas', 'string', ({ status }) => status?.currentReplicas ?? 0),
    ageColumn(),
  ],
});
