/** What a Service may say. Source: API reference, core/v1; "Service". */
import type { Service, ServicePort, ServiceSpec } from '#api/generated/schema.ts';
import type { Change } from '#api/machinery/define-kind.ts';
import {
  duplicateValue,
  type FieldError,
  forbiddenField,
  invalidValue,
  requiredValue,
} from '#api/machinery/field-error.ts';
import { type At, keyed } from '#api/machinery/field-path.ts';
import { follows, isOneOf, mustBeOneOf } from '#api/machinery/field-rules.ts';
import { isEndpointIp, isLegacyCidr, isLegacyIp, parseIpLoosely } from '#api/machinery/ip-rules.ts';
import { dns1123Label, dns1123Subdomain, portName, portNumber, qualifiedName } from '#api/machinery/names.ts';
import { validateLabels } from '#api/machinery/object-meta.ts';
import { repeatedIn } from '#api/machinery/repeated.ts';
import { validateFamilies, validateFamilyChange } from './families.ts';
import { isExternal, isHeadless, needsHealthCheckPort } from './type-change.ts';

const TYPES = ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort'];
const PROTOCOLS = ['SCTP', 'TCP', 'UDP'];
const MAX_SESSION_SECONDS = 86_400;
const DISTRIBUTIONS = ['PreferClose', 'PreferSameZone', 'PreferSameNode'];
const TRAFFIC_POLICIES = ['Cluster', 'Local'];
const OLD_HINTS = 'service.kubernetes.io/topology-aware-hints';
const TOPOLOGY_MODE = 'service.kubernetes.io/topology-mode';
const SOURCE_RANGES = 'service.beta.kubernetes.io/load-balancer-source-ranges';
const ONLY_LOAD_BALANCER = "may only be used when `type` is 'LoadBalancer'";

/** `current`: what it was before; addresses and ranges that it holds may stay as they are. */
export function validateService(service: Service, at: At<Service>, current?: Service): FieldError[] {
  const { spec } = service;
  return [
    ...validateAnnotations(service, at),
    ...validateByType(spec, at.spec),
    ...validatePorts(spec.ports ?? [], at.spec.ports),
    ...validateLabels(spec.selector, at.spec.selector),
    ...validateSessionAffinity(spec, at.spec),
    ...validateFamilies(service, at, current),
    ...validateExternalIps(spec, at.spec, current?.spec.externalIPs),
    ...mustBeOneOf(at.spec.type, spec.type, TYPES),
    ...validateUniquePorts(spec, at.spec),
    ...validateSourceRanges(service, at, current),
    ...validateNodePortAllocation(spec, at.spec),
    ...validateLoadBalancerClass(spec, at.spec),
    ...validateExternalTraffic(spec, at.spec),
    ...validateInternalTraffic(spec, at.spec),
    ...isOneOf(at.spec.trafficDistribution, spec.trafficDistribution, DISTRIBUTIONS),
  ];
}

function validateAnnotations({ metadata: { annotations = {} } }: Service, at: At<Service>): FieldError[] {
  const [hints, mode] = [annotations[OLD_HINTS], annotations[TOPOLOGY_MODE]];
  if (mode === undefined || hints === undefined || mode === hints) return [];
  const text = `must match annotations[${OLD_HINTS}] when both are specified`;
  return [invalidValue(keyed(at.metadata.annotations as At<Record<string, string>>, TOPOLOGY_MODE), mode, text)];
}

function validateByType(spec: ServiceSpec, at: At<ServiceSpec>): FieldError[] {
  const errors: FieldError[] = [];
  if (!spec.ports?.length && !isHeadless(spec) && spec.type !== 'ExternalName') errors.push(requiredValue(at.ports));
  if ((spec.type === 'LoadBalancer' || spec.type === 'NodePort') && isHeadless(spec))
    errors.push(invalidValue(at.clusterIPs[0]!, 'None', `may not be set to 'None' for ${spec.type} services`));
  if (spec.type !== 'ExternalName') return errors;
  const text = 'may not be set for ExternalName services';
  const name = (spec.externalName ?? '').replace(/\.$/, '');
  return [
    ...errors,
    ...(spec.clusterIPs?.length ? [forbiddenField(at.clusterIPs, text)] : []),
    ...(spec.ipFamilies?.length ? [forbiddenField(at.ipFamilies, text)] : []),
    ...(spec.ipFamilyPolicy === undefined ? [] : [forbiddenField(at.ipFamilyPolicy, text)]),
    ...(name ? follows(at.externalName, name, dns1123Subdomain) : [requiredValue(at.externalName)]),
  ];
}

