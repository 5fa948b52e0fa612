/** MutatingWebhookConfiguration: who outside may change objects on their way in. Source: API reference, admissionregistration.k8s.io/v1. */
import type * as schema from '#api/generated/schema.ts';
import { ageColumn, column, defineKind, nameColumn } from '#api/machinery/define-kind.ts';
import { isOneOf } from '#api/machinery/field-rules.ts';
import { defaultWebhook, validateWebhooks } from './webhook-rules.ts';

export type MutatingWebhookConfiguration = schema.MutatingWebhookConfiguration;

export const MutatingWebhookConfiguration = defineKind<schema.MutatingWebhookConfiguration>({
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  kind: 'MutatingWebhookConfiguration',
  plural: 'mutatingwebhookconfigurations',
  anyFinalizer: true,
  scope: 'Cluster',
  categories: ['api-extensions'],
  generationOf: ({ webhooks }) => webhooks,
  defaults: (configuration) =>
    ({
      ...configuration,
      ...(configuration.webhooks && {
        webhooks: configuration.webhooks.map((webhook) => ({
          ...defaultWebhook(webhook),
          reinvocationPolicy: webhook.reinvocationPolicy ?? 'Never',
        })),
      }),
    }) as schema.MutatingWebhookConfiguration,
  validate: ({ webhooks = [] }, at) => [
    ...validateWebhooks(webhooks, at.webhooks),
    ...webhooks.flatMap(({ reinvocationPolicy }, i) =>
      isOneOf(at.webhooks[i]!.reinvocationPolicy, reinvocationPolicy, ['IfNeeded', 'Never']),
    ),
  ],
  columns: [nameColumn(), column('Webhooks', 'integer', ({ webhooks }) => webhooks?.length ?? 0), ageColumn()],
  allowUnconditionalUpdate: false,
});
