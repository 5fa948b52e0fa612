/** What a node's rules must do, whoever writes them: at which addresses and ports traffic arrives, and where it goes from there. */
import type { Protocol } from '#network/netfilter/protocol.ts';
import type { ChainFamily } from './chain-family.ts';
import type { Endpoint, ServicePort } from './service-port.ts';

/** One address, or port of the node, at which something answers. */
export interface Front {
  /** What it is of, for people. */
  of: string;
  family: ChainFamily;
  /** undefined: every address of the node, but loopback. */
  ip: string | undefined;
  protocol: Protocol;
  port: number;
  endpoints: readonly Endpoint[];
  /**
   * Where the cluster's pods and the node itself are led in place of it: from within, an address for clients outside stands for
   * all endpoints, whatever its policy, as if they had gone out and come back by way of the balancer.
   */
  inside: readonly Endpoint[] | undefined;
  /** There are endpoints, but a Local policy forbids all of them here: drop, so that a balancer looks elsewhere. */
  isForbiddenHere: boolean;
  /** How long one client stays with one endpoint; undefined: no affinity. */
  affinitySeconds: number | undefined;
  /** Who may use it; undefined: everybody. */
  sourceRanges: readonly string[] | undefined;
}

/** As the maps that dispatch have it; unique among all that is put in force. */
export const keyOf = ({ ip, protocol, port }: Front): string =>
  ip === undefined ? `${protocol} . ${port}` : `${ip} . ${protocol} . ${port}`;

/** Of one Service or pod. */
export interface Wanted {
  /** When it was created, as the API writes it. */
  since?: string | undefined;
  fronts: readonly Front[];
  /** Addresses of which ports that no front has are refused. */
  clusterIPs: readonly string[];
  /** Endpoints on this node: a pod that reaches itself must not see its own address as the source. */
  hairpins: readonly string[];
}

export function wantedOf(servicePorts: readonly ServicePort[], since?: string): Wanted {
  const fronts: Front[] = [];
  const clusterIPs: string[] = [];
  const hairpins: string[] = [];
  for (const servicePort of servicePorts) {
    addFronts(servicePort, fronts);
    for (const ip of servicePort.clusterIPs) clusterIPs.push(ip);
    for (const { ip, isLocal } of servicePort.endpoints) if (isLocal) hairpins.push(ip);
  }
  return { since, fronts, clusterIPs, hairpins };
}

function addFronts(port: ServicePort, into: Front[]): void {
  const { id: of, protocol, affinitySeconds } = port;
  const add = (ip: string | undefined, number: number, isLocal: boolean, inside?: readonly Endpoint[]) => {
    into.push({
      of,
      family: ip === undefined ? (isLocal ? 'npl' : 'np') : isLocal ? 'lbl' : 'lb',
      ip,
      protocol,
      port: number,
      endpoints: isLocal ? port.localEndpoints : port.endpoints,
      inside: isLocal && inside && inside.length > 0 ? inside : undefined,
      isForbiddenHere: isLocal && port.localEndpoints.length === 0 && port.endpoints.length > 0,
      affinitySeconds,
      sourceRanges: ip !== undefined && port.guardedIPs.includes(ip) ? port.sourceRanges : undefined,
    });
  };
  for (const ip of port.clusterIPs) add(ip, port.port, port.isInternalLocal);
  for (const ip of port.externalIPs) add(ip, port.port, port.isExternalLocal, port.endpoints);
  if (port.nodePort) add(undefined, port.nodePort, port.isExternalLocal, port.endpoints);
}
