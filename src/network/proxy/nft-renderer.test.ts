import { expect, test } from 'vitest';
import { TableContents } from '#network/netfilter/table-contents.ts';
import { type Wanted, wantedOf } from './fronts.ts';
import { NftRenderer } from './nft-renderer.ts';

const context = {
  family: 'ipv4' as const,
  podRanges: ['10.244.0.0/16'],
  serviceRanges: ['10.96.0.0/16'],
  ownAddresses: ['10.96.0.10'],
};
const SERVICES = 2_000;

const serviceOf = (i: number): Wanted =>
  wantedOf([
    {
      id: `default/web-${i}:http`,
      protocol: 'tcp',
      port: 80,
      clusterIPs: [`10.96.${(i >> 8) + 1}.${i & 255}`],
      externalIPs: i % 2 === 0 ? [`192.0.${i >> 9}.${(i >> 1) & 255}`] : [],
      guardedIPs: [],
      sourceRanges: [],
      nodePort: undefined,
      endpoints: [`10.244.${i >> 8}.${i & 255}`, `10.245.${i >> 8}.${i & 255}`]
        .slice(i % 2)
        .map((ip) => ({ ip, port: 8080, isLocal: i % 50 === 0 })),
      localEndpoints: [],
      readyLocalIPs: [],
      servingIPs: [],
      isExternalLocal: false,
      isInternalLocal: false,
      affinitySeconds: i % 10 === 0 ? 60 : undefined,
    },
  ]);

async function filled() {
  const seen = {
    tables: [] as string[],
    commands: [] as readonly string[],
    changes: [] as (readonly string[])[],
    compared: [] as TableContents[],
    isRefusing: false,
    listing: '',
  };
  const renderer = new NftRenderer(context, {
    fillTable: async (table, parts) => {
      seen.tables.push(table);
      seen.commands = [...parts].flat();
      if (seen.isRefusing) throw new Error('refused');
    },
    nft: async (commands) => void seen.changes.push(commands),
    listSets: async () => seen.listing,
    findDifferences: async (_, wanted) => {
      seen.compared.push(wanted);
      return [];
    },
  });
  await renderer.put(new Map(Array.from({ length: SERVICES }, (_, i) => [`service default/web-${i}`, serviceOf(i)])));
  return { renderer, seen };
}

test('where only nft is given, everything goes through it', async () => {
  const seen: string[] = [];
  const renderer = new NftRenderer(context, { nft: async (commands) => void seen.push(...commands) });
  await renderer.put(new Map(Array.from({ length: SERVICES }, (_, i) => [`service default/web-${i}`, serviceOf(i)])));
  const written = new TableContents(seen.filter((command) => !/^(add|delete) table/.test(command)));
  expect(written.elements.get('svc')?.size).toBe(SERVICES * 1.5);
});

test('a look at everything misses what a full sync writes, no more and no less', async () => {
  const { renderer, seen } = await filled();
  await renderer.differences();
  const [compared] = seen.compared;
  const written = new TableContents(seen.commands);
  expect(compared?.elements).toEqual(written.elements);
  expect(compared?.rules).toEqual(written.rules);
  expect(written.elements.get('svc')?.size).toBe(SERVICES * 1.5);
});

test('others have their turn again and again while everything is looked at', async () => {
  const { renderer } = await filled();
  let [turns, isLooking] = [0, true];
  const others = () => {
    turns++;
    if (isLooking) setImmediate(others);
  };
  setImmediate(others);
  await renderer.differences();
  isLooking = false;
  expect(turns).toBeGreaterThanOrEqual(SERVICES / 100);
});

test('a look that nobody waits for any more ends with the turn', async () => {
  const { renderer, seen } = await filled();
  const overtaking = new AbortController();
  const look = renderer.differences(overtaking.signal);
  overtaking.abort();
  expect(await look).toEqual([]);
  expect(seen.compared).toEqual([]);
});

test('what was filled is changed with a few commands', async () => {
  const { renderer, seen } = await filled();
  expect(seen.tables).toEqual(['ip kube-proxy']);
  await renderer.put(new Map([['service default/web-7', undefined]]));
  expect(seen.tables).toHaveLength(1);
  expect(seen.changes.flat().filter((command) => command.includes(' svc '))).toEqual([
    'delete element ip kube-proxy svc { 10.96.1.7 . tcp . 80 : goto lb1-tcp }',
  ]);
});

test('after it was refused everything is written anew, with what changed and without what is gone', async () => {
  const { renderer, seen } = await filled();
  const all = seen.commands.join('\n');
  renderer.forget();
  seen.isRefusing = true;
  const gone = new Map([['service default/web-7', undefined]]);
  await expect(renderer.put(gone)).rejects.toThrow('refused');
  renderer.forget();
  seen.isRefusing = false;
  await renderer.put(new Map());
  expect(seen.commands.join('\n')).toBe(all);
  renderer.forget();
  await renderer.put(gone);
  const left = new TableContents(seen.commands).elements.get('svc');
  expect([left?.size, left?.has('10.96.1.7 . tcp . 80 : goto lb1-tcp')]).toEqual([SERVICES * 1.5 - 1, false]);
});

test('clients are remembered with the rules, unless these were refused with them', async () => {
  const { renderer, seen } = await filled();
  const sticky = serviceOf(0);
  const changes = new Map([
    ['service default/web-0', { ...sticky, fronts: sticky.fronts.map((front) => ({ ...front, affinitySeconds: 60 })) }],
  ]);
  const put = async () => {
    renderer.forget(); // as after each failure
    await renderer.put(changes).catch(() => undefined);
    return seen.commands.some((command) => command.includes('10.244.9.9 expires 40s'));
  };
  expect(await put()).toBe(false);
  const [, set = ''] = /add set ip kube-proxy (aff-of-\w+) /.exec(seen.commands.join('\n')) ?? [];
  seen.listing = `\tset ${set} {\n\t\ttype ipv4_addr\n\t\telements = { 10.244.9.9 expires 40s }\n\t}\n`;
  expect(await put()).toBe(true);
  seen.isRefusing = true;
  expect(await put()).toBe(true);
  expect(await put()).toBe(false);
  seen.isRefusing = false;
  expect(await put()).toBe(true);
});
