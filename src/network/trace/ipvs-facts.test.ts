import { expect, test } from 'vitest';
import { frontInIpvs } from './ipvs-facts.ts';
import type { Ask } from './node-facts.ts';

const HEAD = `IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn
`;
const LISTED = `${HEAD}TCP  10.96.0.20:80 rr
  -> 10.244.1.2:8080              Masq    1      2          0
  -> 10.244.2.2:8080              Masq    0      1          0
`;
const STATISTICS = `IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port               Conns   InPkts  OutPkts  InBytes OutBytes
  -> RemoteAddress:Port
TCP  10.96.0.20:80                      19      107      101     7000    17000
  -> 10.244.1.2:8080                    12       67       61     4000    10000
  -> 10.244.2.2:8080                     7       40       40     3000     7000
`;
const addresses = (...bound: string[]) =>
  JSON.stringify([
    { ifname: 'eth0', addr_info: [{ local: '172.30.0.11' }] },
    { ifname: 'kube-ipvs0', addr_info: bound.map((local) => ({ local })) },
  ]);
const TABLE = 'ip kube-proxy-ipvs';

/** A node in the mode ipvs that answers to these commands, too. */
const node =
  (answers: Record<string, string>): Ask =>
  async (command, args) =>
    ({
      [`nft --terse list set ${TABLE} fronts`]: 'table ip kube-proxy-ipvs {}',
      'ip -j address show': addresses('10.96.0.20', '10.96.0.21'),
      'ipvsadm -Ln -t 10.96.0.20:80': LISTED,
      'ipvsadm -Ln --stats --exact -t 10.96.0.20:80': STATISTICS,
      ...answers,
    })[[command, ...args].join(' ')];

const web = { address: '10.96.0.20', protocol: 'tcp', port: '80' };
const realServers = [
  { address: '10.244.1.2:8080', weight: 1, taken: 12 },
  { address: '10.244.2.2:8080', weight: 0, taken: 7 },
];

test('endpoints are told with their weights and with how many connections each has had', async () =>
  expect(await frontInIpvs(web, node({}))).toEqual({ state: 'endpoints', realServers }));

test('an address that the node lost is told, though IPVS would lead on', async () =>
  expect(await frontInIpvs(web, node({ 'ip -j address show': addresses('10.96.0.21') }))).toEqual({
    state: 'absent',
    realServers,
    missing: '10.96.0.20 on kube-ipvs0',
  }));

test.each([
  ['goto refuse', 'refused'],
  ['drop', 'dropped'],
])('where nobody serves, what the rules say counts: %s', async (verdict, state) => {
  const asked = `nft get element ${TABLE} no-endpoints { 10.96.0.20 . tcp . 80 }`;
  expect(await frontInIpvs(web, node({ [asked]: `elements = { 10.96.0.20 . tcp . 80 : ${verdict} }` }))).toEqual({
    state,
  });
});

test('a port of the node is looked for at its own address, not at those of Services', async () => {
  const at = '-t 172.30.0.11:30080';
  const listed = LISTED.replaceAll('10.96.0.20:80', '172.30.0.11:30080');
  const asked = node({ [`ipvsadm -Ln ${at}`]: listed, [`ipvsadm -Ln --stats --exact ${at}`]: STATISTICS });
  expect(await frontInIpvs({ address: undefined, protocol: 'tcp', port: '30080' }, asked)).toEqual({
    state: 'endpoints',
    realServers,
  });
});

test('a port that no Service has is absent', async () =>
  expect(await frontInIpvs({ ...web, port: '81' }, node({}))).toEqual({ state: 'absent' }));

test('of a node in another mode nothing is said', async () =>
  expect(await frontInIpvs(web, async () => undefined)).toBeUndefined());
