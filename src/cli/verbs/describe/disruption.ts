/** How much of a workload may be missing at a time. */
import type { PodDisruptionBudget } from '#api/generated/schema.ts';
import { formatLabelSelector } from '#api/machinery/label-selector.ts';
import type { Describer } from './describer.ts';
import { describeEvents } from './events.ts';

export const podDisruptionBudgetDescriber: Describer<PodDisruptionBudget> = {
  kind: 'PodDisruptionBudget.policy',
  async describe(report, budget, context) {
    const { metadata, spec = {}, status } = budget;
    report.field('Name', metadata.name);
    report.field('Namespace', metadata.namespace);
    if (spec.minAvailable !== undefined) report.field('Min available', spec.minAvailable);
    else if (spec.maxUnavailable !== undefined) report.field('Max unavailable', spec.maxUnavailable);
    report.field('Selector', spec.selector ? formatLabelSelector(spec.selector) : '<unset>');
    report.line(0, 'Status:');
    report.field('Allowed disruptions', status?.disruptionsAllowed ?? 0, 2);
    report.field('Current', status?.currentHealthy ?? 0, 2);
    report.field('Desired', status?.desiredHealthy ?? 0, 2);
    report.field('Total', status?.expectedPods ?? 0, 2);
    await describeEvents(report, budget, context);
  },
};
