/** RoleBinding: who has a role in one namespace. Source: API reference, rbac.authorization.k8s.io/v1. */
import type * as schema from '#api/generated/schema.ts';
import { defineKind } from '#api/machinery/define-kind.ts';
import { pathSegment } from '#api/machinery/names.ts';
import { bindingColumns, defaultBinding, validateBinding, validateBindingUpdate } from './rules.ts';

export type RoleBinding = schema.RoleBinding;

export const RoleBinding = defineKind<schema.RoleBinding>({
  group: 'rbac.authorization.k8s.io',
  version: 'v1',
  kind: 'RoleBinding',
  plural: 'rolebindings',
  scope: 'Namespaced',
  name: pathSegment,
  defaults: (binding) => defaultBinding(binding) as schema.RoleBinding,
  validate: (binding, at) => validateBinding(binding, at, ['Role', 'ClusterRole']),
  validateUpdate: ({ next, current, at }) => validateBindingUpdate(next, current, at),
  columns: bindingColumns(),
  allowCreateOnUpdate: true,
});
