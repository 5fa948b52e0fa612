/**
 * PodDisruptionBudget: how many pods of a set may be down at once because somebody chose to take them down (a drain, a
 * rollout). Source: API reference, policy/v1.
 */
import type * as schema from '#api/generated/schema.ts';
import { validateConditions } from '#api/machinery/condition-rules.ts';
import { ageColumn, column, defineKind, nameColumn } from '#api/machinery/define-kind.ts';
import { invalidValue } from '#api/machinery/field-error.ts';
import { isCountOrPercent, isNotAbove100Percent, isNotNegative, isOneOf } from '#api/machinery/field-rules.ts';
import { validateLabelSelector } from '#api/machinery/label-selector.ts';
import { pathSegment } from '#api/machinery/names.ts';

export type PodDisruptionBudget = schema.PodDisruptionBudget;

export const PodDisruptionBudget = defineKind<schema.PodDisruptionBudget>({
  group: 'policy',
  version: 'v1',
  kind: 'PodDisruptionBudget',
  plural: 'poddisruptionbudgets',
  anyFinalizer: true,
  scope: 'Namespaced',
  shortNames: ['pdb'],
  subresources: ['status'],
  name: pathSegment,
  generationOf: ({ spec }) => spec,
  initialStatus: { disruptionsAllowed: 0, currentHealthy: 0, desiredHealthy: 0, expectedPods: 0 },
  defaults: (budget) => ({
    ...(budget as schema.PodDisruptionBudget),
    spec: (budget.spec ?? {}) as schema.PodDisruptionBudgetSpec,
  }),
  validate: ({ spec }, { spec: at }) => [
    ...(spec.minAvailable !== undefined && spec.maxUnavailable !== undefined
      ? [invalidValue(at, asGoNamesIt(spec), 'minAvailable and maxUnavailable cannot be both set')]
      : []),
    ...isCountOrPercent(at.minAvailable, spec.minAvailable),
    ...isNotAbove100Percent(at.minAvailable, spec.minAvailable),
    ...isCountOrPercent(at.maxUnavailable, spec.maxUnavailable),
    ...isNotAbove100Percent(at.maxUnavailable, spec.maxUnavailable),
    ...validateLabelSelector(spec.selector, at.selector),
    ...isOneOf(at.unhealthyPodEvictionPolicy, spec.unhealthyPodEvictionPolicy, ['AlwaysAllow', 'IfHealthyBudget']),
  ],
  validateStatusUpdate: ({ next: { status }, at: { status: at } }) => [
    ...isNotNegative(at.disruptionsAllowed, status?.disruptionsAllowed),
    ...isNotNegative(at.currentHealthy, status?.currentHealthy),
    ...isNotNegative(at.desiredHealthy, status?.desiredHealthy),
    ...isNotNegative(at.expectedPods, status?.expectedPods),
    ...validateConditions(status?.conditions, at.conditions),
  ],
  columns: [
    nameColumn(),
    column('Min Available', 'string', ({ spec }) => String(spec.minAvailable ?? 'N/A')),
    column('Max Unavailable', 'string', ({ spec }) => String(spec.maxUnavailable ?? 'N/A')),
    column('Allowed Disruptions', 'integer', ({ status }) => status?.disruptionsAllowed ?? 0),
    ageColumn(),
  ],
  allowUnconditionalUpdate: false,
});

/** Upstream shows what it holds inside, where fields have other names and none is left out. */
const asGoNamesIt = (spec: schema.PodDisruptionBudgetSpec): object => ({
  MinAvailable: spec.minAvailable ?? null,
  Selector: spec.selector ?? null,
  MaxUnavailable: spec.maxUnavailable ?? null,
  UnhealthyPodEvictionPolicy: spec.unhealthyPodEvictionPolicy ?? null,
});
