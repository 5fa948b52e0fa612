/** EndpointSlice: a part of where a Service leads, at most 1000 endpoints. Source: API reference, discovery.k8s.io/v1. */
import type * as schema from '#api/generated/schema.ts';
import { ageColumn, column, defineKind, nameColumn } from '#api/machinery/define-kind.ts';
import { isEqual } from '#api/machinery/equal.ts';
import {
  duplicateValue,
  type FieldError,
  invalidValue,
  notSupportedValue,
  requiredValue,
  tooMany,
} from '#api/machinery/field-error.ts';
import { type At, root } from '#api/machinery/field-path.ts';
import { familyOf, follows, isImmutable, mustBeOneOf } from '#api/machinery/field-rules.ts';
import { isCanonicalIp, isEndpointIp, isLegacyIp, warningsOfIp } from '#api/machinery/ip-rules.ts';
import { dns1123Label, dns1123Subdomain, labelValue, type NameRule, qualifiedName } from '#api/machinery/names.ts';

export type EndpointSlice = schema.EndpointSlice;

/** The label that names the Service whose endpoints these are. */
export const SERVICE_NAME = 'kubernetes.io/service-name';

/** `namespace/name` of that Service; undefined for endpoints of none. */
export function serviceKeyOf({ metadata }: schema.EndpointSlice): string | undefined {
  const name = metadata.labels?.[SERVICE_NAME];
  return name && `${metadata.namespace}/${name}`;
}

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
  prepareForCreate: (slice) => ({ ...slice, endpoints: slice.endpoints.map(withoutOldTopology) }),
  defaults: (slice) =>
    ({
      ...slice,
      endpoints: slice.endpoints ?? [],
      ...(slice.ports && {
        ports: slice.ports.map((port) => ({ ...port, name: port.name ?? '', protocol: port.protocol ?? 'TCP' })),
      }),
    }) as schema.EndpointSlice,
  validate: (slice, at) => [...validateOwn(slice, at), ...validateEndpoints(slice, at)],
  updateHasOwnRules: true,
  warnings: ({ addressType, endpoints }, current) =>
    addressType === 'FQDN' && !current
      ? ['spec.addressType: FQDN endpoints are deprecated']
      : endpoints.flatMap(({ addresses = [] }, i) =>
          addresses.flatMap((address, j) => warningsOfIp(root(`endpoints[${i}].addresses[${j}]`), address)),
        ),
  validateUpdate({ next, current, at }) {
    const endpoints = validateEndpoints(next, at);
    // What an older server let in may stay as it is.
    const isKept = endpoints.length > 0 && isEqual(next.endpoints, current.endpoints);
    return [
      ...validateOwn(next, at),
      ...(isKept ? [] : endpoints),
      ...isImmutable(at.addressType, next.addressType, current.addressType),
    ];
  },
  columns: [
    nameColumn(),
    column('AddressType', 'string', ({ addressType }) => addressType),
    column('Ports', 'string', ({ ports = [] }) => firstFew(ports.map(({ port, name }) => String(port ?? name ?? '*')))),
    column('Endpoints', 'string', ({ endpoints }) => firstFew(endpoints.flatMap(({ addresses }) => addresses))),
    ageColumn(),
  ],
});

/** A field of v1beta1 that new slices do not get. */
function withoutOldTopology(endpoint: schema.Endpoint): schema.Endpoint {
  if (endpoint.deprecatedTopology === undefined) return endpoint;
  const { deprecatedTopology: _, ...rest } = endpoint;
  return rest;
}

function firstFew(all: readonly string[]): string {
  const list = all.slice(0, SHOWN).join(',');
  if (!list) return '<unset>';
  return all.length > SHOWN ? `${list} + ${all.length - SHOWN} more...` : list;
}

const validateOwn = (slice: schema.EndpointSlice, at: At<schema.EndpointSlice>): FieldError[] => [
  ...mustBeOneOf(at.addressType, slice.addressType, ADDRESS_TYPES),
  ...validatePorts(slice.ports ?? [], at.ports),
];

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
      ...addresses.flatMap((address, i) => validateAddress(address, addressType, { at: here.addresses, i })),
      ...(endpoint.nodeName === undefined ? [] : follows(here.nodeName, endpoint.nodeName, dns1123Subdomain)),
      ...(endpoint.hostname === undefined ? [] : follows(here.hostname, endpoint.hostname, dns1123Label)),
      ...(endpoint.hints ? validateHints(endpoint.hints, here.hints) : []),
    ];
  });
}

/** Of the wrong family: upstream names the list and not the place in it. */
function validateAddress(address: string, type: string, { at, i }: { at: At<string[]>; i: number }): FieldError[] {
  const here = at[i]!;
  if (type === 'FQDN') return isDomainName(here, address);
  if (type !== 'IPv4' && type !== 'IPv6') return [];
  const errors = type === 'IPv4' ? isLegacyIp(here, address) : isCanonicalIp(here, address);
  if (errors.length > 0) return errors;
  const family = familyOf(address) === type ? [] : [invalidValue(at, address, `must be an ${type} address`)];
  return [...family, ...isEndpointIp(here, address)];
}

function isDomainName(at: At<string>, name: string): FieldError[] {
  if (!name) return [requiredValue(at)];
  const errors = follows(at, name.replace(/\.$/, ''), dns1123Subdomain);
  if (errors.length > 0 || name.split('.').length >= 2) return errors;
  return [invalidValue(at, name, 'should be a domain with at least two segments separated by dots')];
}

const MAX_HINTS = 8;

function validateHints(
  { forZones = [], forNodes = [] }: schema.EndpointHints,
  at: At<schema.EndpointHints>,
): FieldError[] {
  const named = (list: readonly { name: string }[], here: At<{ name: string }[]>, rule: NameRule) =>
    list.flatMap(({ name }, i) => [
      ...(list.findIndex((other) => other.name === name) < i ? [duplicateValue(here[i]!.name, name)] : []),
      ...follows(here[i]!.name, name ?? '', rule),
    ]);
  if (forZones.length > MAX_HINTS) return [tooMany(at.forZones, forZones.length, MAX_HINTS)];
  const errors = named(forZones, at.forZones, labelValue);
  if (forNodes.length > MAX_HINTS) return [...errors, tooMany(at.forNodes, forNodes.length, MAX_HINTS)];
  return [...errors, ...named(forNodes, at.forNodes, dns1123Subdomain)];
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
      ...(PROTOCOLS.includes(port.protocol ?? '') ? [] : [notSupportedValue(here.protocol, port.protocol, PROTOCOLS)]),
      ...(port.appProtocol === undefined ? [] : follows(here.appProtocol, port.appProtocol, qualifiedName)),
    ];
  });
}
