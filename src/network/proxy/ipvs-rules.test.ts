import { expect, test } from 'vitest';
import { atOnce } from '#network/netfilter/turns.ts';
import type { Front, Wanted } from './fronts.ts';
import { ipvsPartsOf, ipvsStateOf } from './ipvs-rules.ts';
import { elementCommands } from './ipvs-ruleset.ts';

const NODE = {
  family: 'ipv4',
  scheduler: 'rr',
  addresses: ['172.30.1.2', '10.244.1.1'],
  broadcasts: new Set(['172.30.255.255']),
} as const;
const to = (ip: string) => ({ ip, port: 8080, isLocal: true });
const front = (change: Partial<Front> = {}): Front => ({
  of: 'default/web:http',
  family: 'lb',
  ip: '10.96.0.20',
  protocol: 'tcp',
  port: 80,
  endpoints: [to('10.244.1.2')],
  inside: undefined,
  isForbiddenHere: false,
  affinitySeconds: undefined,
  sourceRanges: undefined,
  ...change,
});
const rendered = (fronts: Front[], more: Partial<Wanted> = {}) => {
  const state = atOnce(ipvsStateOf([ipvsPartsOf({ fronts, clusterIPs: [], hairpins: [], ...more }, NODE)], 'ipv4'));
  const servers = [...state.servers].map(([name, { reals }]) => `${name} → ${[...reals.keys()].join(' ')}`.trim());
  const elements = [...state.elements].flatMap(([set, all]) =>
    [...all].map(([key, value]) => [set, key, value].filter(Boolean).join(': ')),
  );
  return { servers, elements, addresses: [...state.addresses] };
};
const KEY = '10.96.0.20 . tcp . 80';

test.each([
  [
    'an address of a Service',
    front(),
    ['-t 10.96.0.20:80 → 10.244.1.2:8080'],
    ['service-ips: 10.96.0.20', `fronts: ${KEY}`, `outside: ${KEY}`],
  ],
  [
    'under a Local policy the source is kept',
    front({ family: 'lbl' }),
    ['-t 10.96.0.20:80 → 10.244.1.2:8080'],
    ['service-ips: 10.96.0.20', `fronts: ${KEY}`],
  ],
  [
    'nobody serves it',
    front({ endpoints: [] }),
    ['-t 10.96.0.20:80 →'],
    ['service-ips: 10.96.0.20', `no-endpoints: ${KEY}: goto refuse`],
  ],
  [
    'nobody may serve it here',
    front({ family: 'lbl', endpoints: [], isForbiddenHere: true }),
    ['-t 10.96.0.20:80 →'],
    ['service-ips: 10.96.0.20', `no-endpoints: ${KEY}: drop`],
  ],
  [
    'it is not for everybody',
    front({ sourceRanges: ['192.0.2.0/24'] }),
    ['-t 10.96.0.20:80 → 10.244.1.2:8080'],
    [
      'service-ips: 10.96.0.20',
      `guarded: ${KEY}`,
      `sources: ${KEY} . 192.0.2.0/24`,
      `fronts: ${KEY}`,
      `outside: ${KEY}`,
    ],
  ],
  [
    'a port of the node, at each of its addresses',
    front({ family: 'np', ip: undefined, port: 30_080 }),
    ['-t 172.30.1.2:30080 → 10.244.1.2:8080', '-t 10.244.1.1:30080 → 10.244.1.2:8080'],
    ['fronts-np: tcp . 30080', 'outside-np: tcp . 30080'],
  ],
  [
    'an address that the node has itself is not one more',
    front({ ip: '172.30.1.2' }),
    ['-t 172.30.1.2:80 → 10.244.1.2:8080'],
    ['fronts: 172.30.1.2 . tcp . 80', 'outside: 172.30.1.2 . tcp . 80'],
  ],
  [
    'a host port of loopback, which IPVS cannot lead elsewhere',
    front({ family: 'lbl', ip: '127.0.0.1' }),
    [],
    ['loopback: 127.0.0.1 . tcp . 80: 10.244.1.2 . 8080'],
  ],
])('%s', (_, of, servers, elements) => {
  const found = rendered([of]);
  expect(found.servers).toEqual(servers);
  expect(found.elements.toSorted()).toEqual(elements.toSorted());
  expect(found.addresses).toEqual(elements.some((element) => element.startsWith('service-ips')) ? ['10.96.0.20'] : []);
});

