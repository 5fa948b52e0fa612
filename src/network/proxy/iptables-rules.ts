/**
 * The rules of the mode `iptables`, under upstream's names of chains. Pure: what is wanted in, rules out. A packet goes through
 * one list of all Services, so this mode is for machines whose other rules are in iptables, and not for thousands of Services.
 * Source: iptables-extensions(8).
 */
import { createHash } from 'node:crypto';
import type { Protocol } from '#network/netfilter/protocol.ts';
import { type InPieces, piecewise } from '#network/netfilter/turns.ts';
import { MASQUERADE_MARK } from './chain-family.ts';
import type { Front, Wanted } from './fronts.ts';
import type { TableContext } from './ruleset.ts';
import type { Endpoint } from './service-port.ts';

/** A chain's rules, without `-A CHAIN`. */
export type Chains = Map<string, readonly string[]>;

/** Of one Service or pod. */
export interface IptablesParts {
  /** Its own, in the table nat. */
  chains: Chains;
  /** In `KUBE-SERVICES` and `KUBE-NODEPORTS` of the table nat. */
  services: string[];
  nodePorts: string[];
  /** In `KUBE-SERVICES` of the table filter: what is refused or dropped. */
  refused: string[];
  clusterIPs: readonly string[];
}

/** The chains that every rule set has, and where they are called from. */
export const HOOKS: readonly { table: 'raw' | 'nat' | 'filter'; rule: readonly string[] }[] = [
  { table: 'raw', rule: ['PREROUTING', '-j', 'KUBE-GUARD'] },
  { table: 'nat', rule: ['PREROUTING', '-j', 'KUBE-SERVICES'] },
  { table: 'nat', rule: ['OUTPUT', '-j', 'KUBE-SERVICES'] },
  { table: 'nat', rule: ['POSTROUTING', '-j', 'KUBE-POSTROUTING'] },
  ...['INPUT', 'FORWARD', 'OUTPUT'].map((chain) => ({
    table: 'filter' as const,
    rule: [chain, '-m', 'conntrack', '--ctstate', 'NEW', '-j', 'KUBE-SERVICES'],
  })),
];

/** What our chains are called, in every table. */
export const OWN_CHAIN =
  /^:(KUBE-(?:GUARD|SERVICES|NODEPORTS|POSTROUTING|MARK-MASQ|OUTSIDE|REFUSE|(?:SVC|SEP)-[A-Z2-7]{16})) /gm;

const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
const HASH_LENGTH = 16;

const hashOf = (content: unknown): string => {
  const bytes = createHash('sha256').update(JSON.stringify(content)).digest();
  return Array.from(bytes.subarray(0, HASH_LENGTH), (byte) => BASE32[byte & 31]).join('');
};

export function partsOf({ fronts, clusterIPs }: Wanted, context: TableContext): IptablesParts {
  const parts: IptablesParts = { chains: new Map(), services: [], nodePorts: [], refused: [], clusterIPs };
  for (const front of fronts) addFront(front, context, parts);
  return parts;
}

function addFront(front: Front, context: TableContext, into: IptablesParts): void {
  const { ip, protocol, port, endpoints, sourceRanges } = front;
  const at = `${ip === undefined ? '' : `-d ${wide(ip)} `}${portMatch(protocol, port)} ${comment(front.of)}`;
  if (sourceRanges) {
    const isAllowed = sourceRanges.map((range) => `-s ${range} ${at} -j RETURN`);
    // Not translated, it is still for the balancer's address when it comes to the filter.
    if (endpoints.length > 0) into.refused.push(`${at} -j DROP`);
    if (endpoints.length === 0)
      into.refused.push(...isAllowed.map((rule) => rule.replace(/RETURN$/, refusal(front))), `${at} -j DROP`);
  } else if (endpoints.length === 0) {
    const local = ip === undefined ? '-m addrtype --dst-type LOCAL ' : '';
    into.refused.push(`${local}${at} -j ${refusal(front)}`);
  }
  const rules = ip === undefined ? into.nodePorts : into.services;
  const ways = waysFrom(front, at, { context, chains: into.chains });
  if (ways.length === 0) return;
  if (!sourceRanges) return void rules.push(...ways);
  const guarded = `KUBE-SVC-${hashOf(ways)}`;
  into.chains.set(guarded, ways);
  for (const range of sourceRanges) rules.push(`-s ${range} ${at} -j ${guarded}`);
}

/** Where it leads, whoever may come so far. */
function waysFrom(front: Front, at: string, { context, chains }: { context: TableContext; chains: Chains }): string[] {
  const { ip, family, endpoints } = front;
  const rules: string[] = [];
  if (front.inside) {
    const chain = addEndpoints({ ...front, endpoints: front.inside }, context, chains);
    const masked = ip === undefined ? 'KUBE-MARK-MASQ' : 'KUBE-OUTSIDE';
    for (const source of [...context.podRanges.map((range) => `-s ${range}`), '-m addrtype --src-type LOCAL'])
      rules.push(`${source} ${at} -j ${masked}`, `${source} ${at} -j ${chain}`);
  }
  if (endpoints.length === 0) return rules;
  const chain = addEndpoints(front, context, chains);
  if (family === 'np') rules.push(`${at} -j KUBE-MARK-MASQ`);
  if (family === 'lb') rules.push(`${at} -j KUBE-OUTSIDE`);
  rules.push(`${at} -j ${chain}`);
  return rules;
}

const refusal = ({ isForbiddenHere }: Front): string => (isForbiddenHere ? 'DROP' : 'KUBE-REFUSE');

