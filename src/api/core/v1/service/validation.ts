/** What a Service may say. Source: API reference, core/v1; "Service". */
import type { Service, ServicePort, ServiceSpec } from '#api/generated/schema.ts';
import type { Change } from '#api/machinery/define-kind.ts';
import {
  duplicateValue,
  type FieldError,
  forbiddenField,
  invalidValue,
  notSupportedValue,
  requiredValue,
} from '#api/machinery/field-error.ts';
import type { At } from '#api/machinery/field-path.ts';
import { familyOf, follows, isOneOf, mustBeOneOf } from '#api/machinery/field-rules.ts';
import { parseCidr } from '#api/machinery/ip.ts';
import { isLegacyIp, parseIpLoosely } from '#api/machinery/ip-rules.ts';
import { dns1123Label, dns1123Subdomain, portName, portNumber, qualifiedName } from '#api/machinery/names.ts';
import { validateLabels } from '#api/machinery/object-meta.ts';
import { needsClusterIp } from './type-change.ts';

const TYPES = ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort'];
const PROTOCOLS = ['SCTP', 'TCP', 'UDP'];
const KUBELET_PORT = 10250;
const MAX_SESSION_SECONDS = 86_400;
const DISTRIBUTIONS = ['PreferClose', 'PreferSameZone', 'PreferSameNode'];

export function validateService({ spec }: Service, { spec: at }: At<Service>): FieldError[] {
  return [
    ...validateByType(spec, at),
    ...validatePorts(spec, at),
    ...validateLabels(spec.selector, at.selector),
    ...validateSessionAffinity(spec, at),
    ...validateClusterIps(spec, at),
    ...(spec.externalIPs ?? []).flatMap((ip, i) => isLegacyIp(at.externalIPs[i]!, ip)),
    ...mustBeOneOf(at.type, spec.type, TYPES),
    ...validatePolicies(spec, at),
    ...validateLoadBalancer(spec, at),
  ];
}

function validateByType(spec: ServiceSpec, at: At<ServiceSpec>): FieldError[] {
  const errors: FieldError[] = [];
  if (!spec.ports?.length && spec.clusterIP !== 'None' && spec.type !== 'ExternalName')
    errors.push(requiredValue(at.ports));
  if (spec.type === 'LoadBalancer') {
    for (const [index, { port }] of (spec.ports ?? []).entries()) {
      const text = `may not expose port ${KUBELET_PORT} externally since it is used by kubelet`;
      if (port === KUBELET_PORT) errors.push(invalidValue(at.ports[index]!, port, text));
    }
    if (spec.clusterIP === 'None')
      errors.push(invalidValue(at.clusterIPs[0]!, 'None', "may not be set to 'None' for LoadBalancer services"));
  }
  if (spec.type === 'NodePort' && spec.clusterIP === 'None')
    errors.push(invalidValue(at.clusterIPs[0]!, 'None', "may not be set to 'None' for NodePort services"));
  if (spec.type === 'ExternalName') {
    const name = (spec.externalName ?? '').replace(/\.$/, '');
    errors.push(...(name ? follows(at.externalName, name, dns1123Subdomain) : [requiredValue(at.externalName)]));
  }
  return errors;
}

function validatePorts(spec: ServiceSpec, at: At<ServiceSpec>): FieldError[] {
  const ports = spec.ports ?? [];
  const errors = ports.flatMap((port, index) => validatePort(port, spec, at.ports[index]!, index));
  const seen = new Set<string>();
  for (const [index, { port, protocol, nodePort = 0 }] of ports.entries()) {
    const isNodePortAllowed = spec.type === 'NodePort' || spec.type === 'LoadBalancer';
    if (nodePort !== 0 && !isNodePortAllowed && spec.type === 'ClusterIP')
      errors.push(forbiddenField(at.ports[index]!.nodePort, "may not be used when `type` is 'ClusterIP'"));
    if (isTwice(seen, `${protocol}/${port}`))
      errors.push(duplicateValue(at.ports[index]!, asInternal({ protocol, port })));
    if (nodePort !== 0 && isTwice(seen, `node ${protocol}/${nodePort}`))
      errors.push(duplicateValue(at.ports[index]!, asInternal({ protocol, nodePort })));
  }
  return errors;
}

function isTwice(seen: Set<string>, key: string): boolean {
  const twice = seen.has(key);
  seen.add(key);
  return twice;
}

/** The message shows upstream's own form of a port: every field, in capitals. */
const asInternal = ({ protocol, port = 0, nodePort = 0 }: Partial<ServicePort>) => ({
  Name: '',
  Protocol: protocol,
  AppProtocol: null,
  Port: port,
  TargetPort: 0,
  NodePort: nodePort,
});

