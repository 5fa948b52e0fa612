/** Endpoints: where a Service leads, in the form that came before EndpointSlices. Source: API reference, core/v1. */
import type * as schema from '#api/generated/schema.ts';
import { ageColumn, column, defineKind, nameColumn } from '#api/machinery/define-kind.ts';
import { isEqual } from '#api/machinery/equal.ts';
import { type FieldError, invalidValue, requiredValue } from '#api/machinery/field-error.ts';
import type { At } from '#api/machinery/field-path.ts';
import { follows, mustBeOneOf } from '#api/machinery/field-rules.ts';
import { isEndpointIp, isLegacyIp } from '#api/machinery/ip-rules.ts';
import { dns1123Label, dns1123Subdomain, portNumber, qualifiedName } from '#api/machinery/names.ts';

export type Endpoints = schema.Endpoints;

const PROTOCOLS = ['SCTP', 'TCP', 'UDP'];
const SHOWN = 3;

export const Endpoints = defineKind<schema.Endpoints>({
  group: '',
  version: 'v1',
  kind: 'Endpoints',
  plural: 'endpoints',
  scope: 'Namespaced',
  shortNames: ['ep'],
  storagePrefix: 'services/endpoints',
  deprecation: 'v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice',
  defaults: (endpoints) =>
    ({
      ...endpoints,
      ...(endpoints.subsets && {
        subsets: endpoints.subsets.map((subset) => ({
          ...subset,
          ...(subset.ports && { ports: subset.ports.map((port) => ({ ...port, protocol: port.protocol || 'TCP' })) }),
        })),
      }),
    }) as schema.Endpoints,
  validate: ({ subsets = [] }, at) => subsets.flatMap((subset, i) => validateSubset(subset, at.subsets[i]!)),
  updateHasOwnRules: true,
  // what an older server took may stay as long as nobody touches it
  validateUpdate: ({ next, current, at }) =>
    isEqual(next.subsets, current.subsets)
      ? []
      : (next.subsets ?? []).flatMap((subset, i) => validateSubset(subset, at.subsets[i]!)),
  columns: [nameColumn(), column('Endpoints', 'string', ({ subsets }) => shown(subsets ?? [])), ageColumn()],
  allowCreateOnUpdate: true,
});

function validateSubset(subset: schema.EndpointSubset, at: At<schema.EndpointSubset>): FieldError[] {
  const { addresses = [], notReadyAddresses = [], ports = [] } = subset;
  const none = addresses.length === 0 && notReadyAddresses.length === 0;
  return [
    ...(none ? [requiredValue(at, 'must specify `addresses` or `notReadyAddresses`')] : []),
    ...addresses.flatMap((address, i) => validateAddress(address, at.addresses[i]!)),
    ...notReadyAddresses.flatMap((address, i) => validateAddress(address, at.notReadyAddresses[i]!)),
    ...ports.flatMap((port, i) => validatePort(port, at.ports[i]!, ports.length > 1)),
  ];
}

const validateAddress = (address: schema.EndpointAddress, at: At<schema.EndpointAddress>): FieldError[] => [
  ...isLegacyIp(at.ip, address.ip ?? ''),
  ...(address.hostname ? follows(at.hostname, address.hostname, dns1123Label) : []),
  ...(address.nodeName === undefined ? [] : follows(at.nodeName, address.nodeName, dns1123Subdomain)),
  ...isEndpointIp(at.ip, address.ip ?? ''),
];

const validatePort = (port: schema.EndpointPort, at: At<schema.EndpointPort>, needsName: boolean): FieldError[] => [
  ...(port.name ? follows(at.name, port.name, dns1123Label) : needsName ? [requiredValue(at.name)] : []),
  ...portNumber(port.port).map((text) => invalidValue(at.port, port.port, text)),
  ...mustBeOneOf(at.protocol, port.protocol, PROTOCOLS),
  ...(port.appProtocol === undefined ? [] : follows(at.appProtocol, port.appProtocol, qualifiedName)),
];

/** The first three, and how many more. */
function shown(subsets: readonly schema.EndpointSubset[]): string {
  const all = subsets.flatMap(({ addresses = [], ports = [] }) =>
    ports.length === 0
      ? addresses.map(({ ip }) => ip)
      : ports.flatMap(({ port }) =>
          addresses.map(({ ip }) => (ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`)),
        ),
  );
  if (all.length === 0) return '<none>';
  const list = all.slice(0, SHOWN).join(',');
  return all.length > SHOWN ? `${list} + ${all.length - SHOWN} more...` : list;
}
