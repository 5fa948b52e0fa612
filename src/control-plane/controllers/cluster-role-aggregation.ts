/** Puts together the ClusterRoles that are the sum of others: `admin` is what everything labelled aggregate-to-admin holds. */
import type { PolicyRule } from '#api/generated/schema.ts';
import { isEqual } from '#api/machinery/equal.ts';
import { matchesLabels, selectorFrom } from '#api/machinery/label-selector.ts';
import { ClusterRole } from '#api/rbac/v1/cluster-role.ts';
import { defineController, settled, watching } from './define-controller.ts';

const NAME = 'clusterrole-aggregation-controller';

export const clusterRoleAggregation = defineController({
  name: NAME,
  reconciles: ClusterRole,
  // There are few roles, and who depends on whom is not known: a change of one is looked at from all that add up others.
  watches: [
    watching(ClusterRole, (_changed, cached) =>
      cached(ClusterRole)
        .list()
        .filter(isAggregated)
        .map(({ metadata }) => metadata.name),
    ),
  ],
  writes: { patch: [ClusterRole] },
  workers: 1,

  async reconcile(role, { cached, api }) {
    if (!isAggregated(role)) return settled;
    const rules = summedRules(role, cached(ClusterRole).list());
    if (isEqual(rules, role.rules ?? [])) return settled;
    await api.apply(ClusterRole, { name: role.metadata.name }, { manager: NAME, fields: { rules } });
    return settled;
  },
});

const isAggregated = (role: { aggregationRule?: unknown }): boolean => Boolean(role.aggregationRule);

/** Selector by selector, and in each by name, as upstream does; each rule once. */
export function summedRules(role: ClusterRole, all: readonly ClusterRole[]): PolicyRule[] {
  const byName = [...all]
    .filter(({ metadata }) => metadata.name !== role.metadata.name)
    .sort((one, other) => (one.metadata.name < other.metadata.name ? -1 : 1));
  const rules: PolicyRule[] = [];
  for (const wanted of role.aggregationRule?.clusterRoleSelectors ?? []) {
    const selector = selectorFrom(wanted);
    for (const source of byName) {
      if (!matchesLabels(selector, source.metadata.labels)) continue;
      for (const rule of source.rules ?? []) if (!rules.some((known) => isEqual(known, rule))) rules.push(rule);
    }
  }
  return rules;
}