function validatePort(port: ServicePort, spec: ServiceSpec, at: At<ServicePort>, index: number): FieldError[] {
  const ports = spec.ports ?? [];
  const errors: FieldError[] = [];
  if (port.name) {
    errors.push(...follows(at.name, port.name, dns1123Label));
    if (ports.findIndex(({ name }) => name === port.name) < index) errors.push(duplicateValue(at.name, port.name));
  } else if (ports.length > 1) errors.push(requiredValue(at.name));
  errors.push(...portNumber(port.port ?? 0).map((text) => invalidValue(at.port, port.port ?? 0, text)));
  errors.push(...mustBeOneOf(at.protocol, port.protocol, PROTOCOLS));
  errors.push(
    ...(typeof port.targetPort === 'string'
      ? follows(at.targetPort, port.targetPort, portName)
      : portNumber(port.targetPort ?? 0).map((text) => invalidValue(at.targetPort, port.targetPort, text))),
  );
  if (port.appProtocol !== undefined) errors.push(...follows(at.appProtocol, port.appProtocol, qualifiedName));
  return errors;
}

function validateSessionAffinity(spec: ServiceSpec, at: At<ServiceSpec>): FieldError[] {
  const { sessionAffinity, sessionAffinityConfig: config } = spec;
  const errors = mustBeOneOf(at.sessionAffinity, sessionAffinity, ['ClientIP', 'None']);
  const seconds = config?.clientIP?.timeoutSeconds;
  if (sessionAffinity === 'ClientIP' && (seconds === undefined || seconds <= 0 || seconds > MAX_SESSION_SECONDS)) {
    const path = at.sessionAffinityConfig.clientIP.timeoutSeconds;
    errors.push(invalidValue(path, seconds ?? 0, `must be greater than 0 and less than ${MAX_SESSION_SECONDS}`));
  }
  if (sessionAffinity === 'None' && config)
    errors.push(forbiddenField(at.sessionAffinityConfig, 'must not be set when session affinity is None'));
  return errors;
}

function validateClusterIps(spec: ServiceSpec, at: At<ServiceSpec>): FieldError[] {
  const { clusterIP, clusterIPs = [] } = spec;
  if (!needsClusterIp(spec)) {
    const text = 'may not be set for ExternalName services';
    return [
      ...(clusterIP || clusterIPs.length > 0 ? [forbiddenField(at.clusterIPs, text)] : []),
      ...(spec.ipFamilies?.length ? [forbiddenField(at.ipFamilies, text)] : []),
      ...(spec.ipFamilyPolicy ? [forbiddenField(at.ipFamilyPolicy, text)] : []),
    ];
  }
  const errors: FieldError[] = [];
  if (clusterIP && clusterIPs.length > 0 && clusterIPs[0] !== clusterIP)
    errors.push(invalidValue(at.clusterIPs, clusterIPs, 'first value must match `clusterIP`'));
  if (clusterIPs.length > 2) errors.push(invalidValue(at.clusterIPs, clusterIPs, 'may only hold up to 2 values'));
  for (const [index, ip] of clusterIPs.entries()) {
    if (ip === 'None' && index === 0) {
      if (clusterIPs.length > 1)
        errors.push(invalidValue(at.clusterIPs, clusterIPs, "'None' must be the first and only value"));
    } else errors.push(...isLegacyIp(at.clusterIPs[index]!, ip));
  }
  const families = clusterIPs.map(familyOf);
  if (families.length === 2 && families[0] !== undefined && families[0] === families[1])
    errors.push(invalidValue(at.clusterIPs, clusterIPs, 'may specify no more than one IP for each IP family'));
  return [...errors, ...validateFamilies(spec, at)];
}

function validateFamilies({ ipFamilies = [], ipFamilyPolicy }: ServiceSpec, at: At<ServiceSpec>): FieldError[] {
  const errors: FieldError[] = [];
  const policies = ['PreferDualStack', 'RequireDualStack', 'SingleStack'];
  if (ipFamilyPolicy !== undefined && !policies.includes(ipFamilyPolicy))
    errors.push(notSupportedValue(at.ipFamilyPolicy, ipFamilyPolicy, policies));
  for (const [index, family] of ipFamilies.entries()) {
    if (family !== 'IPv4' && family !== 'IPv6')
      errors.push(notSupportedValue(at.ipFamilies[index]!, family, ['IPv4', 'IPv6']));
    else if (ipFamilies.indexOf(family) < index) errors.push(duplicateValue(at.ipFamilies[index]!, family));
  }
  return errors;
}

function validatePolicies(spec: ServiceSpec, at: At<ServiceSpec>): FieldError[] {
  const errors: FieldError[] = [];
  const external =
    spec.type === 'NodePort' ||
    spec.type === 'LoadBalancer' ||
    (spec.type === 'ClusterIP' && (spec.externalIPs?.length ?? 0) > 0);
  const policies = ['Cluster', 'Local'];
  if (!external && spec.externalTrafficPolicy)
    errors.push(
      invalidValue(
        at.externalTrafficPolicy,
        spec.externalTrafficPolicy,
        'may only be set for externally-accessible services',
      ),
    );
  else if (external && spec.type !== 'ClusterIP' && !spec.externalTrafficPolicy)
    errors.push(requiredValue(at.externalTrafficPolicy));
  else if (spec.externalTrafficPolicy && !policies.includes(spec.externalTrafficPolicy))
    errors.push(notSupportedValue(at.externalTrafficPolicy, spec.externalTrafficPolicy, policies));
  if (spec.type !== 'ExternalName')
    errors.push(
      ...(spec.internalTrafficPolicy === undefined
        ? [requiredValue(at.internalTrafficPolicy)]
        : isOneOf(at.internalTrafficPolicy, spec.internalTrafficPolicy, policies)),
    );
  if (spec.healthCheckNodePort) {
    const local = spec.type === 'LoadBalancer' && spec.externalTrafficPolicy === 'Local';
    const text = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'";
    if (!local) errors.push(invalidValue(at.healthCheckNodePort, spec.healthCheckNodePort, text));
  }
  if (spec.trafficDistribution !== undefined && !DISTRIBUTIONS.includes(spec.trafficDistribution))
    errors.push(notSupportedValue(at.trafficDistribution, spec.trafficDistribution, DISTRIBUTIONS));
  return errors;
}

