/** Looks at the rules of thousands of Services: whatever else the process does has its turn meanwhile. */
import { expect, test } from 'vitest';
import { turnOfOthers } from '#network/netfilter/turns.ts';
import { type Wanted, wantedOf } from './fronts.ts';
import { IptablesRenderer } from './iptables-renderer.ts';
import { IpvsRenderer } from './ipvs-renderer.ts';

const CONTEXT = { family: 'ipv4', podRanges: ['10.244.0.0/16'], serviceRanges: [], ownAddresses: [] } as const;
const SERVICES = 4_000;
const serviceOf = (i: number): Wanted =>
  wantedOf([
    {
      id: `default/web-${i}:http`,
      protocol: 'tcp',
      port: 80,
      clusterIPs: [`10.96.${i >> 8}.${i & 255}`],
      externalIPs: [],
      guardedIPs: [],
      sourceRanges: [],
      nodePort: undefined,
      endpoints: [{ ip: `10.244.${i >> 8}.${i & 255}`, port: 8080, isLocal: false }],
      localEndpoints: [],
      readyLocalIPs: [],
      servingIPs: [],
      isExternalLocal: false,
      isInternalLocal: false,
      affinitySeconds: undefined,
    },
  ]);
const ALL = new Map(Array.from({ length: SERVICES }, (_, i) => [`service default/web-${i}`, serviceOf(i)]));

/** How often others have their turn until it has ended. */
async function turnsDuring(look: Promise<unknown>): Promise<number> {
  let [turns, isOver] = [0, false];
  const ended = look.then(() => {
    isOver = true;
  });
  while (!isOver) {
    await turnOfOthers();
    turns++;
  }
  await ended;
  return turns;
}

test('in the mode iptables', async () => {
  const saved = new Map<string, string>();
  const renderer = new IptablesRenderer(CONTEXT, {
    restore: async (text) => {
      for (const [, table = '', rules = ''] of text.matchAll(/^\*(\w+)\n(.*?)^COMMIT$/gms)) saved.set(table, rules);
    },
    save: async (table) => saved.get(table) ?? '',
    has: async () => true,
  });
  await renderer.put(ALL);
  const look = renderer.differences();
  expect(await turnsDuring(look)).toBeGreaterThan(20);
  expect(await look).toEqual([]);
});

test('in the mode ipvs', async () => {
  const addresses: string[] = [];
  let listing = '';
  const renderer = new IpvsRenderer(CONTEXT, {
    run: async (command, [first], input = '') => {
      for (const [, address = ''] of input.matchAll(/^address add (\S+)\/32/gm)) addresses.push(address);
      for (const [, server] of input.matchAll(/^-A -t (\S+)/gm)) {
        const [, real] = new RegExp(`^-a -t ${server} -r (\\S+)`, 'm').exec(input) ?? [];
        listing += `TCP  ${server} rr\n  -> ${real}  Masq  1  3  2\n`;
      }
      const infos = addresses.map((local) => ({ local, prefixlen: 32 }));
      if (first === '-j') return JSON.stringify([{ ifname: 'kube-ipvs0', addr_info: infos }]);
      return command === 'ipvsadm' && first === '-Ln' ? listing : '';
    },
    nft: async () => undefined,
    hasRules: async () => true,
    findDifferences: async () => [],
  });
  await renderer.put(ALL);
  const look = renderer.isInForce();
  expect(await turnsDuring(look)).toBeGreaterThan(5);
  expect(await look).toBe(true);
  expect(await turnsDuring(renderer.differences())).toBeGreaterThan(3);
});
