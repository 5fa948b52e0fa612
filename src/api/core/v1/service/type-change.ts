/** What an update of a Service keeps or drops by itself, so that a manifest need not repeat what the server gave out. */
import type { Service, ServicePort, ServiceSpec } from '#api/generated/schema.ts';

export const needsClusterIp = ({ type }: Pick<ServiceSpec, 'type'>): boolean => type !== 'ExternalName';
export const needsNodePort = (spec: Pick<ServiceSpec, 'type' | 'allocateLoadBalancerNodePorts'>): boolean =>
  spec.type === 'NodePort' || (spec.type === 'LoadBalancer' && spec.allocateLoadBalancerNodePorts !== false);
export const isHeadless = ({ clusterIPs }: Pick<ServiceSpec, 'clusterIPs'>): boolean =>
  clusterIPs?.length === 1 && clusterIPs[0] === 'None';
/** The node answers health checks of a load balancer that asks for local endpoints only. */
export const needsHealthCheckPort = ({ type, externalTrafficPolicy }: ServiceSpec): boolean =>
  type === 'LoadBalancer' && externalTrafficPolicy === 'Local';

/** Addresses and ports that were given out and that the update leaves open stay what they were. */
export function withAllocatedValues(next: Service, current: Service): Service {
  let spec = next.spec;
  if (needsClusterIp(spec) && needsClusterIp(current.spec)) {
    const { clusterIP, clusterIPs, ipFamilies, ipFamilyPolicy } = current.spec;
    if (!spec.clusterIP && !spec.clusterIPs?.length)
      spec = { ...spec, ...(clusterIP && { clusterIP }), ...(clusterIPs && { clusterIPs }) };
    else if (!spec.clusterIPs?.length && spec.clusterIP === clusterIP && clusterIPs) spec = { ...spec, clusterIPs };
    else if (!spec.clusterIPs?.length && spec.clusterIP) spec = { ...spec, clusterIPs: [spec.clusterIP] };
    else if (!spec.clusterIP && spec.clusterIPs?.[0]) spec = { ...spec, clusterIP: spec.clusterIPs[0] };
    if (!spec.ipFamilies?.length && ipFamilies) spec = { ...spec, ipFamilies };
    if (!spec.ipFamilyPolicy && ipFamilyPolicy) spec = { ...spec, ipFamilyPolicy };
  }
  if (needsNodePort(spec) && needsNodePort(current.spec)) spec = { ...spec, ports: withNodePorts(spec, current.spec) };
  if (needsHealthCheckPort(spec) && needsHealthCheckPort(current.spec) && !spec.healthCheckNodePort) {
    const { healthCheckNodePort } = current.spec;
    if (healthCheckNodePort) spec = { ...spec, healthCheckNodePort };
  }
  return spec === next.spec ? next : { ...next, spec };
}

function withNodePorts(next: ServiceSpec, current: ServiceSpec): ServicePort[] {
  const taken = new Set((next.ports ?? []).map(({ nodePort }) => nodePort));
  return (next.ports ?? []).map((port) => {
    if (port.nodePort) return port;
    const before = current.ports?.findLast(({ name = '' }) => name === (port.name ?? ''))?.nodePort;
    return before && !taken.has(before) ? { ...port, nodePort: before } : port;
  });
}

/** Fields that the new type has no use for go, when the update did not touch them: a change of type needs no other edit. */
export function withoutFieldsOfOtherType(next: Service, current: Service): Service {
  const [now, before] = [next.spec, current.spec];
  const spec: ServiceSpec = { ...now };
  const same = (field: keyof ServiceSpec) => JSON.stringify(now[field]) === JSON.stringify(before[field]);
  const drop = (...fields: (keyof ServiceSpec)[]) => {
    if (fields.every(same)) for (const field of fields) delete spec[field];
  };

  if (!needsClusterIp(now) && needsClusterIp(before)) {
    drop('clusterIP', 'clusterIPs');
    drop('ipFamilies');
    drop('ipFamilyPolicy');
  }
  if (!mayHaveNodePorts(now) && mayHaveNodePorts(before) && addsNoNodePort(now, before) && spec.ports)
    spec.ports = spec.ports.map(({ nodePort: _, ...port }) => port);
  if (!needsHealthCheckPort(now) && needsHealthCheckPort(before)) drop('healthCheckNodePort');
  if (now.type !== 'LoadBalancer' && before.type === 'LoadBalancer') {
    drop('allocateLoadBalancerNodePorts');
    drop('loadBalancerClass');
  }
  if (!isExternal(now) && isExternal(before)) drop('externalTrafficPolicy');
  const status = now.type === 'LoadBalancer' ? next.status : { ...next.status, loadBalancer: {} };
  return { ...next, spec, ...(status && { status }) };
}

export const isExternal = ({ type, externalIPs }: ServiceSpec) =>
  type === 'NodePort' || type === 'LoadBalancer' || (type === 'ClusterIP' && (externalIPs?.length ?? 0) > 0);

export const mayHaveNodePorts = ({ type }: Pick<ServiceSpec, 'type'>): boolean =>
  type === 'NodePort' || type === 'LoadBalancer';

const addsNoNodePort = (now: ServiceSpec, before: ServiceSpec): boolean => {
  const known = new Set((before.ports ?? []).map(({ nodePort }) => nodePort));
  return (now.ports ?? []).every(({ nodePort }) => !nodePort || known.has(nodePort));
};
