/**
 * A Service as elements of nftables maps. Chains exist per *number* of endpoints and never change; everything that is
 * particular to a Service is map elements, so a change costs the same with ten Services or ten thousand.
 */
import { type Affinity, affinityOf } from './affinity.ts';
import { type ChainFamily, endpointMap } from './chain-family.ts';
import type { Endpoint, ServicePort } from './service-port.ts';

/** One element of one nftables map or set. */
export interface Element {
  map: string;
  key: string;
  /** Empty for a set. */
  value: string;
}

/** What one Service needs besides the base ruleset. */
export interface Rendered {
  elements: Element[];
  /** The numbers of endpoints for which chains must exist, by family. */
  chains: { family: ChainFamily; count: number }[];
  affinities: Affinity[];
  /** Endpoints on this node: a pod that reaches itself through a Service must not see its own address as the source. */
  hairpins: string[];
}

export function render(servicePorts: readonly ServicePort[]): Rendered {
  const rendered: Rendered = { elements: [], chains: [], affinities: [], hairpins: [] };
  for (const servicePort of servicePorts) {
    for (const front of frontsOf(servicePort)) renderFront(front, servicePort, rendered);
    for (const ip of servicePort.clusterIPs) rendered.elements.push({ map: 'cluster-ips', key: ip, value: '' });
    if (servicePort.guardedIPs.length > 0) rendered.elements.push(...guards(servicePort));
    for (const { ip, isLocal } of servicePort.endpoints) if (isLocal) rendered.hairpins.push(ip);
  }
  return rendered;
}

/** Who may use the addresses that are not for everybody. */
const guards = ({ guardedIPs, sourceRanges, protocol, port }: ServicePort): Element[] =>
  guardedIPs.flatMap((ip) => {
    const key = `${ip} . ${protocol} . ${port}`;
    return [
      { map: 'guarded', key, value: '' },
      ...sourceRanges.map((range) => ({ map: 'sources', key: `${key} . ${range}`, value: '' })),
    ];
  });

/** One address (or port of the node) at which a Service answers. */
interface Front {
  family: ChainFamily;
  /** The map that dispatches to a chain; its key. */
  dispatch: 'svc' | 'np';
  key: string;
  endpoints: readonly Endpoint[];
  /** There are endpoints, but a Local policy forbids all of them here: drop, so that a balancer looks elsewhere. */
  isForbiddenHere: boolean;
}

function frontsOf(port: ServicePort): Front[] {
  const front = (dispatch: Front['dispatch'], key: string, isLocal: boolean): Front => ({
    family: dispatch === 'svc' ? (isLocal ? 'lbl' : 'lb') : isLocal ? 'npl' : 'np',
    dispatch,
    key,
    endpoints: isLocal ? port.localEndpoints : port.endpoints,
    isForbiddenHere: isLocal && port.localEndpoints.length === 0 && port.endpoints.length > 0,
  });
  const atAddress = (ip: string) => `${ip} . ${port.protocol} . ${port.port}`;
  return [
    ...port.clusterIPs.map((ip) => front('svc', atAddress(ip), port.isInternalLocal)),
    ...port.externalIPs.map((ip) => front('svc', atAddress(ip), port.isExternalLocal)),
    ...(port.nodePort ? [front('np', `${port.protocol} . ${port.nodePort}`, port.isExternalLocal)] : []),
  ];
}

function renderFront(front: Front, port: ServicePort, into: Rendered): void {
  const { family, dispatch, key, endpoints } = front;
  const count = endpoints.length;
  if (count === 0) {
    const verdict = front.isForbiddenHere ? 'drop' : 'goto refuse';
    into.elements.push({ map: dispatch === 'svc' ? 'no-endpoints' : 'no-endpoints-np', key, value: verdict });
  } else if (port.affinitySeconds !== undefined) {
    const affinity = affinityOf({ family, key, endpoints, seconds: port.affinitySeconds });
    into.affinities.push(affinity);
    into.elements.push({ map: dispatch, key, value: `goto ${affinity.chain}` });
  } else {
    into.chains.push({ family, count });
    into.elements.push({ map: dispatch, key, value: `goto ${family}${count}` });
    endpoints.forEach(({ ip, port: to }, i) => {
      into.elements.push({ map: endpointMap(family, count), key: `${key} . ${i}`, value: `${ip} . ${to}` });
    });
  }
}
