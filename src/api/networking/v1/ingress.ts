/** Ingress: which HTTP requests from outside go to which Service. Source: API reference, networking.k8s.io/v1. */
import type * as schema from '#api/generated/schema.ts';
import { ageColumn, column, defineKind, nameColumn } from '#api/machinery/define-kind.ts';
import { type FieldError, invalidValue, requiredValue } from '#api/machinery/field-error.ts';
import type { At } from '#api/machinery/field-path.ts';
import { follows, mustBeOneOf } from '#api/machinery/field-rules.ts';
import { parseIp } from '#api/machinery/ip.ts';
import {
  dns1123Label,
  dns1123Subdomain,
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
  validate: ({ spec }, { spec: at }) => [
    ...(spec.rules?.length || spec.defaultBackend
      ? []
      : [invalidValue(at, spec.rules ?? [], 'either `defaultBackend` or `rules` must be specified')]),
    ...(spec.defaultBackend ? validateBackend(spec.defaultBackend, at.defaultBackend) : []),
    ...(spec.rules ?? []).flatMap((rule, index) => validateRule(rule, at.rules[index]!)),
    ...(spec.tls ?? []).flatMap(({ hosts = [] }, index) =>
      hosts.flatMap((host, i) => validateHost(host, at.tls[index]!.hosts[i]!)),
    ),
    ...(spec.ingressClassName === undefined
      ? []
      : follows(at.ingressClassName, spec.ingressClassName, dns1123Subdomain)),
  ],
  columns: [
    nameColumn(),
    column('Class', 'string', ({ spec }) => spec.ingressClassName ?? '<none>'),
    column('Hosts', 'string', ({ spec }) => hostsOf(spec.rules ?? [])),
    column('Address', 'string', ({ status }) =>
      (status?.loadBalancer?.ingress ?? []).map(({ ip, hostname }) => ip || hostname || '').join(','),
    ),
    column('Ports', 'string', ({ spec }) => (spec.tls?.length ? '80, 443' : '80')),
    ageColumn(),
  ],
});

const SHOWN = 3;

function hostsOf(rules: readonly schema.IngressRule[]): string {
  const hosts = rules.flatMap(({ host }) => (host ? [host] : []));
  if (hosts.length === 0) return '*';
  const list = hosts.slice(0, SHOWN).join(',');
  return hosts.length > SHOWN ? `${list} + ${hosts.length - SHOWN} more...` : list;
}

function validateHost(host: string, at: At<string>): FieldError[] {
  if (parseIp(host)) return [invalidValue(at, host, 'must be a DNS name, not an IP address')];
  return follows(at, host, host.includes('*') ? wildcardDns1123Subdomain : dns1123Subdomain);
}

function validateRule(rule: schema.IngressRule, at: At<schema.IngressRule>): FieldError[] {
  const errors = rule.host ? validateHost(rule.host, at.host) : [];
  if (!rule.http) return errors;
  const paths = rule.http.paths ?? [];
  if (paths.length === 0) return [...errors, requiredValue(at.http.paths)];
  return [...errors, ...paths.flatMap((path, i) => validatePath(path, at.http.paths[i]!))];
}

const FORBIDDEN_IN_PATH = ['//', '/./', '/../', '%2f', '%2F'];
const FORBIDDEN_AT_END = ['/..', '/.'];

function validatePath(path: schema.HTTPIngressPath, at: At<schema.HTTPIngressPath>): FieldError[] {
  const { pathType, path: text = '' } = path;
  const errors: FieldError[] = pathType ? [] : [requiredValue(at.pathType, 'pathType must be specified')];
  if (pathType) errors.push(...mustBeOneOf(at.pathType, pathType, ['Exact', 'ImplementationSpecific', 'Prefix']));
  if (pathType === 'Exact' || pathType === 'Prefix') {
    if (!text.startsWith('/')) errors.push(invalidValue(at.path, text, 'must be an absolute path'));
    for (const part of FORBIDDEN_IN_PATH)
      if (text.includes(part)) errors.push(invalidValue(at.path, text, `must not contain '${part}'`));
    for (const part of FORBIDDEN_AT_END)
      if (text.endsWith(part)) errors.push(invalidValue(at.path, text, `cannot end with '${part}'`));
  } else if (text && !text.startsWith('/')) errors.push(invalidValue(at.path, text, 'must be an absolute path'));
  return [...errors, ...validateBackend(path.backend, at.backend)];
}

function validateBackend(backend: schema.IngressBackend, at: At<schema.IngressBackend>): FieldError[] {
  const { service, resource } = backend ?? {};
  if (resource && service) return [invalidValue(at, '', 'cannot set both resource and service backends')];
  if (resource) return resource.kind && resource.name ? [] : [requiredValue(at.resource.name)];
  if (!service) return [requiredValue(at, 'service or resource backend is required')];
  const errors = service.name ? follows(at.service.name, service.name, dns1123Label) : [requiredValue(at.service.name)];
  const { name, number } = service.port ?? {};
  if (name && number)
    return [...errors, invalidValue(at.service.port, service.port, 'cannot set both port name & port number')];
  if (name) return [...errors, ...follows(at.service.port.name, name, portName)];
  if (number)
    return [...errors, ...portNumber(number).map((text) => invalidValue(at.service.port.number, number, text))];
  return [...errors, requiredValue(at.service.port, 'port name or number is required')];
}