test('those from within are led by a mark, which also says whether their source is hidden', () => {
  const far = { inside: [to('10.244.2.2')], endpoints: [], isForbiddenHere: true };
  const { servers, elements } = rendered([
    front({ ...far, family: 'lbl' }),
    front({ ...far, family: 'npl', ip: undefined, port: 30_080 }),
  ]);
  const marks = elements.flatMap((element) => /^inside.*: (0x\w+)$/.exec(element)?.[1] ?? []).map(Number);
  const [virtual = 0, ofNode = 0] = marks;
  expect(servers).toContain(`-f ${virtual} → 10.244.2.2:8080`);
  expect(servers).toContain(`-f ${ofNode} → 10.244.2.2:8080`);
  expect([virtual & 0xffff, ofNode & 0xffff]).toEqual([0, 0x4000]);
});

test('no two of them have one mark, and none is more than ipvsadm takes', () => {
  const fronts = Array.from({ length: 2_000 }, (_, i) => front({ port: i + 1, inside: [to('10.244.2.2')] }));
  const marks = rendered(fronts).servers.flatMap((server) => /^-f (\d+)/.exec(server)?.[1] ?? []);
  expect(new Set(marks).size).toBe(2_000);
  expect(Math.max(...marks.map(Number))).toBeLessThan(2 ** 31);
});

test('with all marks taken, those from within are led as those from outside: no Service stops all others', () => {
  const fronts = Array.from({ length: 2 }, (_, at) =>
    Array.from({ length: 20_000 }, (_, i) => front({ ip: `10.96.0.${at}`, port: i + 1, inside: [to('10.244.2.2')] })),
  ).flat();
  const { servers } = rendered(fronts);
  expect(servers.filter((server) => server.startsWith('-t'))).toHaveLength(40_000);
  expect(servers.filter((server) => server.startsWith('-f'))).toHaveLength(0x7fff);
});

test.each(['239.1.1.1', '255.255.255.255', '172.30.255.255', '0.0.0.5', 'ff05::1'])(
  'an endpoint that is no single receiver, %s, keeps no other from being led to',
  (group) => {
    expect(rendered([front({ endpoints: [to(group), to('10.244.1.2')] })]).servers).toEqual([
      '-t 10.96.0.20:80 → 10.244.1.2:8080',
    ]);
    expect(rendered([front({ endpoints: [to(group)] })]).elements).toContain(`no-endpoints: ${KEY}: goto refuse`);
  },
);

test('an address that no device can have is left out', () => {
  expect(rendered([front({ ip: 'ff05::1' })])).toEqual({ servers: [], elements: [], addresses: [] });
});

test('an address and an endpoint of several Services stay as long as one has them', () => {
  const [web, dns] = [front({ port: 80 }), front({ port: 53 })].map((each) =>
    ipvsPartsOf({ fronts: [each], clusterIPs: ['10.96.0.20'], hairpins: ['10.244.1.2'] }, NODE),
  );
  if (!web || !dns) throw new Error('no parts');
  const [both, one] = [atOnce(ipvsStateOf([web, dns], 'ipv4')), atOnce(ipvsStateOf([dns], 'ipv4'))];
  expect([...both.addresses]).toEqual([...one.addresses]);
  expect(atOnce(elementCommands('ipv4', both.elements, one.elements))).toEqual([
    'delete element ip kube-proxy-ipvs fronts { 10.96.0.20 . tcp . 80 }',
    'delete element ip kube-proxy-ipvs outside { 10.96.0.20 . tcp . 80 }',
  ]);
});
