/** What `/metrics` says of admission webhooks, under upstream's names. Read from plain counters when somebody asks. */
import { Counter, type Registry } from 'prom-client';
import { DistributionHistogram } from '../../metrics/distribution-histogram.ts';
import type { WebhookCalls } from './webhook-calls.ts';

const ASKED = ['name', 'type', 'operation'];

export function registerWebhookMetrics(registry: Registry, calls: WebhookCalls): void {
  const counters = [
    ['webhook_request_total', 'Questions to webhooks by what came of them.', calls.requests, ['code', 'rejected']],
    ['webhook_rejection_count', 'Requests that webhooks refused.', calls.rejections, ['error_type', 'rejection_code']],
    ['webhook_fail_open_count', 'Webhooks that failed and were passed over.', calls.passedOver, []],
  ] as const;
  for (const [name, help, counts, more] of counters)
    new Counter({
      name: `apiserver_admission_${name}`,
      help,
      labelNames: more.length > 0 ? [...ASKED, ...more] : ['name', 'type'],
      registers: [registry],
      collect() {
        this.reset();
        for (const { labels, count } of counts) this.inc(labels, count);
      },
    });
  const seconds = {
    name: 'apiserver_admission_webhook_admission_duration_seconds',
    help: 'How long webhooks took to answer.',
  };
  registry.registerMetric(new DistributionHistogram(seconds, () => calls.seconds()));
}
