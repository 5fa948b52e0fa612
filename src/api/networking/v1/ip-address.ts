/** IPAddress: an address of a Service range that is taken, and by whom. Its name is the address. Source: API reference, networking.k8s.io/v1. */
import type * as schema from '#api/generated/schema.ts';
import { ageColumn, column, defineKind, nameColumn } from '#api/machinery/define-kind.ts';
import { requiredValue } from '#api/machinery/field-error.ts';
import { root } from '#api/machinery/field-path.ts';
import { follows, isImmutable } from '#api/machinery/field-rules.ts';
import { isCanonicalIp } from '#api/machinery/ip-rules.ts';
import { dns1123Subdomain, pathSegment } from '#api/machinery/names.ts';

export type IPAddress = schema.IPAddress;

export const IPAddress = defineKind<schema.IPAddress>({
  group: 'networking.k8s.io',
  version: 'v1',
  kind: 'IPAddress',
  plural: 'ipaddresses',
  scope: 'Cluster',
  shortNames: ['ip'],
  name: (name) => isCanonicalIp(root(), name).map(({ message }) => message.slice(message.indexOf(': must') + 2)),
  defaults: (address) => ({ ...address, spec: address.spec ?? {} }) as schema.IPAddress,
  validate: ({ spec: { parentRef } }, { spec: at }) => {
    if (!parentRef) return [requiredValue(at.parentRef)];
    const { group, resource, namespace, name } = parentRef;
    const here = at.parentRef;
    return [
      ...(group ? follows(here.group, group, dns1123Subdomain) : []),
      ...(resource ? follows(here.resource, resource, pathSegment) : [requiredValue(here.resource)]),
      ...(name ? follows(here.name, name, pathSegment) : [requiredValue(here.name)]),
      ...(namespace ? follows(here.namespace, namespace, pathSegment) : []),
    ];
  },
  validateUpdate: ({ next, current, at }) =>
    isImmutable(at.spec.parentRef, next.spec.parentRef ?? null, current.spec.parentRef),
  columns: [
    nameColumn(),
    column('ParentRef', 'string', ({ spec: { parentRef: parent } }) => {
      if (!parent) return '<none>';
      const resource = parent.group ? `${parent.resource}.${parent.group}` : parent.resource;
      return parent.namespace ? `${resource}/${parent.namespace}/${parent.name}` : `${resource}/${parent.name}`;
    }),
    ageColumn(),
  ],
});