function validateUniquePorts({ type, ports = [] }: ServiceSpec, at: At<ServiceSpec>): FieldError[] {
  const seen = new Set<string>();
  const isTwice = (key: string) => seen.has(key) || !seen.add(key);
  return [
    ...ports.flatMap(({ nodePort }, i) =>
      nodePort && type === 'ClusterIP'
        ? [forbiddenField(at.ports[i]!.nodePort, "may not be used when `type` is 'ClusterIP'")]
        : [],
    ),
    ...ports.flatMap(({ protocol, nodePort }, i) =>
      nodePort && isTwice(`node ${protocol}/${nodePort}`) ? [duplicateValue(at.ports[i]!.nodePort, nodePort)] : [],
    ),
    ...ports.flatMap(({ protocol, port = 0 }, i) =>
      isTwice(`${protocol}/${port}`) ? [duplicateValue(at.ports[i]!, asInternal({ protocol, port }))] : [],
    ),
  ];
}

/** The message shows upstream's own form of a port: every field, in capitals. */
const asInternal = ({ protocol, port }: Pick<ServicePort, 'protocol' | 'port'>) => ({
  Name: '',
  Protocol: protocol,
  AppProtocol: null,
  Port: port,
  TargetPort: 0,
  NodePort: 0,
});

function validatePorts(ports: readonly ServicePort[], at: At<ServicePort[]>): FieldError[] {
  const repeated = repeatedIn(ports.map(({ name }) => name));
  return ports.flatMap((port, index) => [
    ...(port.name
      ? [
          ...follows(at[index]!.name, port.name, dns1123Label),
          ...(repeated.has(index) ? [duplicateValue(at[index]!.name, port.name)] : []),
        ]
      : ports.length > 1
        ? [requiredValue(at[index]!.name)]
        : []),
    ...validatePort(port, at[index]!),
  ]);
}

function validatePort(port: ServicePort, at: At<ServicePort>): FieldError[] {
  const errors: FieldError[] = [];
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
  const { sessionAffinityConfig: here } = at;
  if (sessionAffinity === 'None' && config)
    return [...errors, forbiddenField(here, 'must not be set when session affinity is None')];
  if (sessionAffinity !== 'ClientIP') return errors;
  const needed = 'when session affinity type is ClientIP';
  const seconds = config?.clientIP?.timeoutSeconds;
  if (!config) return [...errors, requiredValue(here, needed)];
  if (!config.clientIP) return [...errors, requiredValue(here.clientIP, needed)];
  if (seconds === undefined) return [...errors, requiredValue(here.clientIP.timeoutSeconds, needed)];
  if (seconds > 0 && seconds <= MAX_SESSION_SECONDS) return errors;
  const text = `must be greater than 0 and less than ${MAX_SESSION_SECONDS}`;
  return [...errors, invalidValue(here.clientIP.timeoutSeconds, seconds, text)];
}

function validateExternalIps(spec: ServiceSpec, at: At<ServiceSpec>, known: readonly string[] = []): FieldError[] {
  return (spec.externalIPs ?? []).flatMap((ip, i) => {
    const errors = isLegacyIp(at.externalIPs[i]!, ip, known);
    return errors.length > 0 ? errors : isEndpointIp(at.externalIPs[i]!, ip);
  });
}

