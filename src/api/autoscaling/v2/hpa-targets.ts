/** What kubectl shows of an autoscaler's metrics: what is and what shall be, `cpu: 12%/80%`. */
import type {
  HorizontalPodAutoscaler,
  MetricSpec,
  MetricStatus,
  MetricTarget,
  MetricValueStatus,
} from '#api/generated/schema.ts';

const SHOWN = 2;
const UNKNOWN = '<unknown>';

export function targetsOf({ spec, status }: HorizontalPodAutoscaler): string {
  if (spec.metrics.length === 0) return '<none>';
  const all = spec.metrics.map((metric, index) => targetOf(metric, status?.currentMetrics?.[index]));
  const list = all.slice(0, SHOWN).join(', ');
  return all.length > SHOWN ? `${list} + ${all.length - SHOWN} more...` : list;
}

function targetOf(metric: MetricSpec, status: MetricStatus | undefined): string {
  switch (metric.type) {
    case 'External':
      return plain(metric.external?.target, status?.external?.current, ' (avg)');
    case 'Pods':
      return `${status?.pods?.current?.averageValue ?? UNKNOWN}/${metric.pods?.target.averageValue ?? ''}`;
    case 'Object':
      return plain(metric.object?.target, status?.object?.current, ' (avg)');
    case 'Resource':
      return `${metric.resource?.name}: ${usage(metric.resource?.target, status?.resource?.current)}`;
    case 'ContainerResource':
      return `${metric.containerResource?.name}: ${usage(metric.containerResource?.target, status?.containerResource?.current)}`;
    default:
      return '<unknown type>';
  }
}

function plain(target: MetricTarget | undefined, current: MetricValueStatus | undefined, average: string): string {
  if (target?.averageValue !== undefined) return `${current?.averageValue ?? UNKNOWN}/${target.averageValue}${average}`;
  return `${current?.value ?? UNKNOWN}/${target?.value ?? ''}`;
}

function usage(target: MetricTarget | undefined, current: MetricValueStatus | undefined): string {
  if (target?.averageValue !== undefined) return `${current?.averageValue ?? UNKNOWN}/${target.averageValue}`;
  const now = current?.averageUtilization === undefined ? UNKNOWN : `${current.averageUtilization}%`;
  const wanted = target?.averageUtilization === undefined ? '<auto>' : `${target.averageUtilization}%`;
  return `${now}/${wanted}`;
}
