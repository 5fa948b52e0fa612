/** EndpointSlice: a part of where a Service leads, at most 1000 endpoints. Source: API reference, discovery.k8s.io/v1. */
import type * as schema from '#api/generated/schema.ts';
import { ageColumn, column, defineKind, nameColumn } from '#api/machinery/define-kind.ts';
import {
  duplicateValue,
  type FieldError,
  invalidValue,
  notSupportedValue,
  requiredValue,
  tooMany,
} from '#api/machinery/field-error.ts';
import type { At } from '#api/machinery/field-path.ts';
import { familyOf, follows, isImmutable, mustBeOneOf } from '#api/machinery/field-rules.ts';
import { dns1123Label, dns1123Subdomain, portNumber, qualifiedName } from '#api/machinery/names.ts';

export type EndpointSlice = schema.EndpointSlice;

const MAX_ENDPOINTS = 1000;
const MAX_PORTS = 20_000;
const MAX_ADDRESSES = 100;
const ADDRESS_TYPES = ['FQDN', 'IPv4', 'IPv6'];
const PROTOCOLS = ['SCTP', 'TCP', 'UDP'];
const SHOWN = 3;

export const EndpointSlice = defineKind<schema.EndpointSlice>({
  group: 'discovery.k8s.io',
  version: 'v1',
  kind: 'EndpointSlice',
  plural: 'endpointslices',
  scope: 'Namespaced',
  generationOf: ({ metadata: _, ...content }) => content,
  defaults: (slice) =>
    ({
      ...slice,
      endpoints: slice.endpoints ?? [],
      ...(slice.ports && {
        ports: slice.ports.map((port) => ({ ...port, name: port.name ?? '', protocol: port.protocol ?? 'TCP' })),
      }),
    }) as schema.EndpointSlice,
  validate: (slice, at) => [
    ...mustBeOneOf(at.addressType, slice.addressType, ADDRESS_TYPES),
    ...validateEndpoints(slice, at),
    ...validatePorts(slice.ports ?? [], at.ports),
  ],
  validateUpdate: ({ next, current, at }) => isImmutable(at.addressType, next.addressType, current.addressType),
  columns: [
    nameColumn(),
    column('AddressType', 'string', ({ addressType }) => addressType),
    column('Ports', 'string', ({ ports = [] }) =>
      firstFew(ports.map(({ port }) => (port === undefined ? '*' : String(port)))),
    ),
    column('Endpoints', 'string', ({ endpoints }) => firstFew(endpoints.flatMap(({ addresses }) => addresses))),
    ageColumn(),
  ],
});

function firstFew(all: readonly string[]): string {
  if (all.length === 0) return '<unset>';
  const list = all.slice(0, SHOWN).join(',');
  return all.length > SHOWN ? `${list} + ${all.length - SHOWN} more...` : list;
}

function validateEndpoints(
  { endpoints, addressType }: schema.EndpointSlice,
  at: At<schema.EndpointSlice>,
): FieldError[] {
  if (endpoints.length > MAX_ENDPOINTS) return [tooMany(at.endpoints, endpoints.length, MAX_ENDPOINTS)];
  return endpoints.flatMap((endpoint, index) => {
    const here = at.endpoints[index]!;
    const addresses = endpoint.addresses ?? [];
    const count =
      addresses.length === 0
        ? [requiredValue(here.addresses, 'must contain at least 1 address')]
        : addresses.length > MAX_ADDRESSES
          ? [tooMany(here.addresses, addresses.length, MAX_ADDRESSES)]
          : [];
    return [
      ...count,
      ...addresses.flatMap((address, i) => validateAddress(address, addressType, here.addresses[i]!)),
      ...(endpoint.hostname === undefined ? [] : follows(here.hostname, endpoint.hostname, dns1123Label)),
      ...(endpoint.nodeName === undefined ? [] : follows(here.nodeName, endpoint.nodeName, dns1123Subdomain)),
    ];
  });
}

function validateAddress(address: string, type: string, at: At<string>): FieldError[] {
  if (type === 'FQDN') return follows(at, address, dns1123Subdomain);
  if (type !== 'IPv4' && type !== 'IPv6') return [];
  if (familyOf(address) === type) return [];
  return [invalidValue(at, address, `must be a valid ${type} address`)];
}

function validatePorts(
  ports: readonly schema.DiscoveryEndpointPort[],
  at: At<schema.DiscoveryEndpointPort[]>,
): FieldError[] {
  if (ports.length > MAX_PORTS) return [tooMany(at, ports.length, MAX_PORTS)];
  const seen = new Set<string>();
  return ports.flatMap((port, index) => {
    const here = at[index]!;
    const name = port.name ?? '';
    const twice = seen.has(name);
    seen.add(name);
    return [
      ...(name ? follows(here.name, name, dns1123Label) : []),
      ...(twice ? [duplicateValue(here.name, name)] : []),
      ...(port.port === undefined ? [] : portNumber(port.port).map((text) => invalidValue(here.port, port.port, text))),
      ...(PROTOCOLS.includes(port.protocol ?? '') ? [] : [notSupportedValue(here.protocol, port.protocol, PROTOCOLS)]),
      ...(port.appProtocol === undefined ? [] : follows(here.appProtocol, port.appProtocol, qualifiedName)),
    ];
  });
}
