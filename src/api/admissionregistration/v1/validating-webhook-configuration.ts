/** ValidatingWebhookConfiguration: who outside may refuse objects on their way in. Source: API reference, admissionregistration.k8s.io/v1. */
import type * as schema from '#api/generated/schema.ts';
import { ageColumn, column, defineKind, nameColumn } from '#api/machinery/define-kind.ts';
import { defaultWebhook, validateWebhooks } from './webhook-rules.ts';

export type ValidatingWebhookConfiguration = schema.ValidatingWebhookConfiguration;

export const ValidatingWebhookConfiguration = defineKind<schema.ValidatingWebhookConfiguration>({
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  kind: 'ValidatingWebhookConfiguration',
  plural: 'validatingwebhookconfigurations',
  anyFinalizer: true,
  scope: 'Cluster',
  categories: ['api-extensions'],
  generationOf: ({ webhooks }) => webhooks,
  defaults: (configuration) =>
    ({
      ...configuration,
      ...(configuration.webhooks && {
        webhooks: configuration.webhooks.map((webhook) => defaultWebhook(webhook)),
      }),
    }) as schema.ValidatingWebhookConfiguration,
  validate: ({ webhooks }, at) => validateWebhooks(webhooks ?? [], at.webhooks),
  columns: [nameColumn(), column('Webhooks', 'integer', ({ webhooks }) => webhooks?.length ?? 0), ageColumn()],
  allowUnconditionalUpdate: false,
});
