/** Role: what may be done in one namespace. Source: API reference, rbac.authorization.k8s.io/v1. */
import type * as schema from '#api/generated/schema.ts';
import { defineKind } from '#api/machinery/define-kind.ts';
import { pathSegment } from '#api/machinery/names.ts';
import { roleColumns, validateRules } from './rules.ts';

export type Role = schema.Role;

export const Role = defineKind<schema.Role>({
  group: 'rbac.authorization.k8s.io',
  version: 'v1',
  kind: 'Role',
  plural: 'roles',
  scope: 'Namespaced',
  name: pathSegment,
  validate: ({ rules }, at) => validateRules(rules, at.rules, true),
  columns: roleColumns(),
  allowCreateOnUpdate: true,
});
