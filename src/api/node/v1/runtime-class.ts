/** RuntimeClass: a way to run containers, and what it costs. Source: API reference, node.k8s.io/v1. */
import type * as schema from '#api/generated/schema.ts';
import { ageColumn, column, defineKind, nameColumn } from '#api/machinery/define-kind.ts';
import { keyed } from '#api/machinery/field-path.ts';
import { follows, isImmutable, isNotNegativeQuantity } from '#api/machinery/field-rules.ts';
import { dns1123Label } from '#api/machinery/names.ts';

export type RuntimeClass = schema.RuntimeClass;

export const RuntimeClass = defineKind<schema.RuntimeClass>({
  group: 'node.k8s.io',
  version: 'v1',
  kind: 'RuntimeClass',
  plural: 'runtimeclasses',
  scope: 'Cluster',
  validate: ({ handler, overhead }, at) => [
    ...follows(at.handler, handler ?? '', dns1123Label),
    ...Object.entries(overhead?.podFixed ?? {}).flatMap(([name, amount]) =>
      isNotNegativeQuantity(keyed(at.overhead.podFixed, name), amount),
    ),
  ],
  validateUpdate: ({ next, current, at }) => isImmutable(at.handler, next.handler, current.handler),
  columns: [nameColumn(), column('Handler', 'string', ({ handler }) => handler), ageColumn()],
  allowUnconditionalUpdate: false,
});
