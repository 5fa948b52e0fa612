/** ResourceQuota: how much a namespace may use in all. Source: API reference, core/v1. */
import type * as schema from '#api/generated/schema.ts';
import { ageColumn, column, defineKind, nameColumn } from '#api/machinery/define-kind.ts';
import { isEqual } from '#api/machinery/equal.ts';
import { type FieldError, invalidValue, requiredValue } from '#api/machinery/field-error.ts';
import { type At, keyed } from '#api/machinery/field-path.ts';
import { isImmutable } from '#api/machinery/field-rules.ts';
import { isQuotaResource, validateQuotaResourceName, validateResourceAmount } from './resource-names.ts';

export type ResourceQuota = schema.ResourceQuota;

const SCOPES = [
  'Terminating',
  'NotTerminating',
  'BestEffort',
  'NotBestEffort',
  'PriorityClass',
  'CrossNamespacePodAffinity',
  'VolumeAttributesClass',
];

export const ResourceQuota = defineKind<schema.ResourceQuota>({
  group: '',
  version: 'v1',
  kind: 'ResourceQuota',
  plural: 'resourcequotas',
  scope: 'Namespaced',
  shortNames: ['quota'],
  subresources: ['status'],
  defaults: (quota) => ({ ...(quota as schema.ResourceQuota), spec: (quota.spec ?? {}) as schema.ResourceQuotaSpec }),
  validate: ({ spec }, { spec: at }) => [
    ...validateAmounts(spec.hard, at.hard),
    ...validateScopes(spec, at),
    ...(spec.scopeSelector ? validateSelector(spec, at.scopeSelector) : []),
  ],
  validateUpdate: ({ next, current, at }) =>
    isEqual([...(next.spec.scopes ?? [])].sort(), [...(current.spec.scopes ?? [])].sort())
      ? []
      : isImmutable(at.spec.scopes, next.spec.scopes ?? null, current.spec.scopes),
  validateStatusUpdate: ({ next: { status }, at }) => [
    ...validateAmounts(status?.hard, at.status.hard),
    ...validateAmounts(status?.used, at.status.used),
  ],
  columns: [
    nameColumn(),
    column('Request', 'string', (quota) => usage(quota, (name) => !name.startsWith('limits.'))),
    column('Limit', 'string', (quota) => usage(quota, (name) => name.startsWith('limits.'))),
    ageColumn(),
  ],
});

/** `pods: 1/10, requests.cpu: 0/1`, sorted. */
const usage = ({ status }: schema.ResourceQuota, shown: (name: string) => boolean): string =>
  Object.entries(status?.hard ?? {})
    .filter(([name]) => shown(name))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, hard]) => `${name}: ${status?.used?.[name] ?? '0'}/${hard}`)
    .join(', ');

const validateAmounts = (amounts: Record<string, string> | undefined, at: At<Record<string, string>>): FieldError[] =>
  Object.entries(amounts ?? {}).flatMap(([name, amount]) => [
    ...validateQuotaResourceName(name, keyed(at, name)),
    ...validateResourceAmount(name, amount, keyed(at, name)),
  ]);

const CONFLICTS = [
  ['BestEffort', 'NotBestEffort'],
  ['Terminating', 'NotTerminating'],
];
const POD_SCOPES = SCOPES.filter((scope) => scope !== 'VolumeAttributesClass');
const EXISTS_ONLY = POD_SCOPES.filter((scope) => scope !== 'PriorityClass');

/** Which of the standard amounts a quota with that scope can limit. Other amounts are not judged. */
function isLimitedWithin(scope: string, resource: string): boolean {
  if (scope === 'VolumeAttributesClass')
    return resource === 'persistentvolumeclaims' || resource === 'requests.storage';
  if (!POD_SCOPES.includes(scope)) return true;
  if (resource === 'pods') return true;
  if (scope === 'BestEffort') return false;
  return /^((requests|limits)\.)?(cpu|memory)$/.test(resource);
}

const misapplied = (spec: schema.ResourceQuotaSpec, scope: string): string[] =>
  Object.keys(spec.hard ?? {}).filter((name) => isQuotaResource(name) && !isLimitedWithin(scope, name));

function validateScopes(spec: schema.ResourceQuotaSpec, at: At<schema.ResourceQuotaSpec>): FieldError[] {
  const scopes = spec.scopes ?? [];
  const refuse = (text: string) => invalidValue(at.scopes, scopes, text);
  return [
    ...scopes.flatMap((scope) => [
      ...(SCOPES.includes(scope) ? [] : [refuse('unsupported scope')]),
      ...misapplied(spec, scope).map(() => refuse('unsupported scope applied to resource')),
    ]),
    ...CONFLICTS.flatMap((pair) =>
      pair.every((scope) => scopes.some((one) => one === scope)) ? [refuse('conflicting scopes')] : [],
    ),
  ];
}

/** Upstream names the list and not the place in it. */
function validateSelector(spec: schema.ResourceQuotaSpec, at: At<schema.ScopeSelector>): FieldError[] {
  const expressions = spec.scopeSelector?.matchExpressions ?? [];
  const here = at.matchExpressions;
  const errors = expressions.flatMap(({ scopeName, operator, values = [] }) => {
    const found: FieldError[] = [];
    if (!SCOPES.includes(scopeName)) found.push(invalidValue(`${here}.scopeName`, scopeName, 'unsupported scope'));
    for (const _ of misapplied(spec, scopeName))
      found.push(invalidValue(here, spec.scopeSelector, 'unsupported scope applied to resource'));
    if (EXISTS_ONLY.includes(scopeName) && operator !== 'Exists')
      found.push(invalidValue(`${here}.operator`, operator, MUST_EXIST));
    if (operator === 'In' || operator === 'NotIn') {
      const text = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector";
      if (values.length === 0) found.push(requiredValue(`${here}.values`, text));
    } else if (operator === 'Exists' || operator === 'DoesNotExist') {
      const text = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector";
      if (values.length > 0) found.push(invalidValue(`${here}.values`, values, text));
    } else found.push(invalidValue(`${here}.operator`, operator, 'not a valid selector operator'));
    return found;
  });
  const names: string[] = expressions.map(({ scopeName }) => scopeName);
  const conflicts = CONFLICTS.filter((pair) => pair.every((scope) => names.includes(scope)));
  return [...errors, ...conflicts.map(() => invalidValue(here, spec.scopes ?? [], 'conflicting scopes'))];
}

const MUST_EXIST =
  "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity";
