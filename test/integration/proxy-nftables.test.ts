/** The rules against a real kernel, in network namespaces of the test's own: a client, a node, two pods. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Pod } from '#api/generated/schema.ts';
import { type Rendered, render } from '#network/proxy/elements.ts';
import { renderHostPorts } from '#network/proxy/host-ports.ts';
import { ProxyTable } from '#network/proxy/proxy-table.ts';
import type { ServicePort } from '#network/proxy/service-port.ts';
import { pod } from '#testing/builders.ts';

const canMakeNamespaces = process.getuid?.() === 0 && has('nft') && has('ip');
if (process.env['CI'] === 'true' && !canMakeNamespaces) throw new Error('needs root, nftables and iproute2');

const PREFIX = `kpx${process.pid}`;
const namespaces = ['client', 'node', 'pod1', 'pod2'];
const servers: ChildProcess[] = [];
const ns = (name: string) => `${PREFIX}-${name}`;
const ip = (...args: string[]) => execFileSync('ip', args, { stdio: ['ignore', 'pipe', 'pipe'] });
const inside = (name: string, command: string, args: string[], input?: string) =>
  execFileSync('nsenter', [`--net=/run/netns/${ns(name)}`, command, ...args], {
    input,
    stdio: ['pipe', 'pipe', 'pipe'],
  }).toString();

const table = new ProxyTable({
  family: 'ipv4',
  podRanges: ['10.244.0.0/16'],
  serviceRanges: ['10.96.0.0/16'],
  ownAddresses: [],
});
const serve = (ports: ServicePort[]) => apply('service default/web', render(ports));
function apply(what: string, rendered: Rendered): void {
  const transaction = table.commandsFor(new Map([[what, rendered]]));
  inside('node', 'nft', ['-f', '-'], `${transaction.commands.join('\n')}\n`);
  transaction.applied();
}

/** What answers, or how it failed: `refused`, `timeout`. One connection a call. */
function ask(from: string, address: string, port: number): string {
  const script = `const s=require('net').connect(${port},'${address}');s.setTimeout(1500,()=>{console.log('timeout');process.exit()});
    s.on('data',d=>{console.log(String(d));process.exit()});s.on('error',e=>{console.log(e.code==='ECONNREFUSED'?'refused':e.code);process.exit()})`;
  return inside(from, process.execPath, ['-e', script]).trim();
}

const web = (change: Partial<ServicePort> = {}): ServicePort => {
  const endpoints = ['10.244.1.2', '10.244.1.3'].map((address) => ({ ip: address, port: 8080, isLocal: true }));
  return {
    id: 'default/web:http',
    protocol: 'tcp',
    port: 80,
    clusterIPs: ['10.96.0.20'],
    externalIPs: [],
    guardedIPs: [],
    sourceRanges: [],
    nodePort: 30_080,
    endpoints,
    localEndpoints: endpoints,
    readyLocalIPs: [],
    isExternalLocal: false,
    isInternalLocal: false,
    affinitySeconds: undefined,
    ...change,
  };
};

beforeAll(() => {
  if (!canMakeNamespaces) return;
  for (const name of namespaces) {
    ip('netns', 'add', ns(name));
    inside(name, 'ip', ['link', 'set', 'lo', 'up']);
  }
  const wire = (name: string, nodeSide: string, address: string, gateway: string) => {
    ip('link', 'add', 'eth0', 'netns', ns(name), 'type', 'veth', 'peer', 'name', nodeSide, 'netns', ns('node'));
    inside(name, 'ip', ['addr', 'add', `${address}/32`, 'dev', 'eth0']);
    inside(name, 'ip', ['link', 'set', 'eth0', 'up']);
    inside('node', 'ip', ['addr', 'add', `${gateway}/32`, 'dev', nodeSide]);
    inside('node', 'ip', ['link', 'set', nodeSide, 'up']);
    inside('node', 'ip', ['route', 'add', `${address}/32`, 'dev', nodeSide]);
    inside(name, 'ip', ['route', 'add', gateway, 'dev', 'eth0']);
    inside(name, 'ip', ['route', 'add', 'default', 'via', gateway]);
  };
  wire('client', 'uplink', '172.31.9.1', '172.31.9.2');
  wire('pod1', 'veth1', '10.244.1.2', '10.244.1.1');
  wire('pod2', 'veth2', '10.244.1.3', '10.244.1.1');
  inside('node', 'ip', ['route', 'add', 'default', 'via', '172.31.9.1', 'dev', 'uplink']);
  inside('node', 'sysctl', ['-qw', 'net.ipv4.ip_forward=1', 'net.ipv4.conf.all.route_localnet=1']);
  for (const pod of ['pod1', 'pod2']) {
    const script = `require('net').createServer(s=>s.on('error',()=>0).end('${pod} '+s.remoteAddress.replace('::ffff:',''))).listen(8080,'0.0.0.0',()=>console.log('up'))`;
    servers.push(
      spawn('nsenter', [`--net=/run/netns/${ns(pod)}`, process.execPath, '-e', script], {
        stdio: ['ignore', 'pipe', 'inherit'],
      }),
    );
  }
  return Promise.all(servers.map((server) => new Promise((resolve) => server.stdout?.once('data', resolve)))).then(
    () => undefined,
  );
});

