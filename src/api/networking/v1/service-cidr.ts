/** ServiceCIDR: a range that Services' addresses are taken from. Source: API reference, networking.k8s.io/v1. */
import type * as schema from '#api/generated/schema.ts';
import { ageColumn, column, defineKind, nameColumn } from '#api/machinery/define-kind.ts';
import { type FieldError, invalidValue, requiredValue } from '#api/machinery/field-error.ts';
import type { At } from '#api/machinery/field-path.ts';
import { parseCidr } from '#api/machinery/ip.ts';
import { isCanonicalCidr } from '#api/machinery/ip-rules.ts';
import { IMMUTABLE } from '#api/machinery/object-meta.ts';

export type ServiceCIDR = schema.ServiceCIDR;

export const ServiceCIDR = defineKind<schema.ServiceCIDR>({
  group: 'networking.k8s.io',
  version: 'v1',
  kind: 'ServiceCIDR',
  plural: 'servicecidrs',
  scope: 'Cluster',
  subresources: ['status'],
  defaults: (range) => ({ ...range, spec: range.spec ?? {} }) as schema.ServiceCIDR,
  validate: ({ spec: { cidrs = [] } }, { spec: at }) => validateCidrs(cidrs, at.cidrs),
  updateHasOwnRules: true,
  validateUpdate: ({ next, current, at: { spec: at } }) => {
    const [now, before] = [next.spec.cidrs ?? [], current.spec.cidrs ?? []];
    const changed = before.flatMap((cidr, i) =>
      cidr === now[i] ? [] : [invalidValue(at.cidrs[i]!, now[i] ?? '', IMMUTABLE)],
    );
    if (now.length === before.length) return changed;
    if (before.length !== 1 || now.length !== 2) return [invalidValue(at.cidrs, now, IMMUTABLE)];
    return [...changed, ...validateCidrs(now, at.cidrs)]; // a second family may be added
  },
  columns: [nameColumn(), column('CIDRs', 'string', ({ spec }) => (spec.cidrs ?? []).join(',')), ageColumn()],
});

function validateCidrs(cidrs: readonly string[], at: At<string[]>): FieldError[] {
  if (cidrs.length === 0) return [requiredValue(at, 'at least one CIDR required')];
  if (cidrs.length > 2) return [invalidValue(at, { CIDRs: cidrs }, 'may only hold up to 2 values')]; // as Go names it;
  const families = cidrs.map((cidr) => cidr.includes(':'));
  const alike = cidrs.length === 2 && families[0] === families[1] && cidrs.every((cidr) => parseCidr(cidr));
  const text = 'may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64';
  return [
    ...(alike ? [invalidValue(at, cidrs, text)] : []),
    ...cidrs.flatMap((cidr, index) => isCanonicalCidr(at[index]!, cidr)),
  ];
}
