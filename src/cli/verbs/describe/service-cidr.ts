import type { ServiceCIDR } from '#api/generated/schema.ts';
import type { Describer } from './describer.ts';
import { describeEvents } from './events.ts';
import { formatTime } from './report.ts';

export const serviceCidrDescriber: Describer<ServiceCIDR> = {
  kind: 'ServiceCIDR.networking.k8s.io',
  async describe(report, range, context) {
    const { metadata, spec, status } = range;
    report.field('Name', metadata.name);
    report.labels('Labels', metadata.labels);
    report.annotations('Annotations', metadata.annotations);
    report.field('CIDRs', (spec?.cidrs ?? []).join(', '));
    const conditions = status?.conditions ?? [];
    if (conditions.length > 0) {
      report.line(0, 'Status:');
      const headers = ['Type', 'Status', 'LastTransitionTime', 'Reason', 'Message'];
      const rows = conditions.map((one) => [
        one.type,
        one.status,
        formatTime(one.lastTransitionTime),
        one.reason,
        one.message,
      ]);
      report.table('Conditions', headers, rows);
    }
    await describeEvents(report, range, context);
  },
};
