/**
 * The table of the proxy that nft reads while it is made is the same as its commands would build one after the other, and has the
 * clients that the one before it had remembered.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { familyOf, type IpFamily } from '#network/netfilter/ip-family.ts';
import { replacingBlock } from '#network/netfilter/table-block.ts';
import type { Front, Wanted } from '#network/proxy/fronts.ts';
import { NftRenderer } from '#network/proxy/nft-renderer.ts';
import { clientsIn } from '#network/proxy/remembered-clients.ts';
import { canHaveLab, type Lab, networkLab } from './network-lab.ts';

const runs = canHaveLab() ? test : test.skip;
/** More than are put at once. */
const SERVICES = 250;

let lab: Lab;
beforeAll(() => {
  if (canHaveLab()) lab = networkLab({ hosts: {}, gateway: '10.244.1.1' });
});
afterAll(() => lab?.close());

const RANGES = {
  ipv4: { pods: '10.244.0.0/16', services: '10.96.0.0/16', own: '10.96.0.10' },
  ipv6: { pods: 'fd00:244::/32', services: 'fd00:96::/112', own: 'fd00:96::a' },
};

/** Of everything that a front can be. */
function wantedOf(i: number, family: IpFamily): Wanted {
  const at = (prefix: string) => (family === 'ipv4' ? `10.${prefix}.${i >> 8}.${i & 255}` : `fd00:${prefix}::${i + 1}`);
  const endpoints = Array.from({ length: i % 4 }, (_, n) => ({ ip: at(`${200 + n}`), port: 8080, isLocal: n === 0 }));
  const front: Front = {
    of: `default/web-${i}:http`,
    family: 'lb',
    ip: at('97'),
    protocol: (['tcp', 'udp', 'sctp'] as const)[i % 3] ?? 'tcp',
    port: 80,
    endpoints,
    inside: undefined,
    isForbiddenHere: i % 8 === 0,
    affinitySeconds: i % 7 === 0 ? 60 : undefined,
    sourceRanges: undefined,
  };
  const clients = familyOf(at('98')) === 'ipv4' ? '192.0.2.0/24' : '2001:db8::/32';
  const outside: Front = {
    ...front,
    family: 'lbl',
    ip: at('98'),
    inside: i % 5 === 0 && endpoints.length > 0 ? endpoints : undefined,
    sourceRanges: i % 6 === 0 ? [clients] : undefined,
  };
  const nodePort: Front = { ...front, family: 'np', ip: undefined, port: 30_000 + i };
  return {
    fronts: [front, outside, nodePort],
    clusterIPs: [at('97')],
    hairpins: endpoints.slice(0, 1).map(({ ip }) => ip),
  };
}

async function filledBy(family: IpFamily, listing: () => string) {
  const { pods, services, own } = RANGES[family];
  const context = { family, podRanges: [pods], serviceRanges: [services], ownAddresses: [own] };
  let filled: { table: string; parts: (readonly string[])[] } | undefined;
  const renderer = new NftRenderer(context, {
    fillTable: async (table, parts) => {
      filled = { table, parts: [...parts] };
    },
    listSets: async () => listing(),
  });
  await renderer.put(new Map(Array.from({ length: SERVICES }, (_, i) => [`service ${i}`, wantedOf(i, family)])));
  if (!filled) throw new Error('nothing was filled');
  return filled;
}

const nft = (...pieces: string[]) => {
  lab.inside('node', 'nft', ['-f', '-'], `${pieces.join('\n')}\n`);
  return lab.inside('node', 'nft', ['--stateless', 'list', 'ruleset']);
};

runs.each(['ipv4', 'ipv6'] as const)('in the family %s', async (family) => {
  const { table, parts } = await filledBy(family, () => '');
  const byCommands = nft(`add table ${table}`, ...parts.flat());
  expect(byCommands).toContain(RANGES[family].own);
  expect(nft(...replacingBlock(table, parts))).toBe(byCommands);
  expect(nft(...replacingBlock(table, parts))).toBe(byCommands);
  nft(`delete table ${table}`);
});

runs.each([
  ['ipv4', ['10.244.1.7', '10.244.1.8']],
  ['ipv6', ['fd00:244::7', 'fd00:244::8']],
] as const)('clients of the family %s are remembered as long as they were', async (family, clients) => {
  const { table, parts } = await filledBy(family, () => '');
  nft(...replacingBlock(table, parts));
  const sets = parts.flat().flatMap((command) => /^add set \S+ \S+ (aff-of-\w+) /.exec(command)?.[1] ?? []);
  expect(sets.length).toBeGreaterThan(2);
  const [first = '', second = ''] = sets;
  nft(
    `add element ${table} ${first} { ${clients.map((client) => `${client} expires 50s`).join(', ')} }`,
    `add element ${table} ${second} { ${clients[0]} expires 20s }`,
  );
  const listing = () => lab.inside('node', 'nft', ['list', 'sets', 'table', ...table.split(' ')]);
  expect(listing().match(/set aff-of-\w+ \{\s+type ipv[46]_addr\s+size 65535/g)).toHaveLength(sets.length); // many, but not all there are
  const again = await filledBy(family, listing);
  nft(...replacingBlock(again.table, again.parts));
  const left = clientsIn(listing());
  expect([...left.keys()].sort()).toEqual([first, second].sort());
  const addresses = (set: string) => left.get(set)?.map((element) => element.split(' ')[0]);
  expect([addresses(first)?.sort(), addresses(second)]).toEqual([clients, clients.slice(0, 1)]);
  for (const element of left.get(first) ?? []) expect(element).toMatch(/ expires [34]\ds/);
  expect(left.get(second)?.[0]).toMatch(/ expires 1?\ds/);
  nft(`delete table ${table}`);
});
