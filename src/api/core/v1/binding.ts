/** Binding: the decision that a pod runs on a node. Sent, never stored. Source: API reference, core/v1. */
import type * as schema from '#api/generated/schema.ts';
import { defineKind } from '#api/machinery/define-kind.ts';
import { notSupportedValue, requiredValue } from '#api/machinery/field-error.ts';

export type Binding = schema.Binding;

export const Binding = defineKind<schema.Binding>({
  group: '',
  version: 'v1',
  kind: 'Binding',
  plural: 'bindings',
  scope: 'Namespaced',
  virtual: true,
  defaults: (binding) => ({ ...(binding as schema.Binding), target: binding.target ?? {} }),
  validate: ({ target }, at) => [
    ...(target.kind && target.kind !== 'Node'
      ? [notSupportedValue(at.target.kind, target.kind, ['Node', '<empty>'])]
      : []),
    ...(target.name ? [] : [requiredValue(at.target.name)]),
  ],
});
