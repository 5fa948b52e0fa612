/**
 * What a NetworkPolicy says, in the form in which rules are made of it: lists that are absent and lists that are empty told
 * apart, ports as ranges. Source: API reference, networking.k8s.io/v1.
 */
import type { LabelSelector, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort } from '#api/generated/schema.ts';
import { type Protocol, protocolOf } from '#network/netfilter/protocol.ts';

export interface PolicyRules {
  /** undefined: the policy says nothing about this direction. Empty: it allows nothing. */
  ingress: TrafficRule[] | undefined;
  egress: TrafficRule[] | undefined;
}

/** Allows what comes from (or goes to) one of the peers at one of the ports. */
export interface TrafficRule {
  peers: Peer[] | 'everybody';
  ports: PolicyPorts | 'all';
}

export type Peer = { pods: PodScope } | { block: { cidr: string; except: string[] } };

/** Pods by their labels, and by those of their namespaces or in one namespace. */
export interface PodScope {
  namespace: string | LabelSelector;
  podSelector: LabelSelector;
}

export interface PolicyPorts {
  ranges: { protocol: Protocol; from: number; to: number }[];
  /** Each pod says which number it means. */
  names: { protocol: Protocol; name: string }[];
}

const LAST_PORT = 65_535;

export function policyRulesOf({ metadata, spec }: NetworkPolicy): PolicyRules {
  const of = (peers: NetworkPolicyPeer[] | undefined, ports: NetworkPolicyPort[] | undefined): TrafficRule => ({
    peers: peers?.length ? peers.map((peer) => peerOf(peer, metadata.namespace ?? '')) : 'everybody',
    ports: ports?.length ? portsOf(ports) : 'all',
  });
  const isFor = (type: 'Ingress' | 'Egress') => spec.policyTypes.includes(type);
  return {
    ingress: isFor('Ingress') ? (spec.ingress ?? []).map(({ from, ports }) => of(from, ports)) : undefined,
    egress: isFor('Egress') ? (spec.egress ?? []).map(({ to, ports }) => of(to, ports)) : undefined,
  };
}

function peerOf({ ipBlock, namespaceSelector, podSelector }: NetworkPolicyPeer, namespace: string): Peer {
  if (ipBlock) return { block: { cidr: ipBlock.cidr, except: ipBlock.except ?? [] } };
  return { pods: { namespace: namespaceSelector ?? namespace, podSelector: podSelector ?? {} } };
}

function portsOf(ports: readonly NetworkPolicyPort[]): PolicyPorts {
  const wanted: PolicyPorts = { ranges: [], names: [] };
  for (const { protocol: name, port, endPort } of ports) {
    const protocol = protocolOf(name);
    if (port === undefined) wanted.ranges.push({ protocol, from: 0, to: LAST_PORT });
    else if (typeof port === 'number') wanted.ranges.push({ protocol, from: port, to: endPort ?? port });
    else wanted.names.push({ protocol, name: port });
  }
  return wanted;
}
