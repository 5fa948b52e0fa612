import type { IPAddress } from '#api/generated/schema.ts';
import type { Describer } from './describer.ts';
import { describeEvents } from './events.ts';

export const ipAddressDescriber: Describer<IPAddress> = {
  kind: 'IPAddress.networking.k8s.io',
  async describe(report, address, context) {
    const { metadata, spec } = address;
    report.field('Name', metadata.name);
    report.labels('Labels', metadata.labels);
    report.annotations('Annotations', metadata.annotations);
    if (spec?.parentRef) {
      const { group = '', resource = '', namespace = '', name = '' } = spec.parentRef;
      report.line(0, 'Parent Reference:');
      report.field('Group', group, 1);
      report.field('Resource', resource, 1);
      report.field('Namespace', namespace, 1);
      report.field('Name', name, 1);
    }
    await describeEvents(report, address, context);
  },
};
