/** ServiceCIDR: a range that Services' addresses are taken from. Source: API reference, networking.k8s.io/v1. */
import type * as schema from '#api/generated/schema.ts';
import { ageColumn, column, defineKind, nameColumn } from '#api/machinery/define-kind.ts';
import { invalidValue, requiredValue } from '#api/machinery/field-error.ts';
import { familyOf, isImmutable } from '#api/machinery/field-rules.ts';
import { parseCidr } from '#api/machinery/ip.ts';

export type ServiceCIDR = schema.ServiceCIDR;

export const ServiceCIDR = defineKind<schema.ServiceCIDR>({
  group: 'networking.k8s.io',
  version: 'v1',
  kind: 'ServiceCIDR',
  plural: 'servicecidrs',
  scope: 'Cluster',
  subresources: ['status'],
  defaults: (range) => ({ ...range, spec: range.spec ?? {} }) as schema.ServiceCIDR,
  validate: ({ spec: { cidrs = [] } }, { spec: at }) => {
    if (cidrs.length === 0) return [requiredValue(at.cidrs, 'at least one CIDR required')];
    const families = cidrs.map((cidr) => familyOf(cidr.split('/')[0] ?? ''));
    if (cidrs.length > 2) return [invalidValue(at.cidrs, cidrs, 'may only hold up to 2 values')];
    const text = 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)';
    return [
      ...(families.length === 2 && families[0] === families[1]
        ? [
            invalidValue(
              at.cidrs,
              cidrs,
              'may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64',
            ),
          ]
        : []),
      ...cidrs.flatMap((cidr, index) => (parseCidr(cidr) ? [] : [invalidValue(at.cidrs[index]!, cidr, text)])),
    ];
  },
  validateUpdate: ({ next, current, at }) =>
    isImmutable(at.spec.cidrs, next.spec.cidrs?.slice(0, current.spec.cidrs?.length), current.spec.cidrs),
  columns: [nameColumn(), column('CIDRs', 'string', ({ spec }) => (spec.cidrs ?? []).join(',')), ageColumn()],
});
