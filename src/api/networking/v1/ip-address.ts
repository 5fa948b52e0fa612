/** IPAddress: an address of a Service range that is taken, and by whom. Its name is the address. Source: API reference, networking.k8s.io/v1. */
import type * as schema from '#api/generated/schema.ts';
import { column, defineKind, nameColumn } from '#api/machinery/define-kind.ts';
import { requiredValue } from '#api/machinery/field-error.ts';
import { isImmutable } from '#api/machinery/field-rules.ts';
import { formatIp, parseIp } from '#api/machinery/ip.ts';

export type IPAddress = schema.IPAddress;

export const IPAddress = defineKind<schema.IPAddress>({
  group: 'networking.k8s.io',
  version: 'v1',
  kind: 'IPAddress',
  plural: 'ipaddresses',
  scope: 'Cluster',
  shortNames: ['ip'],
  name: (name) => {
    const ip = parseIp(name);
    if (!ip) return ['must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'];
    return formatIp(ip) === name ? [] : [`must be in canonical form ("${formatIp(ip)}")`];
  },
  defaults: (address) => ({ ...address, spec: address.spec ?? {} }) as schema.IPAddress,
  validate: ({ spec: { parentRef } }, { spec: at }) => {
    if (!parentRef) return [requiredValue(at.parentRef)];
    return [
      ...(parentRef.resource ? [] : [requiredValue(at.parentRef.resource)]),
      ...(parentRef.name ? [] : [requiredValue(at.parentRef.name)]),
    ];
  },
  validateUpdate: ({ next, current, at }) => isImmutable(at.spec, next.spec, current.spec),
  columns: [
    nameColumn(),
    column('ParentRef', 'string', ({ spec: { parentRef: parent } }) => {
      if (!parent) return '';
      const resource = parent.group ? `${parent.resource}.${parent.group}` : parent.resource;
      return parent.namespace ? `${resource}/${parent.namespace}/${parent.name}` : `${resource}/${parent.name}`;
    }),
  ],
});
