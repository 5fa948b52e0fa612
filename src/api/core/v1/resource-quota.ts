/** ResourceQuota: how much a namespace may use in all. Source: API reference, core/v1. */
import type * as schema from '#api/generated/schema.ts';
import { ageColumn, column, defineKind, nameColumn } from '#api/machinery/define-kind.ts';
import { isEqual } from '#api/machinery/equal.ts';
import { invalidValue } from '#api/machinery/field-error.ts';
import { keyed } from '#api/machinery/field-path.ts';
import { follows, isImmutable, isNotNegativeQuantity } from '#api/machinery/field-rules.ts';
import { qualifiedName } from '#api/machinery/names.ts';

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
    ...Object.entries(spec.hard ?? {}).flatMap(([name, amount]) => [
      ...follows(keyed(at.hard, name), name, qualifiedName),
      ...isNotNegativeQuantity(keyed(at.hard, name), amount),
    ]),
    ...((spec.scopes ?? []).every((scope) => SCOPES.includes(scope))
      ? []
      : [invalidValue(at.scopes, spec.scopes, 'unsupported scope')]),
  ],
  validateUpdate: ({ next, current, at }) =>
    isEqual([...(next.spec.scopes ?? [])].sort(), [...(current.spec.scopes ?? [])].sort())
      ? []
      : isImmutable(at.spec.scopes, next.spec.scopes, current.spec.scopes),
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
