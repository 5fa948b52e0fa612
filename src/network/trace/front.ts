/** Who answers at an address and port: an Ingress, a Service, a port of a node, a pod, or nobody of this cluster's. */
import type { Node, Pod, Service, ServicePort } from '#api/generated/schema.ts';
import { gatewayAddresses } from './gateway-port.ts';
import type { Known } from './known.ts';
import { addressesOf } from './objects.ts';

export type Front =
  | { type: 'ingress'; address: string; isLoopback: boolean }
  | {
      type: 'service';
      service: Service;
      /** undefined: the Service does not have the port. */
      port: ServicePort | undefined;
      /** How it was reached. */
      by: 'cluster' | 'balancer' | 'external' | 'node' | 'loopback';
      address: string;
      /** By a port of this node. */
      node?: string;
    }
  | { type: 'pod'; pod: Pod; port: number; by: 'address' | 'hostPort' }
  | { type: 'node'; node: Node }
  | { type: 'unpublished'; port: number }
  | { type: 'elsewhere' };

export function frontAt(address: string, port: number, known: Known): Front {
  const { services, ingresses, nodes } = known.lists;
  if (address.startsWith('127.') || address === '::1') return loopbackFront(port, known);
  const isIngress = ingresses.some(({ status }) => status?.loadBalancer?.ingress?.some(({ ip }) => ip === address));
  if (isIngress || gatewayAddresses(known).includes(address)) return { type: 'ingress', address, isLoopback: false };
  for (const service of services) {
    const by = howReached(service, address);
    if (by) return { type: 'service', service, port: portAt(service, port), by, address };
  }
  const node = nodes.find(({ status }) => status?.addresses?.some((one) => one.address === address));
  if (node) return nodeFront(node, port, { address, known });
  const pod = known.podsIn('').find((each) => !each.spec.hostNetwork && addressesOf(each).includes(address));
  return pod ? { type: 'pod', pod, port, by: 'address' } : { type: 'elsewhere' };
}

function loopbackFront(port: number, { lists }: Known): Front {
  const found = lists.loopback.find((each) => each.port === port);
  if (!found) return { type: 'unpublished', port };
  if (found.to.startsWith('ingress ')) return { type: 'ingress', address: '127.0.0.1', isLoopback: true };
  const [, namespace = '', name = '', to = ''] = /^([^/]*)\/([^:]*):(.*)$/.exec(found.to) ?? [];
  const service = lists.services.find(({ metadata }) => metadata.namespace === namespace && metadata.name === name);
  if (!service) return { type: 'unpublished', port };
  const wanted = service.spec.ports?.find((each) => each.name === to || String(each.port) === to);
  return { type: 'service', service, port: wanted, by: 'loopback', address: '127.0.0.1' };
}

function howReached({ spec, status }: Service, address: string): 'cluster' | 'balancer' | 'external' | undefined {
  if (spec.type === 'ExternalName') return undefined;
  if ((spec.clusterIPs ?? [spec.clusterIP]).includes(address)) return 'cluster';
  if (status?.loadBalancer?.ingress?.some(({ ip }) => ip === address)) return 'balancer';
  return spec.externalIPs?.includes(address) ? 'external' : undefined;
}

const portAt = ({ spec }: Service, port: number): ServicePort | undefined =>
  spec.ports?.find((each) => each.port === port && (each.protocol ?? 'TCP') === 'TCP');

function nodeFront(node: Node, port: number, { address, known }: { address: string; known: Known }): Front {
  const name = node.metadata.name;
  for (const service of known.lists.services) {
    const found = service.spec.ports?.find(({ nodePort, protocol = 'TCP' }) => nodePort === port && protocol === 'TCP');
    if (found) return { type: 'service', service, port: found, by: 'node', address, node: name };
  }
  for (const pod of known.podsIn('').filter(({ spec }) => spec.nodeName === name)) {
    const declared = pod.spec.containers.flatMap(({ ports = [] }) => ports);
    const found = declared.find(({ hostPort }) => hostPort === port);
    if (found) return { type: 'pod', pod, port: found.containerPort, by: 'hostPort' };
    if (pod.spec.hostNetwork && declared.some(({ containerPort }) => containerPort === port))
      return { type: 'pod', pod, port, by: 'address' };
  }
  return { type: 'node', node };
}
