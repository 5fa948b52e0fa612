/**
 * What NetworkPolicies say to one connection, asked outside of the kernel: the same reading of policies that the rules are
 * made of, for people who want to know which one is in the way. Pure.
 */
import type { NetworkPolicy } from '#api/generated/schema.ts';
import { isInRange } from '#api/machinery/ip.ts';
import { matchesLabels, selectorFrom } from '#api/machinery/label-selector.ts';
import { keyOf } from '#api/machinery/object.ts';
import type { Protocol } from '#network/netfilter/protocol.ts';
import type { Direction } from './chains.ts';
import type { PodFacts } from './pod-facts.ts';
import { podsIn, portsNamed } from './pod-set.ts';
import { type Peer, type PolicyPorts, policyRulesOf } from './policy-rules.ts';

/** One connection, by its ends behind Services. */
export interface Connection {
  /** undefined: no pod of the cluster's. */
  from: PodFacts | undefined;
  fromAddress: string;
  to: PodFacts | undefined;
  toAddress: string;
  protocol: Protocol;
  port: number;
}

export interface PolicyVerdict {
  isAllowed: boolean;
  /** `namespace/name` of the policies that isolate the pod in this direction, in the order of their names. */
  isolating: readonly string[];
  /** Those of them that allow the connection. */
  allowing: readonly string[];
}

export interface KnownPolicies {
  policies: readonly NetworkPolicy[];
  namespaceLabels(name: string): Readonly<Record<string, string>>;
}

/** For the pod whose traffic in that direction it is; a side that is no pod is isolated by nobody. */
export function policyVerdict(
  direction: Direction,
  connection: Connection,
  { policies, namespaceLabels }: KnownPolicies,
): PolicyVerdict {
  const subject = direction === 'ingress' ? connection.to : connection.from;
  if (!subject) return { isAllowed: true, isolating: [], allowing: [] };
  const meant = policies
    .filter(({ metadata, spec }) => {
      const isHere = metadata.namespace === subject.namespace;
      return isHere && matchesLabels(selectorFrom(spec.podSelector), subject.labels);
    })
    .map((policy) => ({ name: keyOf(policy), rules: policyRulesOf(policy)[direction] }))
    .filter(({ rules }) => rules !== undefined)
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  const peer: Side =
    direction === 'ingress'
      ? { pod: connection.from, address: connection.fromAddress }
      : { pod: connection.to, address: connection.toAddress };
  const allowing = meant.filter(({ rules = [] }) =>
    rules.some(
      ({ peers, ports }) =>
        (peers === 'everybody' || peers.some((each) => isPeer(each, peer, namespaceLabels))) &&
        (ports === 'all' || isPort(ports, connection)),
    ),
  );
  return {
    isAllowed: meant.length === 0 || allowing.length > 0,
    isolating: meant.map(({ name }) => name),
    allowing: allowing.map(({ name }) => name),
  };
}

interface Side {
  pod: PodFacts | undefined;
  address: string;
}

function isPeer(peer: Peer, { pod, address }: Side, labelsOf: KnownPolicies['namespaceLabels']): boolean {
  if ('pods' in peer) return pod !== undefined && podsIn(peer.pods).elementsOf(pod, labelsOf(pod.namespace)).length > 0;
  const { cidr, except } = peer.block;
  return isInRange(cidr, address) && !except.some((hole) => isInRange(hole, address));
}

/** A named port is the receiver's, whichever side is asked about. */
const isPort = ({ ranges, names }: PolicyPorts, { to, protocol, port }: Connection): boolean =>
  ranges.some((range) => range.protocol === protocol && range.from <= port && port <= range.to) ||
  names.some(
    (name) => to !== undefined && portsNamed(name).elementsOf(to, {}).includes(`${to.address} . ${protocol} . ${port}`),
  );
