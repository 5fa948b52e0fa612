/** From a Service to the endpoints that its traffic may use, as the proxy of the node that carries it reckons them. */

import { serviceKeyOf } from '#api/discovery/v1/endpoint-slice.ts';
import type { Service, ServicePort } from '#api/generated/schema.ts';
import { keyOf } from '#api/machinery/object.ts';
import { endpointsOf } from '#network/ingress/backends.ts';
import { familyOf, type IpFamily } from '#network/netfilter/ip-family.ts';
import { protocolOf } from '#network/netfilter/protocol.ts';
import {
  type Endpoint as ProxyEndpoint,
  type ServicePort as ProxyPort,
  servicePortsOf,
} from '#network/proxy/service-port.ts';
import { whyNoEndpoints } from './endpoint-trouble.ts';
import type { Front } from './front.ts';
import { breaks, fewOf, type Hop, passes } from './hop.ts';
import type { Known } from './known.ts';

export interface Target {
  ip: string;
  port: number;
}

export interface Led {
  hops: Hop[];
  service: Service | undefined;
  port: ServicePort | undefined;
  /** Empty: it ends here. */
  targets: readonly Target[];
}

type ServiceFront = Front & { type: 'service' };

/** @param backend `namespace/service:port`, as a route has it. */
export function backendHops(backend: string, known: Known): Led {
  const colon = backend.lastIndexOf(':');
  const [key, portName] = [backend.slice(0, colon), backend.slice(colon + 1)];
  const service = known.lists.services.find((each) => keyOf(each) === key);
  const nothing = { service, port: undefined, targets: [] };
  if (!service) {
    const why = 'there is no such Service';
    const next = `create it, or name another one in the rule${similar(key, known)}`;
    return { ...nothing, hops: [breaks('service', `Service ${key}`, { why, next })] };
  }
  if (service.spec.type === 'ExternalName') {
    const why = 'it is a name for something outside (ExternalName), which the Ingress does not follow';
    return { ...nothing, hops: [breaks('service', `Service ${key}`, { why })] };
  }
  const port = service.spec.ports?.find((each) => each.name === portName || String(each.port) === portName);
  if (!port) return { ...nothing, hops: [noSuchPort(service, portName)] };
  const targets = endpointsOf(service, portName, slicesOf(service, known)).map(({ address: ip, port: to }) => ({
    ip,
    port: to,
  }));
  const hop = passes('service', serviceText(service, port));
  return { hops: [hop, endpointsHop({ service, port, targets, known })], service, port, targets };
}

/** @param carriers nodes one of which translates the address; the first counts. */
export function frontHops(front: ServiceFront, carriers: readonly string[], { isInside, known }: Inside): Led {
  const { service, port, by, address } = front;
  const nothing = { service, port, targets: [] };
  if (!port) return { ...nothing, hops: [noSuchPort(service, undefined)] };
  const says = serviceText(service, port);
  const details = optionTexts(service, front);
  const family = familyOf(by === 'loopback' ? (service.spec.clusterIP ?? '') : address);
  const found = carriers.map((nodeName) => {
    const view = { nodeName, zone: known.zoneOf(nodeName), family };
    const isAsked = (each: ProxyPort) => each.port === port.port && each.protocol === protocolOf(port.protocol);
    return servicePortsOf(service, slicesOf(service, known), view).find(isAsked);
  });
  const ports = found.flatMap((each) => each ?? []);
  if (ports.length === 0 && carriers.length > 0)
    return { ...nothing, hops: [breaks('service', says, notOfFamily(service, family))] };
  const usable = ports.map((each) => endpointsFor(each, front, isInside));
  const best = usable.find((each) => each.length > 0) ?? [];
  const targets = best.map(({ ip, port: to }) => ({ ip, port: to }));
  const all = ports[0]?.endpoints ?? [];
  const hop = passes('service', says, details);
  if (targets.length === 0 && all.length > 0) return { ...nothing, hops: [hop, forbiddenHere(front, carriers, known)] };
  return { hops: [hop, endpointsHop({ service, port, targets, known })], service, port, targets };
}

const notOfFamily = ({ spec }: Service, family: IpFamily): { why: string; next: string } => ({
  why: `the Service is of ${fewOf(spec.ipFamilies ?? ['no family'])} alone, and the address is of ${family === 'ipv4' ? 'IPv4' : 'IPv6'}`,
  next: 'set ipFamilyPolicy: PreferDualStack, or ask at another address',
});

interface Inside {
  /** The client is a pod or a node of the cluster. */
  isInside: boolean;
  known: Known;
}

