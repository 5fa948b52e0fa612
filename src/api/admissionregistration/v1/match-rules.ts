/** Which requests webhooks and policies are for. Source: API reference, admissionregistration.k8s.io/v1; texts as upstream. */
import type * as schema from '#api/generated/schema.ts';
import {
  duplicateValue,
  type FieldError,
  invalidValue,
  notSupportedValue,
  requiredValue,
} from '#api/machinery/field-error.ts';
import type { At } from '#api/machinery/field-path.ts';
import { follows, isOneOf } from '#api/machinery/field-rules.ts';
import { validateLabelSelector } from '#api/machinery/label-selector.ts';
import { pathSegment } from '#api/machinery/names.ts';
import { repeatedIn } from '#api/machinery/repeated.ts';

const OPERATIONS = ['*', 'CONNECT', 'CREATE', 'DELETE', 'UPDATE'];
/** A delete has no object that could be changed. */
const MUTABLE_OPERATIONS = ['*', 'CONNECT', 'CREATE', 'UPDATE'];

export const defaultRule = <T extends schema.Submitted<schema.RuleWithOperations>>(rule: T) => ({
  ...rule,
  scope: rule.scope ?? '*',
});

export const defaultMatch = (match: schema.Submitted<schema.MatchResources>): schema.MatchResources =>
  ({
    ...match,
    namespaceSelector: match.namespaceSelector ?? {},
    objectSelector: match.objectSelector ?? {},
    ...(match.resourceRules && { resourceRules: match.resourceRules.map(defaultRule) }),
    ...(match.excludeResourceRules && { excludeResourceRules: match.excludeResourceRules.map(defaultRule) }),
    matchPolicy: match.matchPolicy ?? 'Equivalent',
  }) as schema.MatchResources;

export function validateRule(rule: schema.RuleWithOperations, at: At<schema.RuleWithOperations>): FieldError[] {
  const { operations = [], apiGroups = [], apiVersions = [], resources = [] } = rule;
  return [
    ...(operations.length === 0 ? [requiredValue(at.operations)] : []),
    ...notBesideAll(operations, at.operations, 'operations'),
    ...operations.flatMap((operation, i) => isOneOf(at.operations[i]!, operation, OPERATIONS)),
    ...(apiGroups.length === 0 ? [requiredValue(at.apiGroups)] : []),
    ...notBesideAll(apiGroups, at.apiGroups, 'API groups'),
    ...(apiVersions.length === 0 ? [requiredValue(at.apiVersions)] : []),
    ...notBesideAll(apiVersions, at.apiVersions, 'API versions'),
    ...apiVersions.flatMap((version, i) => (version ? [] : [requiredValue(at.apiVersions[i]!)])),
    ...resourceErrors(resources, at.resources),
    ...isOneOf(at.scope, rule.scope, ['*', 'Cluster', 'Namespaced']),
  ];
}

const notBesideAll = (values: readonly string[], at: At<string[]>, what: string): FieldError[] =>
  values.length > 1 && values.includes('*')
    ? [invalidValue(at, values, `if '*' is present, must not specify other ${what}`)]
    : [];

/** `*` is all resources, a wildcard on one side of the slash all on that side; what is named twice so is an error. */
function resourceErrors(resources: readonly string[], at: At<string[]>): FieldError[] {
  if (resources.length === 0) return [requiredValue(at)];
  const errors: FieldError[] = [];
  const before = new Set<string>();
  for (const [i, named] of resources.entries()) {
    const [resource = '', sub] = splitOnce(named);
    if (!named) errors.push(requiredValue(at[i]!));
    if (sub === undefined) continue;
    const covered = (all: string) =>
      errors.push(invalidValue(at[i]!, named, `if '${all}' is present, must not specify ${named}`));
    if (before.has(`${resource}/*`)) covered(`${resource}/*`);
    if (before.has(`*/${sub}`)) covered(`*/${sub}`);
    before.add(named);
  }
  if (resources.length > 1 && resources.includes('*/*'))
    errors.push(invalidValue(at, resources, "if '*/*' is present, must not specify other resources"));
  if (resources.includes('*') && resources.some((named) => named !== '*' && named && !named.includes('/')))
    errors.push(
      invalidValue(at, resources, "if '*' is present, must not specify other resources without subresources"),
    );
  return errors;
}

function splitOnce(named: string): [string, string | undefined] {
  const slash = named.indexOf('/');
  return slash < 0 ? [named, undefined] : [named.slice(0, slash), named.slice(slash + 1)];
}

function validateNamedRule(rule: schema.NamedRuleWithOperations, at: At<schema.NamedRuleWithOperations>): FieldError[] {
  const names = rule.resourceNames ?? [];
  const repeated = repeatedIn(names);
  return [
    ...names.flatMap((name, i) => [
      ...follows(at.resourceNames[i]!, name, pathSegment),
      ...(repeated.has(i) ? [duplicateValue(at.resourceNames[i]!, name)] : []),
    ]),
    ...validateRule(rule, at),
  ];
}

export const validateMatch = (match: schema.MatchResources, at: At<schema.MatchResources>): FieldError[] => [
  ...isOneOf(at.matchPolicy, match.matchPolicy, ['Equivalent', 'Exact']),
  ...validateLabelSelector(match.namespaceSelector, at.namespaceSelector),
  ...validateLabelSelector(match.objectSelector, at.objectSelector),
  ...(match.resourceRules ?? []).flatMap((rule, i) => validateNamedRule(rule, at.resourceRules[i]!)),
  ...(match.excludeResourceRules ?? []).flatMap((rule, i) => validateNamedRule(rule, at.excludeResourceRules[i]!)),
];

/** Of a policy: without rules it would not be known what its expressions are about. */
export function validateConstraints(
  match: schema.MatchResources | undefined,
  at: At<schema.MatchResources>,
): FieldError[] {
  if (!match) return [requiredValue(at)];
  return [...validateMatch(match, at), ...(match.resourceRules?.length ? [] : [requiredValue(at.resourceRules)])];
}

/** Upstream's path names no rule. */
export const validateMutable = (
  match: schema.MatchResources | undefined,
  at: At<schema.MatchResources>,
): FieldError[] =>
  (match?.resourceRules ?? [])
    .flatMap(({ operations = [] }) => operations)
    .filter((operation) => !MUTABLE_OPERATIONS.includes(operation))
    .map((operation) => notSupportedValue(`${at.resourceRules}.operations`, operation, MUTABLE_OPERATIONS));