function validateLoadBalancer(spec: ServiceSpec, at: At<ServiceSpec>): FieldError[] {
  const only = "may only be used when `type` is 'LoadBalancer'";
  // Upstream's name for it.
  const { LoadBalancerSourceRanges: rangesAt } = at as unknown as At<{ LoadBalancerSourceRanges: string[] }>;
  if (spec.type === 'LoadBalancer') {
    const ranges = (spec.loadBalancerSourceRanges ?? []).flatMap((range, index) =>
      parseCidr(range.trim())
        ? []
        : [invalidValue(rangesAt[index]!, range, 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)')],
    );
    const className = spec.loadBalancerClass;
    return [...ranges, ...(className === undefined ? [] : follows(at.loadBalancerClass, className, qualifiedName))];
  }
  return [
    ...(spec.loadBalancerSourceRanges?.length ? [forbiddenField(rangesAt, only)] : []),
    ...(spec.allocateLoadBalancerNodePorts === undefined
      ? []
      : [forbiddenField(at.allocateLoadBalancerNodePorts, only)]),
    ...(spec.loadBalancerClass === undefined ? [] : [forbiddenField(at.loadBalancerClass, only)]),
  ];
}

/** Where the Service is reached from outside. What addresses it had may stay. */
export function validateServiceStatus({ next, current, at }: Change<Service>): FieldError[] {
  const ingress = next.status?.loadBalancer?.ingress ?? [];
  const here = at.status.loadBalancer.ingress;
  if (ingress.length > 0 && next.spec.type !== 'LoadBalancer')
    return [forbiddenField(here, "may only be used when `spec.type` is 'LoadBalancer'")];
  const known = (current.status?.loadBalancer?.ingress ?? []).flatMap(({ ip }) => ip ?? []);
  return ingress.flatMap(({ ip, ipMode, hostname }, i) => [
    ...(ip ? isLegacyIp(here[i]!.ip, ip, known) : []),
    ...validateIpMode(ip, ipMode, here[i]!.ipMode),
    ...(hostname ? follows(here[i]!.hostname, hostname, dns1123Subdomain) : []),
    ...(hostname && parseIpLoosely(hostname)
      ? [invalidValue(here[i]!.hostname, hostname, 'must be a DNS name, not an IP address')]
      : []),
  ]);
}

function validateIpMode(ip: string | undefined, mode: string | undefined, at: At<string>): FieldError[] {
  if (mode === undefined) return ip ? [requiredValue(at, 'must be specified when `ip` is set')] : [];
  return ip ? isOneOf(at, mode, ['Proxy', 'VIP']) : [forbiddenField(at, 'may not be specified when `ip` is not set')];
}

/** Once given, the first address and its family stay. */
export function validateServiceUpdate({ next, current, at: { spec: at } }: Change<Service>): FieldError[] {
  const [now, before] = [next.spec, current.spec];
  const errors: FieldError[] = [];
  if (needsHealthCheck(now) && needsHealthCheck(before) && now.healthCheckNodePort !== before.healthCheckNodePort)
    errors.push(forbiddenField(at.healthCheckNodePort, 'field is immutable'));
  if (!needsClusterIp(now) || !needsClusterIp(before)) return errors;
  const [wanted, given] = [now.clusterIPs ?? [], before.clusterIPs ?? []];
  if (given[0] && wanted[0] !== given[0])
    errors.push(invalidValue(at.clusterIPs[0]!, wanted, 'may not change once set'));
  const [families, familiesBefore] = [now.ipFamilies ?? [], before.ipFamilies ?? []];
  if (familiesBefore[0] && families[0] !== familiesBefore[0])
    errors.push(invalidValue(at.ipFamilies[0]!, families, 'may not change once set'));
  if (
    before.type === 'LoadBalancer' &&
    now.type === 'LoadBalancer' &&
    now.loadBalancerClass !== before.loadBalancerClass
  )
    errors.push(invalidValue(at.loadBalancerClass, now.loadBalancerClass, 'may not change once set'));
  return errors;
}

const needsHealthCheck = ({ type, externalTrafficPolicy }: ServiceSpec): boolean =>
  type === 'LoadBalancer' && externalTrafficPolicy === 'Local';
