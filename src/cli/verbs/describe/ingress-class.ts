import type { IngressClass } from '#api/generated/schema.ts';
import type { Describer } from './describer.ts';
import { describeEvents } from './events.ts';

export const ingressClassDescriber: Describer<IngressClass> = {
  kind: 'IngressClass.networking.k8s.io',
  async describe(report, ingressClass, context) {
    const { metadata, spec = {} } = ingressClass;
    report.field('Name', metadata.name);
    report.labels('Labels', metadata.labels);
    report.annotations('Annotations', metadata.annotations);
    report.field('Controller', spec.controller ?? '');
    if (spec.parameters) {
      const { apiGroup, kind, name } = spec.parameters;
      report.line(0, 'Parameters:');
      if (apiGroup !== undefined) report.field('APIGroup', apiGroup, 1);
      report.field('Kind', kind, 1);
      report.field('Name', name, 1);
    }
    await describeEvents(report, ingressClass, context);
  },
};
