/**
 * The rules beside IPVS in the mode `ipvs`: whom it may answer, whose source is hidden, and what is refused so that an address
 * of a Service, which the node has as its own, does not show the node's own ports. They hold no Service, only sets do.
 * IPVS takes packets on their way into the node, or out of it, after these; it hands them on at the hook `output`.
 * Source: nft(8).
 */
import { addressType, familyWord, type IpFamily } from '#network/netfilter/ip-family.ts';
import { type InPieces, piecewise } from '#network/netfilter/turns.ts';
import { MASQUERADE_MARK } from './chain-family.ts';
import type { TableContext } from './ruleset.ts';

export const ipvsTableName = (family: IpFamily): string => `${familyWord(family)} kube-proxy-ipvs`;
/** The chain that loses a rule when somebody takes the rules away. */
export const IPVS_WITNESS = 'input';

/** Set → its elements; a map's have a value. */
export type Elements = ReadonlyMap<string, ReadonlyMap<string, string>>;

/** Replaces the whole table, and fills it, in one transaction. */
export function* ipvsTableCommands(context: TableContext, elements: Elements): InPieces<string[]> {
  const table = ipvsTableName(context.family);
  return [
    `add table ${table}`,
    `delete table ${table}`,
    `add table ${table}`,
    ...setCommands(context.family),
    ...chainCommands(context).flatMap(({ name, hook, rules }) => [
      `add chain ${table} ${name} ${hook}`,
      ...rules.map((rule) => `add rule ${table} ${name} ${rule}`),
    ]),
    ...(yield* elementCommands(context.family, new Map(), elements)),
  ];
}

function setCommands(family: IpFamily): string[] {
  const address = addressType(family);
  const front = `${address} . inet_proto . inet_service`;
  const port = 'inet_proto . inet_service';
  const sets = {
    'service-ips': `type ${address};`,
    fronts: `type ${front};`,
    'fronts-np': `type ${port};`, // for people, and for a trace: other ports of the node are the node's
    guarded: `type ${front};`,
    sources: `type ${front} . ${address}; flags interval;`,
    outside: `type ${front};`,
    'outside-np': `type ${port};`,
    hairpin: `type ${address} . ${address};`,
  };
  const maps = {
    'no-endpoints': `type ${front} : verdict;`,
    'no-endpoints-np': `type ${port} : verdict;`,
    inside: `type ${front} : mark;`,
    'inside-np': `type ${port} : mark;`,
    loopback: `type ${front} : ${address} . inet_service;`,
  };
  const table = ipvsTableName(family);
  return [
    ...Object.entries(sets).map(([name, type]) => `add set ${table} ${name} { ${type} }`),
    ...Object.entries(maps).map(([name, type]) => `add map ${table} ${name} { ${type} }`),
  ];
}

interface Chain {
  name: string;
  /** Empty for one that others call. */
  hook: string;
  rules: string[];
}

function chainCommands({ family, podRanges, serviceRanges, ownAddresses }: TableContext): Chain[] {
  const ip = familyWord(family);
  const loopback = family === 'ipv4' ? '127.0.0.0/8' : '::1';
  const virtual = `${ip} daddr . meta l4proto . th dport`;
  const port = 'meta l4proto . th dport';
  const toNode = `fib daddr type local ${ip} daddr != ${loopback} ${ip} daddr != @service-ips`;
  const own = ownAddresses.length > 0 ? [`${ip} daddr { ${ownAddresses.join(', ')} } return`] : [];
  const pods = podRanges.length > 0 ? `{ ${podRanges.join(', ')} }` : undefined;
  const hide = `meta mark set meta mark | ${MASQUERADE_MARK}`;
  const unknown = serviceRanges.map((range) => `ct state new ${ip} daddr ${range} fib daddr type != local drop`);
  const guard = family === 'ipv4' ? [`iifname != "lo" ip daddr ${loopback} drop`] : [];
  return [
    { name: 'refuse', hook: '', rules: ['meta l4proto tcp reject with tcp reset', 'reject'] },
    {
      name: 'from-inside',
      hook: '',
      rules: [`meta mark set ${virtual} map @inside accept`, `${toNode} meta mark set ${port} map @inside-np accept`],
    },
    {
      name: 'services',
      hook: '',
      rules: [
        ...own,
        `${virtual} @guarded ${virtual} . ${ip} saddr != @sources drop`,
        ...(pods ? [`${ip} saddr ${pods} jump from-inside`] : []),
        'fib saddr type local jump from-inside',
        `${virtual} vmap @no-endpoints`,
        `${toNode} ${port} vmap @no-endpoints-np`,
        ...(pods ? [`${virtual} @outside ${ip} saddr != ${pods} ${hide}`] : []),
        `${toNode} ${port} @outside-np ${hide}`,
        `${virtual} @fronts return`,
        `${ip} daddr @service-ips goto refuse`,
      ],
    },
    // What comes over a wire for a loopback address is a neighbour's attempt to get at what listens there (CVE-2020-8558).
    { name: 'guard', hook: '{ type filter hook prerouting priority raw; }', rules: guard },
    { name: IPVS_WITNESS, hook: '{ type filter hook input priority mangle; }', rules: ['ct state new jump services'] },
    { name: 'forward', hook: '{ type filter hook forward priority -10; }', rules: [...own, ...unknown] },
    {
      name: 'output',
      hook: '{ type filter hook output priority mangle; }',
      rules: ['ct state new jump services', ...own, ...unknown],
    },
    {
      name: 'translate',
      hook: '{ type nat hook output priority -100; }',
      rules: [`dnat ${ip} to ${virtual} map @loopback`], // IPVS leads nothing from a loopback address elsewhere
    },
    {
      name: 'postrouting',
      hook: '{ type nat hook postrouting priority srcnat; }',
      rules: [
        `meta mark & ${MASQUERADE_MARK} != 0 meta mark set meta mark ^ ${MASQUERADE_MARK} masquerade fully-random`,
        `${ip} saddr . ${ip} daddr @hairpin masquerade fully-random`,
        `${ip} saddr @service-ips masquerade fully-random`, // the node's own process: to it, the address is the node's
        ...(family === 'ipv4' ? [`ct status dnat ip saddr ${loopback} masquerade fully-random`] : []),
      ],
    },
  ];
}

/** Deletes before adds, so that a key may change its value. */
export function* elementCommands(family: IpFamily, now: Elements, wanted: Elements): InPieces<string[]> {
  const table = ipvsTableName(family);
  const gone = yield* differences('delete', table, now, wanted);
  return [...gone, ...(yield* differences('add', table, wanted, now))];
}

/** In one command, some milliseconds' work for whoever reads them. */
const ELEMENTS_AT_A_TIME = 2_000;

/** What `of` has and `other` has not, or not so. */
function* differences(verb: 'add' | 'delete', table: string, of: Elements, other: Elements): InPieces<string[]> {
  const commands: string[] = [];
  for (const [set, elements] of of) {
    const others = other.get(set);
    let texts: string[] = [];
    const end = () => {
      if (texts.length > 0) commands.push(`${verb} element ${table} ${set} { ${texts.join(', ')} }`);
      texts = [];
    };
    yield* piecewise(elements, ELEMENTS_AT_A_TIME, ([key, value]) => {
      if (others?.get(key) !== value) texts.push(value ? `${key} : ${value}` : key);
      if (texts.length === ELEMENTS_AT_A_TIME) end();
    });
    end();
  }
  return commands;
}