function endpointsFor(port: ProxyPort, { by }: ServiceFront, isInside: boolean): readonly ProxyEndpoint[] {
  if (by === 'cluster' || by === 'loopback') return port.isInternalLocal ? port.localEndpoints : port.endpoints;
  return port.isExternalLocal && !isInside ? port.localEndpoints : port.endpoints;
}

const slicesOf = (service: Service, { lists }: Known) =>
  lists.slices.filter((slice) => serviceKeyOf(slice) === keyOf(service));

const serviceText = (service: Service, { port, name, targetPort, protocol = 'TCP' }: ServicePort): string =>
  `Service ${keyOf(service)}, port ${port}${name ? ` (${name})` : ''} → targetPort ${targetPort ?? port}${protocol === 'TCP' ? '' : ` ${protocol}`}`;

function noSuchPort(service: Service, asked: string | undefined): Hop {
  const ports = (service.spec.ports ?? []).map(({ port, name }) => `${port}${name ? ` (${name})` : ''}`);
  const why = `it has no port ${asked === undefined ? 'of that number' : asked}; it has ${fewOf(ports, 5) || 'none'}`;
  return breaks('service', `Service ${keyOf(service)}`, {
    why,
    next: 'ask for one of those, or add the port to the Service',
  });
}

function similar(key: string, { lists }: Known): string {
  const [namespace = '', name = ''] = key.split('/');
  const elsewhere = lists.services.find((each) => each.metadata.name === name);
  if (elsewhere)
    return ` (there is one of that name in namespace ${elsewhere.metadata.namespace}; an Ingress leads only to its own)`;
  const here = lists.services
    .filter(({ metadata }) => metadata.namespace === namespace)
    .map(({ metadata }) => metadata.name);
  return here.length > 0 ? ` (in ${namespace} there are ${fewOf(here)})` : '';
}

function optionTexts({ spec }: Service, { by }: ServiceFront): string[] {
  const seconds = spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? 10_800;
  const isOutside = by !== 'cluster' && by !== 'loopback';
  return [
    ...(spec.sessionAffinity === 'ClientIP'
      ? [`a client stays with its endpoint for ${seconds} s (sessionAffinity)`]
      : []),
    ...(isOutside && spec.externalTrafficPolicy === 'Local'
      ? ['externalTrafficPolicy: Local, the client address is kept']
      : []),
    ...(!isOutside && spec.internalTrafficPolicy === 'Local'
      ? ['internalTrafficPolicy: Local, only endpoints of the own node']
      : []),
    ...(by === 'balancer' && spec.loadBalancerSourceRanges?.length
      ? [`only clients from ${fewOf(spec.loadBalancerSourceRanges)}`]
      : []),
  ];
}

/** There are endpoints, and a Local policy keeps all of them from this node. */
function forbiddenHere({ service, by }: ServiceFront, carriers: readonly string[], known: Known): Hop {
  const policy = by === 'cluster' || by === 'loopback' ? 'internalTrafficPolicy' : 'externalTrafficPolicy';
  const nodes = slicesOf(service, known).flatMap(({ endpoints }) =>
    (endpoints ?? []).flatMap(({ nodeName }) => nodeName ?? []),
  );
  const others = [...new Set(nodes)].sort();
  const where = carriers.length === 1 ? `node ${carriers[0]}` : 'none of these nodes';
  return breaks('endpoints', `no endpoint on ${where}`, {
    why: `${policy} is Local, and its endpoints are on ${fewOf(others)}`,
    next: by === 'node' ? `ask ${others[0]} instead, or set ${policy}: Cluster` : `set ${policy}: Cluster`,
  });
}

interface Endpoints {
  service: Service;
  port: ServicePort;
  targets: readonly Target[];
  known: Known;
}

function endpointsHop({ service, port, targets, known }: Endpoints): Hop {
  const slices = slicesOf(service, known);
  // A pod of both families has an endpoint of each.
  const total = new Set(
    slices.flatMap(({ endpoints }) =>
      (endpoints ?? []).flatMap(({ addresses, targetRef }) => targetRef?.uid ?? addresses[0] ?? []),
    ),
  ).size;
  if (targets.length === 0)
    return breaks('endpoints', `no endpoint of ${total} may be used`, whyNoEndpoints(service, port, known));
  const texts = targets.map(({ ip, port: to }) => `${ip.includes(':') ? `[${ip}]` : ip}:${to}`);
  return passes('endpoints', `${targets.length} of ${total} may be used: ${fewOf(texts)}`);
}
