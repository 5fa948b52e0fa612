/**
 * ClusterRole: what may be done anywhere, or in the namespaces where it is bound. One that aggregates others has its rules
 * written by a controller. Source: API reference, rbac.authorization.k8s.io/v1.
 */
import type * as schema from '#api/generated/schema.ts';
import { defineKind } from '#api/machinery/define-kind.ts';
import { invalidValue, requiredValue } from '#api/machinery/field-error.ts';
import { validateLabelSelector } from '#api/machinery/label-selector.ts';
import { pathSegment } from '#api/machinery/names.ts';
import { roleColumns, validateRules } from './rules.ts';

export type ClusterRole = schema.ClusterRole;

export const ClusterRole = defineKind<schema.ClusterRole>({
  group: 'rbac.authorization.k8s.io',
  version: 'v1',
  kind: 'ClusterRole',
  plural: 'clusterroles',
  scope: 'Cluster',
  name: pathSegment,
  validate({ rules, aggregationRule }, at) {
    const own = validateRules(rules, at.rules, false);
    if (!aggregationRule) return own;
    const selectors = aggregationRule.clusterRoleSelectors ?? [];
    if (selectors.length === 0)
      return [
        ...own,
        requiredValue(
          at.aggregationRule.clusterRoleSelectors,
          'at least one clusterRoleSelector required if aggregationRule is non-nil',
        ),
      ];
    const bad = selectors.flatMap((selector, i) => {
      const here = at.aggregationRule.clusterRoleSelectors[i]!;
      const errors = validateLabelSelector(selector, here);
      return errors.length > 0 ? [...errors, invalidValue(here, null, 'invalid label selector.')] : [];
    });
    return [...own, ...bad];
  },
  columns: roleColumns(),
  allowCreateOnUpdate: true,
});
