/** ClusterRoleBinding: who has a role everywhere. Source: API reference, rbac.authorization.k8s.io/v1. */
import type * as schema from '#api/generated/schema.ts';
import { defineKind } from '#api/machinery/define-kind.ts';
import { pathSegment } from '#api/machinery/names.ts';
import { bindingColumns, defaultBinding, validateBinding, validateBindingUpdate } from './rules.ts';

export type ClusterRoleBinding = schema.ClusterRoleBinding;

export const ClusterRoleBinding = defineKind<schema.ClusterRoleBinding>({
  group: 'rbac.authorization.k8s.io',
  version: 'v1',
  kind: 'ClusterRoleBinding',
  plural: 'clusterrolebindings',
  scope: 'Cluster',
  name: pathSegment,
  defaults: (binding) => defaultBinding(binding) as schema.ClusterRoleBinding,
  validate: (binding, at) => validateBinding(binding, at, ['ClusterRole']),
  validateUpdate: ({ next, current, at }) => validateBindingUpdate(next, current, at),
  columns: bindingColumns(),
  allowCreateOnUpdate: true,
});
