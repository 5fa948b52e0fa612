/**
 * Nodes with a router between them that knows no pods: what pods send travels in VXLAN. Two segments, three nodes, in network
 * namespaces of the test's own.
 */
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Node } from '#api/generated/schema.ts';
import { silentLog } from '#base/log.ts';
import { systemClock } from '#cmd/system-clock.ts';
import type { IpOutcome, RunBridge, RunIp } from '#network/routes/ip.ts';
import { keepRoutesCurrent } from '#network/routes/keep-routes-current.ts';
import { fixedInformers } from '#testing/fixed-informers.ts';
import { canHaveLab } from './network-lab.ts';

const can = canHaveLab();
const PREFIX = `kov${process.pid}`;
const namespaces: string[] = [];
const servers: ChildProcess[] = [];
const ending = new AbortController();
const running: Promise<void>[] = [];

/** One pod a node. `a` and `c` share a segment; `b` is behind the router. */
const NODES = {
  a: {
    address: '192.0.2.1',
    range: '10.244.1.0/24',
    range6: 'fd00:244:1::/64',
    pod: '10.244.1.2',
    pod6: 'fd00:244:1::2',
  },
  b: {
    address: '198.51.100.1',
    range: '10.244.2.0/24',
    range6: 'fd00:244:2::/64',
    pod: '10.244.2.2',
    pod6: 'fd00:244:2::2',
  },
  c: {
    address: '192.0.2.3',
    range: '10.244.3.0/24',
    range6: 'fd00:244:3::/64',
    pod: '10.244.3.2',
    pod6: 'fd00:244:3::2',
  },
};
type Name = keyof typeof NODES;

const ns = (name: string) => `${PREFIX}-${name}`;
const ip = (...args: string[]) => execFileSync('ip', args, { stdio: ['ignore', 'pipe', 'pipe'] });
const entered = (name: string) => `--net=/run/netns/${ns(name)}`;
const inside = (name: string, command: string, args: readonly string[], input = '') =>
  execFileSync('nsenter', [entered(name), command, ...args], { input, stdio: ['pipe', 'pipe', 'pipe'] }).toString();
const batch = (name: string, ...lines: string[]) => inside(name, 'ip', ['-batch', '-'], `${lines.join('\n')}\n`);

const tool = (name: string, program: string, args: readonly string[], lines: readonly string[]): Promise<IpOutcome> =>
  new Promise((resolve) => {
    const child = spawn('nsenter', [entered(name), program, ...args, '-json', '-force', '-batch', '-']);
    let [stdout, complaint] = ['', ''];
    child.stdout.on('data', (text) => {
      stdout += text;
    });
    child.stderr.on('data', (text) => {
      complaint += text;
    });
    child.on('close', (code) => resolve({ stdout, complaint: code === 0 ? '' : complaint }));
    child.stdin.on('error', () => undefined);
    child.stdin.end(`${lines.join('\n')}\n`);
  });

const nodeObject = (name: Name, address: string = NODES[name].address) =>
  ({
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, labels: {} },
    spec: { podCIDR: NODES[name].range, podCIDRs: [NODES[name].range, NODES[name].range6] },
    status: { addresses: [{ type: 'InternalIP', address }] },
  }) as unknown as Node;
const informers = fixedInformers([nodeObject('a'), nodeObject('b'), nodeObject('c')]);

function wireUp(): void {
  for (const name of ['router', 'left', 'a', 'b', 'c', 'pa', 'pb', 'pc']) {
    ip('netns', 'add', ns(name));
    namespaces.push(name);
    batch(name, 'link set lo up');
    inside(name, 'sysctl', [
      '-qw',
      'net.ipv6.conf.default.accept_dad=0',
      'net.ipv4.ip_forward=1',
      'net.ipv6.conf.all.forwarding=1',
    ]);
  }
  const cable = (one: string, oneEnd: string, other: string, otherEnd: string) =>
    ip('link', 'add', oneEnd, 'netns', ns(one), 'type', 'veth', 'peer', 'name', otherEnd, 'netns', ns(other));
  batch('left', 'link add seg type bridge', 'link set seg up');
  for (const [name, end] of [
    ['router', 'to-r'],
    ['a', 'to-a'],
    ['c', 'to-c'],
  ] as const) {
    cable(name, 'eth0', 'left', end);
    batch('left', `link set ${end} master seg`, `link set ${end} up`);
  }
  cable('router', 'eth1', 'b', 'eth0');
  batch(
    'router',
    'address add 192.0.2.254/24 dev eth0',
    'link set eth0 up',
    'address add 198.51.100.254/24 dev eth1',
    'link set eth1 up',
  );
  for (const [name, { address, pod, pod6 }] of Object.entries(NODES)) {
    const gateway = name === 'b' ? '198.51.100.254' : '192.0.2.254';
    batch(name, `address add ${address}/24 dev eth0`, 'link set eth0 up', `route add default via ${gateway}`);
    cable(`p${name}`, 'eth0', name, 'pod');
    batch(
      name,
      'link set pod up',
      'address add 169.254.1.1/32 dev pod',
      `route add ${pod}/32 dev pod`,
      'address add fe80::1/64 dev pod nodad',
      `route add ${pod6}/128 dev pod`,
    );
    batch(
      `p${name}`,
      `address add ${pod}/32 dev eth0`,
      `address add ${pod6}/128 dev eth0 nodad`,
      'link set eth0 up',
      'route add 169.254.1.1 dev eth0',
      'route add default via 169.254.1.1',
      'route add default via fe80::1 dev eth0',
    );
  }
}

