/** RuntimeClass: a way to run containers, and what it costs. Source: API reference, node.k8s.io/v1. */

import { validateResources } from '#api/core/v1/pod/resources.ts';
import { validateTolerations } from '#api/core/v1/pod/scheduling.ts';
import type * as schema from '#api/generated/schema.ts';
import { ageColumn, column, defineKind, nameColumn } from '#api/machinery/define-kind.ts';
import { duplicateValue, type FieldError, requiredValue } from '#api/machinery/field-error.ts';
import type { At } from '#api/machinery/field-path.ts';
import { follows, isImmutable } from '#api/machinery/field-rules.ts';
import { dns1123Label } from '#api/machinery/names.ts';
import { validateLabels } from '#api/machinery/object-meta.ts';
import { repeatedIn } from '#api/machinery/repeated.ts';

export type RuntimeClass = schema.RuntimeClass;

export const RuntimeClass = defineKind<schema.RuntimeClass>({
  group: 'node.k8s.io',
  version: 'v1',
  kind: 'RuntimeClass',
  plural: 'runtimeclasses',
  anyFinalizer: true,
  scope: 'Cluster',
  validate: ({ handler, overhead, scheduling }, at) => [
    ...(handler ? follows(at.handler, handler, dns1123Label) : [requiredValue(at.handler)]),
    ...(overhead?.podFixed ? validateResources({ limits: overhead.podFixed }, at.overhead as never) : []),
    ...validateScheduling(scheduling, at.scheduling),
  ],
  validateUpdate: ({ next, current, at }) => isImmutable(at.handler, next.handler, current.handler),
  columns: [nameColumn(), column('Handler', 'string', ({ handler }) => handler), ageColumn()],
  allowUnconditionalUpdate: false,
});

function validateScheduling(
  { nodeSelector, tolerations = [] }: schema.Scheduling = {},
  at: At<schema.Scheduling>,
): FieldError[] {
  const repeated = repeatedIn(
    tolerations.map(({ key, operator, value, effect, tolerationSeconds }) =>
      JSON.stringify([key, operator, value, effect, tolerationSeconds]),
    ),
  );
  return [
    ...validateLabels(nodeSelector, at.nodeSelector),
    ...tolerations.flatMap((one, i) => [
      ...validateTolerations([one], [at.tolerations[i]] as never),
      ...(repeated.has(i) ? [duplicateValue(at.tolerations[i]!, one)] : []),
    ]),
  ];
}
