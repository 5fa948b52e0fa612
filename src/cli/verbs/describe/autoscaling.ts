/** How a workload is scaled by what it uses. */
import type { HorizontalPodAutoscaler, HPAScalingRules, MetricSpec, MetricStatus } from '#api/generated/schema.ts';
import type { Describer } from './describer.ts';
import { describeEvents } from './events.ts';
import { formatTime, orUnset, type Report } from './report.ts';

export const horizontalPodAutoscalerDescriber: Describer<HorizontalPodAutoscaler> = {
  kind: 'HorizontalPodAutoscaler.autoscaling',
  async describe(report, autoscaler, context) {
    const { metadata, spec, status } = autoscaler;
    report.field('Name', metadata.name);
    report.field('Namespace', metadata.namespace);
    report.labels('Labels', metadata.labels);
    report.annotations('Annotations', metadata.annotations);
    report.field('CreationTimestamp', formatTime(metadata.creationTimestamp));
    report.field('Reference', `${spec.scaleTargetRef.kind}/${spec.scaleTargetRef.name}`);
    report.field('Metrics', '( current / target )');
    for (const [index, metric] of (spec.metrics ?? []).entries())
      report.line(1, metricLine(metric, status?.currentMetrics?.[index]));
    report.field('Min replicas', orUnset(spec.minReplicas));
    report.field('Max replicas', spec.maxReplicas);
    if (spec.behavior) {
      report.line(0, 'Behavior:');
      describeDirection(report, 'Scale Up', spec.behavior.scaleUp);
      describeDirection(report, 'Scale Down', spec.behavior.scaleDown);
    }
    const { currentReplicas = 0, desiredReplicas = 0, conditions = [] } = status ?? {};
    report.field(`${spec.scaleTargetRef.kind} pods`, `${currentReplicas} current / ${desiredReplicas} desired`);
    if (conditions.length > 0) {
      const rows = conditions.map(({ type, status: is, reason = '', message = '' }) => [type, is, reason, message]);
      report.table('Conditions', ['Type', 'Status', 'Reason', 'Message'], rows);
    }
    await describeEvents(report, autoscaler, context);
  },
};

const UNKNOWN = '<unknown>';

function metricLine(metric: MetricSpec, now: MetricStatus | undefined): string {
  const { resource, containerResource, pods, object, external } = metric;
  if (resource) return `resource ${resource.name} on pods${usage(resource.target, now?.resource?.current, '  ')}`;
  if (containerResource) {
    const { name, container, target } = containerResource;
    const used = usage(target, now?.containerResource?.current, '  ');
    return `resource ${name} of container "${container}" on pods${used}`;
  }
  if (pods)
    return `"${pods.metric.name}" on pods:\t${now?.pods?.current.averageValue ?? UNKNOWN} / ${pods.target.averageValue}`;
  if (object) {
    const { describedObject, target } = object;
    const value = amounts(target, now?.object?.current);
    return `"${object.metric.name}" on ${describedObject.kind}/${describedObject.name} ${value}`;
  }
  if (external) return `"${external.metric.name}" ${amounts(external.target, now?.external?.current)}`;
  return `<unknown metric type ${JSON.stringify(metric.type)}>`;
}

interface Amounts {
  averageUtilization?: number;
  averageValue?: string;
  value?: string;
}

function usage(target: Amounts, now: Amounts | undefined, gap: string): string {
  if (target.averageValue !== undefined) return `:\t${now?.averageValue ?? UNKNOWN} / ${target.averageValue}`;
  const current = now?.averageUtilization === undefined ? UNKNOWN : `${now.averageUtilization}% (${now.averageValue})`;
  const wanted = target.averageUtilization === undefined ? '<auto>' : `${target.averageUtilization}%`;
  return `${gap}(as a percentage of request):\t${current} / ${wanted}`;
}

const amounts = (target: Amounts, now: Amounts | undefined): string =>
  target.averageValue !== undefined
    ? `(target average value):\t${now?.averageValue ?? UNKNOWN} / ${target.averageValue}`
    : `(target value):\t${now?.value ?? UNKNOWN} / ${target.value}`;

function describeDirection(report: Report, title: string, rules: HPAScalingRules | undefined): void {
  if (!rules) return;
  report.line(1, `${title}:`);
  const { stabilizationWindowSeconds: window, policies = [] } = rules;
  if (window !== undefined) report.line(2, `Stabilization Window: ${window} seconds`);
  if (policies.length === 0) return;
  report.line(2, `Select Policy: ${rules.selectPolicy ?? 'Max'}`);
  report.line(2, 'Policies:');
  for (const { type, value, periodSeconds } of policies)
    report.line(3, `- Type: ${type}\tValue: ${value}\tPeriod: ${periodSeconds} seconds`);
}