/** Answers with as many bytes as it is asked for. */
const SERVER = `require('net').createServer(s=>s.on('error',()=>0).on('data',d=>s.end(Buffer.alloc(Number(d),65)))).listen(8080,'::',()=>console.log('up'))`;

beforeAll(async () => {
  if (!can) return;
  wireUp();
  for (const name of ['pa', 'pb', 'pc']) {
    const child = spawn('nsenter', [entered(name), process.execPath, '-e', SERVER], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    servers.push(child);
    await new Promise((resolve) => child.stdout?.once('data', resolve));
  }
  for (const name of Object.keys(NODES) as Name[]) {
    const { address, range, range6 } = NODES[name];
    const runIp: RunIp = (lines, family = 'ipv4') => tool(name, 'ip', [family === 'ipv4' ? '-4' : '-6'], lines);
    const bridge: RunBridge = (lines) => tool(name, 'bridge', [], lines);
    const kept = keepRoutesCurrent({
      nodeName: name,
      clusterPodRanges: ['10.244.0.0/16', 'fd00:244::/32'],
      ownPodRanges: [range, range6],
      informers,
      clock: systemClock,
      log: silentLog,
      signal: ending.signal,
      protocol: '107',
      overlay: { mode: 'auto', address, podGateways: [] },
      ip: runIp,
      bridge,
    });
    running.push(kept);
  }
});

afterAll(async () => {
  ending.abort();
  await Promise.all(running);
  for (const server of servers) server.kill('SIGKILL');
  for (const name of namespaces) ip('netns', 'delete', ns(name));
});

/** How many bytes come back from a pod, or why none. */
async function fetched(from: Name, address: string, bytes: number): Promise<string> {
  const script = `let n=0;const s=require('net').connect(8080,'${address}',()=>s.write('${bytes}'));s.setTimeout(2000,()=>{console.log('timeout '+n);process.exit()});
    s.on('data',d=>n+=d.length);s.on('end',()=>{console.log(n);process.exit()});s.on('error',e=>{console.log(e.code);process.exit()})`;
  const { stdout } = await promisify(execFile)('nsenter', [entered(`p${from}`), process.execPath, '-e', script]);
  return stdout.trim();
}
const overlayAddresses = (name: Name) => {
  const [link] = JSON.parse(inside(name, 'ip', ['-json', 'address', 'show', 'kedge-vxlan'])) as {
    addr_info: { local: string; scope: string }[];
  }[];
  return link?.addr_info.filter(({ scope }) => scope === 'global').map(({ local }) => local);
};
const overlayMtu = (name: Name) =>
  (JSON.parse(inside(name, 'ip', ['-json', 'link', 'show', 'kedge-vxlan'])) as { mtu: number }[])[0]?.mtu;

test.skipIf(!can)(
  'pods of nodes on two segments reach one another through the router, in both families and at any size',
  async () => {
    const large = 300_000;
    for (const [from, to] of [
      ['a', 'b'],
      ['b', 'a'],
      ['c', 'b'],
      ['b', 'c'],
    ] as const) {
      for (const address of [NODES[to].pod, NODES[to].pod6])
        await expect.poll(() => fetched(from, address, large), { timeout: 30_000 }).toBe(String(large));
    }
    expect(overlayMtu('a')).toBe(1450);
    // What a node itself sends to pods of another has an address to come back to.
    expect(overlayAddresses('a')).toEqual(['10.244.1.0', 'fd00:244:1::']);
  },
);

test.skipIf(!can)('pods of one segment reach one another without the overlay', async () => {
  await expect.poll(() => fetched('a', NODES.c.pod, 10), { timeout: 30_000 }).toBe('10');
  const routes = inside('a', 'ip', ['route', 'show', 'proto', '107']);
  expect(routes).toMatch(/10\.244\.3\.0\/24 via 192\.0\.2\.3 dev eth0/);
  expect(routes).toMatch(/10\.244\.2\.0\/24 via 10\.244\.2\.0 dev kedge-vxlan onlink/);
});

test.skipIf(!can)('a node that moves is followed, and when nobody is far any more there is no overlay', async () => {
  batch(
    'b',
    'address delete 198.51.100.1/24 dev eth0',
    'address add 198.51.100.9/24 dev eth0',
    'route replace default via 198.51.100.254',
  );
  informers.put(nodeObject('b', '198.51.100.9'));
  const forwarding = () => inside('a', 'bridge', ['fdb', 'show', 'dev', 'kedge-vxlan']);
  await expect.poll(forwarding, { timeout: 30_000 }).toContain('dst 198.51.100.9');
  await expect.poll(forwarding, { timeout: 30_000 }).not.toContain('198.51.100.1 ');
  // Its own end is the same process that knows its address from its start: the others send to the new one.
  batch('c', 'route add 198.51.100.0/24 dev eth0');
  informers.put(nodeObject('b', '192.0.2.77'));
  const links = () => inside('a', 'ip', ['link', 'show']);
  await expect.poll(links, { timeout: 30_000 }).not.toContain('kedge-vxlan');
});
