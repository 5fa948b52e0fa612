/** Ingress: which HTTP requests from outside go to which Service. Source: API reference, networking.k8s.io/v1. */
import type * as schema from '#api/generated/schema.ts';
import { ageColumn, column, defineKind, nameColumn } from '#api/machinery/define-kind.ts';
import { type FieldError, invalidValue, notSupportedValue, requiredValue } from '#api/machinery/field-error.ts';
import type { At } from '#api/machinery/field-path.ts';
import { follows } from '#api/machinery/field-rules.ts';
import { isLegacyIp, parseIpLoosely } from '#api/machinery/ip-rules.ts';
import {
  dns1123Label,
  dns1123Subdomain,
  pathSegment,
  portName,
  portNumber,
  wildcardDns1123Subdomain,
} from '#api/machinery/names.ts';

export type Ingress = schema.Ingress;

export const Ingress = defineKind<schema.Ingress>({
  group: 'networking.k8s.io',
  version: 'v1',
  kind: 'Ingress',
  plural: 'ingresses',
  scope: 'Namespaced',
  shortNames: ['ing'],
  storagePrefix: 'ingress',
  subresources: ['status'],
  generationOf: ({ spec }) => spec,
  initialStatus: { loadBalancer: {} },
  defaults: (ingress) => ({ ...ingress, spec: ingress.spec ?? {} }) as schema.Ingress,
  validate: (ingress, at) => [...validateSpec(ingress.spec, at.spec, {}), ...validateClassAnnotation(ingress)],
  updateHasOwnRules: true,
  validateUpdate: ({ next, current, at }) => validateSpec(next.spec, at.spec, { before: current.spec }),
  validateStatusUpdate: ({ next, current, at }) => validateStatus(next, current, at),
  warnings: ({ metadata, spec }, current) =>
    !current && metadata.annotations?.[CLASS_ANNOTATION] !== undefined && spec.ingressClassName === undefined
      ? [`annotation "${CLASS_ANNOTATION}" is deprecated, please use 'spec.ingressClassName' instead`]
      : [],
  columns: [
    nameColumn(),
    column('Class', 'string', ({ spec }) => spec.ingressClassName ?? '<none>'),
    column('Hosts', 'string', ({ spec }) => hostsOf(spec.rules ?? [])),
    column('Address', 'string', ({ status }) =>
      [...new Set((status?.loadBalancer?.ingress ?? []).map(({ ip, hostname }) => ip || hostname || ''))].join(','),
    ),
    column('Ports', 'string', ({ spec }) => (spec.tls?.length ? '80, 443' : '80')),
    ageColumn(),
  ],
});

/** Names of secrets that were bad before may stay so, and what is behind a wildcard host if anything there was bad. */
function validateSpec(
  spec: schema.IngressSpec,
  at: At<schema.IngressSpec>,
  { before }: { before?: schema.IngressSpec },
): FieldError[] {
  const hadBadSecret = (before?.tls ?? []).some(
    ({ secretName }) => secretName && dns1123Subdomain(secretName).length > 0,
  );
  const hadBadWildcard = (before?.rules ?? []).some(
    (rule, index) => rule.host?.includes('*') && validatePaths(rule, at.rules[index]!).length > 0,
  );
  return [
    ...(spec.rules?.length || spec.defaultBackend
      ? []
      : [invalidValue(at, spec.rules ?? null, 'either `defaultBackend` or `rules` must be specified')]),
    ...(spec.defaultBackend ? validateBackend(spec.defaultBackend, at.defaultBackend) : []),
    ...(spec.rules ?? []).flatMap((rule, index) => validateRule(rule, at.rules[index]!, hadBadWildcard)),
    ...(spec.tls ?? []).flatMap(({ hosts = [], secretName }, index) => [
      ...hosts.flatMap((host, i) => validateHost(host, at.tls[index]!.hosts[i]!)),
      ...(secretName && !hadBadSecret ? follows(at.tls[index]!.secretName, secretName, dns1123Subdomain) : []),
    ]),
    ...(spec.ingressClassName === undefined
      ? []
      : follows(at.ingressClassName, spec.ingressClassName, dns1123Subdomain)),
  ];
}

const SHOWN = 3;

function hostsOf(rules: readonly schema.IngressRule[]): string {
  const hosts = rules.flatMap(({ host }) => (host ? [host] : []));
  if (hosts.length === 0) return '*';
  const list = hosts.slice(0, SHOWN).join(',');
  return hosts.length > SHOWN ? `${list} + ${hosts.length - SHOWN} more...` : list;
}

const isAddress = (host: string): boolean => parseIpLoosely(host) !== undefined;
const NOT_AN_ADDRESS = 'must be a DNS name, not an IP address';

const validateHost = (host: string, at: At<string>): FieldError[] =>
  follows(at, host, host.includes('*') ? wildcardDns1123Subdomain : dns1123Subdomain);