function validateSourceRanges({ metadata, spec }: Service, at: At<Service>, current?: Service): FieldError[] {
  const wrongType = (path: At<unknown>) =>
    spec.type === 'LoadBalancer' ? [] : [forbiddenField(path, ONLY_LOAD_BALANCER)];
  if (spec.loadBalancerSourceRanges?.length) {
    // Upstream's name for it.
    const { LoadBalancerSourceRanges: here } = at.spec as unknown as At<{ LoadBalancerSourceRanges: string[] }>;
    const known = (current?.spec.loadBalancerSourceRanges ?? []).map((range) => range.trim());
    return [
      ...wrongType(here),
      ...spec.loadBalancerSourceRanges.flatMap((range, i) => isLegacyCidr(here[i]!, range.trim(), known)),
    ];
  }
  const annotation = metadata.annotations?.[SOURCE_RANGES];
  if (annotation === undefined) return [];
  const here = keyed(at.metadata.annotations as At<Record<string, string>>, SOURCE_RANGES);
  const isKnown = current?.metadata.annotations?.[SOURCE_RANGES] === annotation;
  const ranges = isKnown || annotation.trim() === '' ? [] : annotation.split(',');
  return [...wrongType(here), ...ranges.flatMap((range) => isLegacyCidr(here, range.trim()))];
}

function validateNodePortAllocation(spec: ServiceSpec, at: At<ServiceSpec>): FieldError[] {
  const isSet = spec.allocateLoadBalancerNodePorts !== undefined;
  if (spec.type !== 'LoadBalancer')
    return isSet ? [forbiddenField(at.allocateLoadBalancerNodePorts, ONLY_LOAD_BALANCER)] : [];
  return isSet ? [] : [requiredValue('allocateLoadBalancerNodePorts')];
}

function validateLoadBalancerClass({ type, loadBalancerClass }: ServiceSpec, at: At<ServiceSpec>): FieldError[] {
  if (loadBalancerClass === undefined) return [];
  if (type !== 'LoadBalancer') return [forbiddenField(at.loadBalancerClass, ONLY_LOAD_BALANCER)];
  return follows(at.loadBalancerClass, loadBalancerClass, qualifiedName);
}

function validateExternalTraffic(spec: ServiceSpec, at: At<ServiceSpec>): FieldError[] {
  const policy = spec.externalTrafficPolicy ?? '';
  const healthPort = spec.healthCheckNodePort ?? 0;
  const onlyExternal = 'may only be set for externally-accessible services';
  const onlyLocal = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'";
  const { externalTrafficPolicy: policyAt, healthCheckNodePort: portAt } = at;
  return [
    ...(isExternal(spec)
      ? mustBeOneOf(policyAt, policy, TRAFFIC_POLICIES)
      : policy
        ? [invalidValue(policyAt, policy, onlyExternal)]
        : []),
    ...(needsHealthCheckPort(spec)
      ? healthPort === 0
        ? [requiredValue(portAt)]
        : portNumber(healthPort).map((text) => invalidValue(portAt, healthPort, text))
      : healthPort === 0
        ? []
        : [invalidValue(portAt, healthPort, onlyLocal)]),
  ];
}

function validateInternalTraffic({ type, internalTrafficPolicy }: ServiceSpec, at: At<ServiceSpec>): FieldError[] {
  if (internalTrafficPolicy === undefined)
    return type === 'NodePort' || type === 'LoadBalancer' || type === 'ClusterIP'
      ? [requiredValue(at.internalTrafficPolicy)]
      : [];
  return isOneOf(at.internalTrafficPolicy, internalTrafficPolicy, TRAFFIC_POLICIES);
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

/** Once given, the first address and its family stay; the second may come and go. */
export function validateServiceUpdate({ next, current, at }: Change<Service>): FieldError[] {
  const [now, before] = [next.spec, current.spec];
  const { loadBalancerClass: classAt, healthCheckNodePort: portAt } = at.spec;
  const bothBalanced = now.type === 'LoadBalancer' && before.type === 'LoadBalancer';
  return [
    ...validateFamilyChange(now, before, at.spec),
    ...(bothBalanced && now.loadBalancerClass !== before.loadBalancerClass
      ? [invalidValue(classAt, now.loadBalancerClass ?? null, 'may not change once set')]
      : []),
    ...validateLoadBalancerClass(now, at.spec),
    ...(needsHealthCheckPort(now) &&
    needsHealthCheckPort(before) &&
    now.healthCheckNodePort !== before.healthCheckNodePort
      ? [forbiddenField(portAt, 'field is immutable')]
      : []),
    ...validateService(next, at, current),
  ];
}