afterAll(() => {
  for (const server of servers) server.kill('SIGKILL');
  if (canMakeNamespaces) for (const name of namespaces) ip('netns', 'delete', ns(name));
});

test.skipIf(!canMakeNamespaces)('a real kernel sends Service traffic to the endpoints, whichever way it comes', () => {
  serve([web()]);
  const podsOf = (answers: string[]) => new Set(answers.map((answer) => answer.split(' ')[0]));
  const often = (from: string, address: string, port: number) =>
    Array.from({ length: 12 }, () => ask(from, address, port));
  expect(podsOf(often('client', '172.31.9.2', 30_080))).toEqual(new Set(['pod1', 'pod2']));
  expect(podsOf(often('pod1', '10.96.0.20', 80))).toEqual(new Set(['pod1', 'pod2'])); // itself included: hairpin
  expect(podsOf([ask('node', '10.96.0.20', 80)]).size).toBe(1);
  expect(ask('client', '10.96.0.20', 81)).toBe('refused'); // an address of a Service, but none of its ports

  serve([web({ isExternalLocal: true })]);
  expect(ask('client', '172.31.9.2', 30_080)).toMatch(/^pod[12] 172\.31\.9\.1$/); // the client's own address is seen

  const guarded = { externalIPs: ['192.0.2.9'], guardedIPs: ['192.0.2.9'] };
  serve([web({ ...guarded, sourceRanges: ['10.0.0.0/8', '172.31.9.1/32'] })]);
  expect(ask('client', '192.0.2.9', 80)).toMatch(/^pod[12] /);
  serve([web({ ...guarded, sourceRanges: ['10.0.0.0/8'] })]);
  expect(ask('client', '192.0.2.9', 80)).toBe('timeout');
  expect(ask('pod1', '192.0.2.9', 80)).toMatch(/^pod[12] /);

  serve([web({ affinitySeconds: 60 })]);
  expect(new Set(often('client', '172.31.9.2', 30_080)).size).toBe(1);

  serve([web({ endpoints: [], localEndpoints: [] })]);
  expect(ask('client', '172.31.9.2', 30_080)).toBe('refused');
  expect(ask('pod1', '10.96.0.20', 80)).toBe('refused');

  serve([web()]);
  expect(ask('pod1', '10.96.0.20', 80)).toMatch(/^pod[12] /);
});

test.skipIf(!canMakeNamespaces)(
  "a host port of the node's loopback is reached from the node, and from nowhere else",
  () => {
    const podWithPort = pod('local', {
      containers: [{ name: 'main', ports: [{ containerPort: 8080, hostPort: 54_323, hostIP: '127.0.0.1' }] }],
    });
    const rendered = renderHostPorts({ ...podWithPort, status: { podIPs: [{ ip: '10.244.1.2' }] } } as Pod, 'ipv4');
    if (!rendered) throw new Error('nothing is rendered');
    apply('pod default/local', rendered);
    expect(ask('node', '127.0.0.1', 54_323)).toMatch(/^pod1 10\.244\.1\.1$|^pod1 172\.31\.9\.2$/); // the node's address, so that it answers
    expect(ask('client', '172.31.9.2', 54_323)).not.toContain('pod1');

    // A neighbour sends for the loopback address over the wire.
    inside('client', 'sysctl', ['-qw', 'net.ipv4.conf.all.route_localnet=1']);
    for (const local of ['127.0.0.0/8', '127.0.0.1']) {
      inside('client', 'ip', ['route', 'delete', 'local', local, 'table', 'local']);
    }
    inside('client', 'ip', ['route', 'add', '127.0.0.1/32', 'via', '172.31.9.2', 'src', '172.31.9.1']);
    const count = 'iifname "uplink" ip daddr 127.0.0.0/8 counter';
    const behind = '{ type filter hook prerouting priority mangle; }';
    inside(
      'node',
      'nft',
      ['-f', '-'],
      `add table ip seen\nadd chain ip seen c ${behind}\nadd rule ip seen c ${count}\n`,
    );
    expect(ask('client', '127.0.0.1', 54_323)).toBe('timeout');
    expect(inside('node', 'nft', ['list', 'table', 'ip', 'seen'])).toContain('counter packets 0 ');
  },
);

function has(command: string): boolean {
  try {
    execFileSync('which', [command], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
