/**
 * The parts of the proxy's table that do not depend on any Service. Written so that the kernel does one map look-up a
 * packet whatever the number of Services. Source: nft(8); the map-only shape was measured at 1–3 ms of nft for a change among 10,000 Services.
 */
import { addressType, familyWord, type IpFamily } from '#network/netfilter/ip-family.ts';
import { chainName, endpointMap, type Leading, MASQUERADE_MARK, masqueradeRule } from './chain-family.ts';

export interface TableContext {
  family: IpFamily;
  /** All pods of the cluster: traffic from elsewhere to a virtual address must come back through this node. */
  podRanges: readonly string[];
  /** Virtual addresses: what is in here but no Service's is refused, not routed away. */
  serviceRanges: readonly string[];
  /** Addresses in the service range that a process of this node answers itself (DNS): never translated. */
  ownAddresses: readonly string[];
}

export const tableName = (family: IpFamily): string => `${familyWord(family)} kube-proxy`;
const loopback = (family: IpFamily) => (family === 'ipv4' ? '127.0.0.0/8' : '::1');

/** What the table consists of before there is any Service. */
export function baseCommands(context: TableContext): string[] {
  const { family } = context;
  const [ip, address, table] = [familyWord(family), addressType(family), tableName(family)];
  const virtual = `${ip} daddr . meta l4proto . th dport`;
  const port = 'meta l4proto . th dport';
  const toNode = `fib daddr type local ${ip} daddr != ${loopback(family)}`;
  const chain = (name: string, hook: string, rules: string[]) => [
    `add chain ${table} ${name} ${hook}`,
    ...rules.map((rule) => `add rule ${table} ${name} ${rule}`),
  ];
  const own = context.ownAddresses.length > 0 ? [`${ip} daddr { ${context.ownAddresses.join(', ')} } return`] : [];
  const dispatch = ['jump services'];
  const { podRanges } = context;
  const pods = podRanges.length > 0 ? [`${ip} saddr { ${podRanges.join(', ')} } jump inside`] : [];
  const inside = [...pods, 'fib saddr type local jump inside'];
  // Nodes route their loopback addresses, for host ports that are bound to them (route_localnet). What comes over a wire
  // for such an address is a neighbour's attempt to get at what listens there (CVE-2020-8558).
  const guard = family === 'ipv4' ? [`iifname != "lo" ip daddr ${loopback(family)} drop`] : [];
  const refuse = ['ct state new jump unserved'];
  return [
    `add map ${table} svc { type ${address} . inet_proto . inet_service : verdict; }`,
    `add map ${table} np { type inet_proto . inet_service : verdict; }`,
    `add map ${table} svc-inside { type ${address} . inet_proto . inet_service : verdict; }`,
    `add map ${table} np-inside { type inet_proto . inet_service : verdict; }`,
    `add map ${table} no-endpoints { type ${address} . inet_proto . inet_service : verdict; }`,
    `add map ${table} no-endpoints-np { type inet_proto . inet_service : verdict; }`,
    `add set ${table} guarded { type ${address} . inet_proto . inet_service; }`,
    `add set ${table} sources { type ${address} . inet_proto . inet_service . ${address}; flags interval; }`,
    `add set ${table} cluster-ips { type ${address}; }`,
    `add set ${table} hairpin { type ${address} . ${address}; }`,
    ...chain('refuse', '', ['meta l4proto tcp reject with tcp reset', 'reject']),
    ...chain('inside', '', [`${virtual} vmap @svc-inside`, `${toNode} ${port} vmap @np-inside`]),
    ...chain('services', '', [
      ...own,
      `${virtual} @guarded ${virtual} . ${ip} saddr != @sources drop`,
      ...inside,
      `${virtual} vmap @svc`,
      `${toNode} ${port} vmap @np`,
    ]),
    ...chain('unserved', '', [
      ...own,
      `${virtual} vmap @no-endpoints`,
      `${toNode} ${port} vmap @no-endpoints-np`,
      `${ip} daddr @cluster-ips goto refuse`, // an address of a Service, but none of its ports
      ...context.serviceRanges.map((range) => `${ip} daddr ${range} drop`),
    ]),
    ...chain('guard', '{ type filter hook prerouting priority raw; }', guard),
    ...chain('prerouting', '{ type nat hook prerouting priority dstnat; }', dispatch),
    ...chain('output', '{ type nat hook output priority -100; }', dispatch),
    ...chain('filter-input', '{ type filter hook input priority -10; }', refuse),
    ...chain('filter-forward', '{ type filter hook forward priority -10; }', refuse),
    ...chain('filter-output', '{ type filter hook output priority -10; }', refuse),
    ...chain('postrouting', '{ type nat hook postrouting priority srcnat; }', [
      `meta mark & ${MASQUERADE_MARK} != 0 meta mark set meta mark ^ ${MASQUERADE_MARK} masquerade fully-random`,
      `ct status dnat ${ip} saddr . ${ip} daddr @hairpin masquerade fully-random`,
      ...(family === 'ipv4' ? [`ct status dnat ip saddr ${loopback(family)} masquerade fully-random`] : []),
    ]),
  ];
}

/** The chain, and its map of endpoints. */
export function chainCommands(leading: Leading, context: TableContext): string[] {
  const [ip, table] = [familyWord(context.family), tableName(context.family)];
  const isVirtual = leading.family === 'lb' || leading.family === 'lbl';
  const name = chainName(leading);
  const map = endpointMap(name);
  const key = `${isVirtual ? `${ip} daddr . ` : ''}th dport . numgen random mod ${leading.count}`;
  return [
    `add map ${table} ${map} { typeof ${key} : ${ip} daddr . th dport; }`,
    `add chain ${table} ${name}`,
    ...masqueradeRule(leading.family, context.podRanges, ip).map((rule) => `add rule ${table} ${name} ${rule}`),
    `add rule ${table} ${name} meta l4proto ${leading.protocol} dnat ${ip} to ${key} map @${map}`,
  ];
}
