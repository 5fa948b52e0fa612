/**
 * What the FlowSchemas and PriorityLevelConfigurations say that are the same in every cluster and may not be changed. Source:
 * upstream's apis/flowcontrol/bootstrap and apis/flowcontrol/validation.
 */
import type * as schema from '#api/generated/schema.ts';
import { isEqual } from '#api/machinery/equal.ts';
import { type FieldError, invalidValue } from '#api/machinery/field-error.ts';
import type { Path } from '#api/machinery/field-path.ts';

export const EXEMPT = 'exempt';

const anything = {
  resourceRules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'], namespaces: ['*'], clusterScope: true }],
  nonResourceRules: [{ verbs: ['*'], nonResourceURLs: ['*'] }],
};
const groups = (...names: string[]) => names.map((name) => ({ kind: 'Group', group: { name } }));

export const MANDATORY_FLOW_SPECS: ReadonlyMap<string, schema.FlowSchemaSpec> = new Map([
  [
    EXEMPT,
    {
      priorityLevelConfiguration: { name: EXEMPT },
      matchingPrecedence: 1,
      rules: [{ subjects: groups('system:masters'), ...anything }],
    },
  ],
  [
    'catch-all',
    {
      priorityLevelConfiguration: { name: 'catch-all' },
      matchingPrecedence: 10_000,
      distinguisherMethod: { type: 'ByUser' },
      rules: [{ subjects: groups('system:unauthenticated', 'system:authenticated'), ...anything }],
    },
  ],
] as unknown as [string, schema.FlowSchemaSpec][]);

export const MANDATORY_LEVEL_SPECS: ReadonlyMap<string, schema.PriorityLevelConfigurationSpec> = new Map([
  [
    'catch-all',
    {
      type: 'Limited',
      limited: { nominalConcurrencyShares: 5, lendablePercent: 0, limitResponse: { type: 'Reject' } },
    },
  ],
  [EXEMPT, { type: 'Exempt', exempt: { nominalConcurrencyShares: 0, lendablePercent: 0 } }],
] as unknown as [string, schema.PriorityLevelConfigurationSpec][]);

export function isMandatoryFlow(name: string, spec: schema.FlowSchemaSpec, at: Path): FieldError[] {
  const fixed = MANDATORY_FLOW_SPECS.get(name);
  return !fixed || isEqual(spec, fixed) ? [] : [invalidValue(at, spec, `spec of '${name}' must equal the fixed value`)];
}

/** Of the exempt level its shares are the user's. */
export function isMandatoryLevel(name: string, spec: schema.PriorityLevelConfigurationSpec, at: Path): FieldError[] {
  const fixed = MANDATORY_LEVEL_SPECS.get(name);
  const mayDiffer = name === EXEMPT;
  if (!fixed || isEqual(mayDiffer ? { ...spec, exempt: fixed.exempt } : spec, fixed)) return [];
  const but = mayDiffer ? " except the 'spec.exempt' field" : '';
  return [invalidValue(at, spec, `spec of '${name}'${but} must equal the fixed value`)];
}