/** @returns the chain that chooses one of them. It is named for its content, as are theirs. */
function addEndpoints(
  { endpoints, protocol, affinitySeconds, of, ip, port }: Front,
  context: TableContext,
  chains: Chains,
): string {
  const front = affinitySeconds === undefined ? undefined : [ip, protocol, port, affinitySeconds];
  const targets = endpoints.map((endpoint) => addEndpoint(endpoint, { protocol, front }, context, chains));
  const name = `KUBE-SVC-${hashOf([of, protocol, endpoints.map(({ ip: to, port: toPort }) => [to, toPort]), front])}`;
  const known = front
    ? targets.map((target) => `-m recent --name ${target} --rcheck --seconds ${affinitySeconds} --reap -j ${target}`)
    : [];
  const chosen = targets.map((target, i) => {
    const left = targets.length - i;
    return left === 1
      ? `-j ${target}`
      : `-m statistic --mode random --probability ${(1 / left).toFixed(10)} -j ${target}`;
  });
  chains.set(name, [...known, ...chosen]);
  return name;
}

/** `front`: who remembers its clients does so for each front apart. */
function addEndpoint(
  { ip, port }: Endpoint,
  { protocol, front }: { protocol: Protocol; front: readonly unknown[] | undefined },
  { family }: TableContext,
  chains: Chains,
): string {
  const name = `KUBE-SEP-${hashOf([ip, port, protocol, front])}`;
  const to = family === 'ipv6' ? `[${ip}]:${port}` : `${ip}:${port}`;
  chains.set(name, [
    `-s ${wide(ip)} -j KUBE-MARK-MASQ`, // a pod that reaches itself must not see its own address as the source
    `${front ? `-m recent --name ${name} --set ` : ''}-p ${protocol} -m ${protocol} -j DNAT --to-destination ${to}`,
  ]);
  return name;
}

const wide = (ip: string): string => `${ip}/${ip.includes(':') ? 128 : 32}`;
const portMatch = (protocol: Protocol, port: number): string => `-p ${protocol} -m ${protocol} --dport ${port}`;
/** Names of Services, ports and pods have no character that a quoted text ends with; still none gets in. */
const comment = (text: string): string =>
  `-m comment --comment "${text.replace(/[^a-zA-Z0-9/:. -]/g, '').slice(0, 200)}"`;

/** Some milliseconds' work. */
const SERVICES_AT_A_TIME = 1_000;

/** Together, in their order. */
function* dispatched(all: Iterable<IptablesParts>) {
  const services: string[] = [];
  const nodePorts: string[] = [];
  const refused: string[] = [];
  const clusterIPs = new Set<string>();
  yield* piecewise(all, SERVICES_AT_A_TIME, (parts) => {
    services.push(...parts.services);
    nodePorts.push(...parts.nodePorts);
    refused.push(...parts.refused);
    for (const ip of parts.clusterIPs) clusterIPs.add(ip);
  });
  return { services, nodePorts, refused, clusterIPs };
}

/** The chains that change with every Service: in nat all that dispatches, in filter what is refused. */
export function* commonChains(
  all: Iterable<IptablesParts>,
  context: TableContext,
): InPieces<Record<'raw' | 'nat' | 'filter', Chains>> {
  const { family, podRanges, serviceRanges, ownAddresses } = context;
  const { services, nodePorts, refused, clusterIPs } = yield* dispatched(all);
  const own = ownAddresses.map((ip) => `-d ${wide(ip)} -j RETURN`);
  const loopback = family === 'ipv4' ? '127.0.0.0/8' : '::1/128';
  const unreachable = family === 'ipv4' ? 'icmp-port-unreachable' : 'icmp6-port-unreachable';
  return {
    // What comes over a wire for a loopback address is a neighbour's attempt to get at what listens there (CVE-2020-8558).
    raw: new Map([['KUBE-GUARD', family === 'ipv4' ? [`! -i lo -d ${loopback} -j DROP`] : []]]),
    nat: new Map([
      ['KUBE-MARK-MASQ', [`-j MARK --or-mark ${MASQUERADE_MARK}`]],
      [
        'KUBE-OUTSIDE',
        podRanges.length > 0 ? [...podRanges.map((range) => `-s ${range} -j RETURN`), '-j KUBE-MARK-MASQ'] : [],
      ],
      [
        'KUBE-POSTROUTING',
        [
          ...(family === 'ipv4' ? [`-s ${loopback} -m conntrack --ctstate DNAT -j MASQUERADE --random-fully`] : []),
          `-m mark ! --mark ${MASQUERADE_MARK}/${MASQUERADE_MARK} -j RETURN`,
          `-j MARK --xor-mark ${MASQUERADE_MARK}`,
          '-j MASQUERADE --random-fully',
        ],
      ],
      ['KUBE-NODEPORTS', nodePorts],
      ['KUBE-SERVICES', [...own, ...services, `! -d ${loopback} -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS`]],
    ]),
    filter: new Map([
      ['KUBE-REFUSE', ['-p tcp -j REJECT --reject-with tcp-reset', `-j REJECT --reject-with ${unreachable}`]],
      [
        'KUBE-SERVICES',
        [
          ...own,
          ...refused,
          ...Array.from(clusterIPs, (ip) => `-d ${wide(ip)} -j KUBE-REFUSE`), // an address of a Service, but none of its ports
          ...serviceRanges.map((range) => `-d ${range} -j DROP`),
        ],
      ],
    ]),
  };
}
