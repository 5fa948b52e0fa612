/** Whose pods come first. */
import type { PriorityClass } from '#api/generated/schema.ts';
import { formatLabels } from '#api/machinery/label-selector.ts';
import type { Describer } from './describer.ts';
import { describeEvents } from './events.ts';

export const priorityClassDescriber: Describer<PriorityClass> = {
  kind: 'PriorityClass.scheduling.k8s.io',
  async describe(report, priority, context) {
    const { metadata, value, globalDefault = false, preemptionPolicy, description = '' } = priority;
    report.field('Name', metadata.name);
    report.field('Value', value);
    report.field('GlobalDefault', globalDefault);
    report.field('PreemptionPolicy', preemptionPolicy);
    report.field('Description', description);
    report.field('Annotations', formatLabels(metadata.annotations));
    await describeEvents(report, priority, context);
  },
};