function validateRule(
  rule: schema.IngressRule,
  at: At<schema.IngressRule>,
  mayBeBadBehindWildcards: boolean,
): FieldError[] {
  const errors: FieldError[] = [];
  if (rule.host) {
    if (isAddress(rule.host)) errors.push(invalidValue(at.host, rule.host, NOT_AN_ADDRESS));
    errors.push(...validateHost(rule.host, at.host));
  }
  if (mayBeBadBehindWildcards && rule.host?.includes('*')) return errors;
  return [...errors, ...validatePaths(rule, at)];
}

function validatePaths({ http }: schema.IngressRule, at: At<schema.IngressRule>): FieldError[] {
  if (!http) return [];
  const paths = http.paths ?? [];
  if (paths.length === 0) return [requiredValue(at.http.paths)];
  return paths.flatMap((path, i) => validatePath(path, at.http.paths[i]!));
}

const PATH_TYPES = ['Exact', 'ImplementationSpecific', 'Prefix'];
const FORBIDDEN_IN_PATH = ['//', '/./', '/../', '%2f', '%2F'];
const FORBIDDEN_AT_END = ['/..', '/.'];

function validatePath(path: schema.HTTPIngressPath, at: At<schema.HTTPIngressPath>): FieldError[] {
  const { pathType, path: text = '' } = path;
  if (pathType === undefined) return [requiredValue(at.pathType, 'pathType must be specified')];
  const errors = PATH_TYPES.includes(pathType) ? [] : [notSupportedValue(at.pathType, pathType, PATH_TYPES)];
  if (pathType === 'Exact' || pathType === 'Prefix') {
    if (!text.startsWith('/')) errors.push(invalidValue(at.path, text, 'must be an absolute path'));
    for (const part of FORBIDDEN_IN_PATH)
      if (text.includes(part)) errors.push(invalidValue(at.path, text, `must not contain '${part}'`));
    for (const part of FORBIDDEN_AT_END)
      if (text.endsWith(part)) errors.push(invalidValue(at.path, text, `cannot end with '${part}'`));
  } else if (pathType === 'ImplementationSpecific' && text && !text.startsWith('/'))
    errors.push(invalidValue(at.path, text, 'must be an absolute path'));
  return [...errors, ...validateBackend(path.backend, at.backend)];
}

function validateBackend(backend: schema.IngressBackend, at: At<schema.IngressBackend>): FieldError[] {
  const { service, resource } = backend ?? {};
  if (resource && service) return [invalidValue(at, '', 'cannot set both resource and service backends')];
  if (resource) return validateReference(resource, at.resource);
  if (!service) return [invalidValue(at, '', 'resource or service backend is required')];
  const errors = service.name ? follows(at.service.name, service.name, dns1123Label) : [requiredValue(at.service.name)];
  const { name, number } = service.port ?? {};
  if (name && number) return [...errors, invalidValue(at, '', 'cannot set both port name & port number')];
  if (name) return [...errors, ...follows(at.service.port.name, name, portName)];
  if (number)
    return [...errors, ...portNumber(number).map((text) => invalidValue(at.service.port.number, number, text))];
  return [...errors, requiredValue(at, 'port name or number is required')];
}

/** For the parameters of an IngressClass as well. */
export const validateReference = (
  { apiGroup, kind, name }: schema.TypedLocalObjectReference,
  at: At<schema.TypedLocalObjectReference>,
): FieldError[] => [
  ...(apiGroup === undefined ? [] : follows(at.apiGroup, apiGroup, dns1123Subdomain)),
  ...(kind ? follows(at.kind, kind, pathSegment) : [requiredValue(at.kind)]),
  ...(name ? follows(at.name, name, pathSegment) : [requiredValue(at.name)]),
];

/** The way of naming a class before there was a field for it. */
export const CLASS_ANNOTATION = 'kubernetes.io/ingress.class';

/** The name of its IngressClass; undefined: it has none, and nobody serves it. */
export const classOf = ({ spec, metadata }: schema.Ingress): string | undefined =>
  spec.ingressClassName ?? metadata.annotations?.[CLASS_ANNOTATION];

function validateClassAnnotation({ metadata, spec }: schema.Ingress): FieldError[] {
  const value = metadata.annotations?.[CLASS_ANNOTATION];
  if (value === undefined || spec.ingressClassName === undefined || value === spec.ingressClassName) return [];
  const text = 'must match `ingressClassName` when both are specified';
  return [invalidValue(`annotations.${CLASS_ANNOTATION}`, value, text)];
}

function validateStatus(next: schema.Ingress, current: schema.Ingress, at: At<schema.Ingress>): FieldError[] {
  const known = (current.status?.loadBalancer?.ingress ?? []).flatMap(({ ip }) => (ip ? [ip] : []));
  return (next.status?.loadBalancer?.ingress ?? []).flatMap(({ ip, hostname }, i) => {
    const here = at.status.loadBalancer.ingress[i]!;
    return [
      ...(ip ? isLegacyIp(here.ip, ip, known) : []),
      ...(hostname ? follows(here.hostname, hostname, dns1123Subdomain) : []),
      ...(hostname && isAddress(hostname) ? [invalidValue(here.hostname, hostname, NOT_AN_ADDRESS)] : []),
    ];
  });
}
