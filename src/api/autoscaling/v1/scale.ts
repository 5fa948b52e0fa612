/** Scale: how many there shall be and how many there are, the same for every kind that can be scaled. Source: API reference, autoscaling/v1. */
import type * as schema from '#api/generated/schema.ts';
import { ageColumn, column, defineBody, nameColumn } from '#api/machinery/define-kind.ts';
import { isNotNegative } from '#api/machinery/field-rules.ts';

export type Scale = schema.Scale;

export const Scale = defineBody<schema.Scale>({
  group: 'autoscaling',
  version: 'v1',
  kind: 'Scale',
  defaults: (scale) => ({ ...(scale as schema.Scale), spec: { replicas: scale.spec?.replicas ?? 0 } }),
  validate: ({ spec }, at) => isNotNegative(at.spec.replicas, spec.replicas),
  columns: [
    nameColumn(),
    column('Desired', 'integer', ({ spec }) => spec.replicas),
    column('Available', 'integer', ({ status }) => status?.replicas ?? 0),
    ageColumn(),
  ],
});
