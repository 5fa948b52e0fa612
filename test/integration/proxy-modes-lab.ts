/**
 * Where the rules of kube-proxy's modes are tried with packets: network namespaces of the test's own, a client, a node, two pods
 * that say their name, and a renderer for each mode that works in the node's.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll } from 'vitest';
import { systemClock } from '#cmd/system-clock.ts';
import type { IpFamily } from '#network/netfilter/ip-family.ts';
import type { Iptables } from '#network/netfilter/iptables.ts';
import { type FindDifferences, type hasRules, listsRules, type RunNft } from '#network/netfilter/nft.ts';
import { TableComparison } from '#network/netfilter/table-contents.ts';
import { WaitingNft } from '#network/netfilter/waiting-nft.ts';
import { IptablesRenderer } from '#network/proxy/iptables-renderer.ts';
import { IpvsRenderer } from '#network/proxy/ipvs-renderer.ts';
import { hasIpvs } from '#network/proxy/ipvs-support.ts';
import type { RunTool } from '#network/proxy/ipvs-tools.ts';
import type { ProxyMode } from '#network/proxy/modes.ts';
import { NftRenderer } from '#network/proxy/nft-renderer.ts';
import type { ListSets } from '#network/proxy/remembered-clients.ts';
import type { Renderer } from '#network/proxy/renderer.ts';
import type { TableContext } from '#network/proxy/ruleset.ts';
import type { ServicePort } from '#network/proxy/service-port.ts';
import { canHaveLab, has } from './network-lab.ts';

const canHave = canHaveLab();
export const hasIptables = canHave && has('iptables-restore') && has('ip6tables-restore');
if (process.env['CI'] === 'true' && !hasIptables) throw new Error('needs iptables');
export const canIpvs = canHave && hasIpvs() && has('ipvsadm');
if (process.env['KEDGE_TEST_IPVS'] === 'true' && !canIpvs) throw new Error('needs a kernel with IPVS, and ipvsadm');

const PREFIX = `kpx${process.pid}`;
export const servers: ChildProcess[] = [];
const made: string[] = [];
const ns = (name: string) => `${PREFIX}-${name}`;
const ip = (...args: string[]) => execFileSync('ip', args, { stdio: ['ignore', 'pipe', 'pipe'] });
export const entered = (name: string) => `--net=/run/netns/${ns(name)}`;
export const inside = (name: string, command: string, args: readonly string[], input = '') =>
  execFileSync('nsenter', [entered(name), command, ...args], { input, stdio: ['pipe', 'pipe', 'pipe'] }).toString();
export const batch = (name: string, ...lines: string[]) => inside(name, 'ip', ['-batch', '-'], `${lines.join('\n')}\n`);

interface Addresses {
  client: string;
  node: string;
  pods: [string, string];
  gateway: string;
  clusterIP: string;
  externalIP: string;
  pod: string;
  service: string;
}
export const ADDRESSES: Record<IpFamily, Addresses> = {
  ipv4: {
    client: '172.31.9.1',
    node: '172.31.9.2',
    pods: ['10.244.1.2', '10.244.1.3'],
    gateway: '10.244.1.1',
    clusterIP: '10.96.0.20',
    externalIP: '192.0.2.9',
    pod: '10.244.0.0/16',
    service: '10.96.0.0/16',
  },
  ipv6: {
    client: 'fd00:9::1',
    node: 'fd00:9::2',
    pods: ['fd00:244:1::2', 'fd00:244:1::3'],
    gateway: 'fd00:244:1::1',
    clusterIP: 'fd00:96::20',
    externalIP: '2001:db8::9',
    pod: 'fd00:244::/32',
    service: 'fd00:96::/112',
  },
};
export const contextOf = (family: IpFamily): TableContext => ({
  family,
  podRanges: [ADDRESSES[family].pod],
  serviceRanges: [ADDRESSES[family].service],
  ownAddresses: [],
});

let ending: AbortController;
let waitingNft: WaitingNft;
export const nft: RunNft = (commands) => waitingNft.run(commands);
/** As the real one: who complains has failed, whatever the program ends with. */
export const run: RunTool = async (command, args, input) => {
  const { stdout, stderr, status } = spawnSync('nsenter', [entered('node'), command, ...args], { input: input ?? '' });
  if (status !== 0 || stderr.length > 0) throw new Error(`${command}: ${stderr}`);
  return stdout.toString();
};
const findDifferences: FindDifferences = async (table, wanted) => {
  const comparison = new TableComparison(wanted);
  comparison.read(inside('node', 'nft', ['--stateless', 'list', 'table', ...table.split(' ')]));
  return comparison.differences;
};
export const nftHasRules: typeof hasRules = async (table, chain) => {
  try {
    return listsRules(inside('node', 'nft', ['--terse', 'list', 'chain', ...table.split(' '), chain]));
  } catch {
    return false;
  }
};
const listSets: ListSets = async (table) => {
  try {
    return inside('node', 'nft', ['list', 'sets', 'table', ...table.split(' ')]);
  } catch {
    return ''; // it is not there yet
  }
};
const iptables = (family: IpFamily): Iptables => {
  const program = (name: string) => (family === 'ipv4' ? name : name.replace('ip', 'ip6'));
  return {
    restore: async (text) => void inside('node', program('iptables-restore'), ['--noflush', '-w', '5'], text),
    save: async (table) => inside('node', program('iptables-save'), ['-t', table]),
    has: async (table, rule) => {
      try {
        inside('node', program('iptables'), ['-w', '5', '-t', table, '-C', ...rule]);
        return true;
      } catch {
        return false;
      }
    },
  };
};

function wireUp(): void {
  for (const name of ['client', 'node', 'pod1', 'pod2']) {
    ip('netns', 'add', ns(name));
    made.push(name);
    batch(name, 'link set lo up');
    inside(name, 'sysctl', ['-qw', 'net.ipv6.conf.default.accept_dad=0']);
  }
  const wire = (name: string, nodeSide: string, pairs: readonly (readonly [address: string, gateway: string])[]) => {
    ip('link', 'add', 'eth0', 'netns', ns(name), 'type', 'veth', 'peer', 'name', nodeSide, 'netns', ns('node'));
    batch(name, 'link set eth0 up');
    batch('node', `link set ${nodeSide} up`);
    for (const [address, gateway] of pairs) {
      const [bits, nodad] = address.includes(':') ? ['128', ' nodad'] : ['32', ''];
      batch(name, `address add ${address}/${bits} dev eth0${nodad}`);
      batch(
        'node',
        `address add ${gateway}/${bits} dev ${nodeSide}${nodad}`,
        `route add ${address}/${bits} dev ${nodeSide}`,
      );
      batch(name, `route add ${gateway}/${bits} dev eth0`, `route add default via ${gateway}`);
    }
  };
  const { ipv4, ipv6 } = ADDRESSES;
  wire('client', 'uplink', [
    [ipv4.client, ipv4.node],
    [ipv6.client, ipv6.node],
  ]);
  wire('pod1', 'veth1', [
    [ipv4.pods[0], ipv4.gateway],
    [ipv6.pods[0], ipv6.gateway],
  ]);
  wire('pod2', 'veth2', [
    [ipv4.pods[1], ipv4.gateway],
    [ipv6.pods[1], ipv6.gateway],
  ]);
  batch('node', `route add default via ${ipv4.client} dev uplink`, `route add default via ${ipv6.client} dev uplink`);
  inside('node', 'sysctl', [
    '-qw',
    'net.ipv4.ip_forward=1',
    'net.ipv4.conf.all.route_localnet=1',
    'net.ipv6.conf.all.forwarding=1',
  ]);
}

/** Says its name and whom it sees over TCP, its name over UDP. */
const serverOf = (name: string) => `const seen=(s)=>s.remoteAddress.replace('::ffff:','');
  require('net').createServer(s=>s.on('error',()=>0).end('${name} '+seen(s))).listen(8080,'::',()=>{
    const u=require('dgram').createSocket('udp6');u.on('message',(m,r)=>u.send('${name}',r.port,r.address));u.bind(8080,'::',()=>console.log('up'))})`;

/** To be called once in a file: makes the namespaces before its tests, and takes them away. */
export function useProxyLab(): void {
  beforeAll(async () => {
    if (!canHave) return;
    wireUp();
    ending = new AbortController();
    waitingNft = new WaitingNft({
      clock: systemClock,
      signal: ending.signal,
      command: ['nsenter', entered('node'), 'nft'],
    });
    for (const name of made) await startAsker(name);
    for (const name of ['pod1', 'pod2']) await serve(name, serverOf(name));
  });
  afterAll(() => {
    ending?.abort();
    // Another file may use the same module.
    for (const server of servers.splice(0)) server.kill('SIGKILL');
    for (const name of made.splice(0)) ip('netns', 'delete', ns(name));
  });
}

/** A process that runs until the end; resolves when it has said something. */
export async function serve(at: string, script: string): Promise<void> {
  const child = spawn('nsenter', [entered(at), process.execPath, '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  servers.push(child);
  await new Promise((resolve) => child.stdout.once('data', resolve));
}

/** Lives in a namespace and connects when it is told to: a process for each connection would cost more than the packets. */
const ASKER = `const one=(address,port,ms)=>new Promise(done=>{const s=require('net').connect(port,address);s.setTimeout(ms,()=>{s.destroy();done('timeout')});
  s.on('data',d=>{done(String(d));s.destroy()});s.on('error',e=>done(e.code==='ECONNREFUSED'?'refused':e.code))});
  require('readline').createInterface({input:process.stdin}).on('line',async l=>{const {id,address,port,count,ms}=JSON.parse(l);const all=[];
    for(let i=0;i<count;i++)all.push(await one(address,port,ms));console.log(JSON.stringify({id,all}))});console.log('{}')`;
const askers = new Map<string, ChildProcess>();
const waiting = new Map<number, (answers: string[]) => void>();
let questions = 0;

async function startAsker(from: string): Promise<void> {
  const child = spawn('nsenter', [entered(from), process.execPath, '-e', ASKER], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  servers.push(child);
  askers.set(from, child);
  await new Promise<void>((resolve) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const { id, all } = JSON.parse(line) as { id?: number; all?: string[] };
      if (id === undefined) resolve();
      else waiting.get(id)?.(all ?? []);
    });
  });
}

/** Before nobody is said to have answered: where that is wanted, the kernel would have answered long before. */
export const [PATIENT_MS, SILENT_MS] = [5_000, 400];

/** What answers to each of `count` connections, or how it failed: `refused`, `timeout`. */
export function ask(from: string, address: string, port: number, count = 1, ms = PATIENT_MS): Promise<string[]> {
  const id = questions++;
  return new Promise((resolve) => {
    waiting.set(id, resolve);
    askers.get(from)?.stdin?.write(`${JSON.stringify({ id, address, port, count, ms })}\n`);
  });
}
export const once = async (from: string, address: string, port: number) => (await ask(from, address, port))[0] ?? '';
/** `timeout` where it is dropped. */
export const dropped = async (from: string, address: string, port: number) =>
  (await ask(from, address, port, 1, SILENT_MS))[0] ?? '';
export const namesIn = (answers: readonly string[]) =>
  [...new Set(answers.map((answer) => answer.split(' ')[0]))].sort();

export const ipvsRenderer = (family: IpFamily, scheduler?: string): Renderer =>
  new IpvsRenderer(contextOf(family), { scheduler, run, nft, hasRules: nftHasRules, findDifferences });
export const RENDERERS: Record<ProxyMode, (family: IpFamily) => Renderer> = {
  nftables: (family) => new NftRenderer(contextOf(family), { nft, hasRules: nftHasRules, listSets }),
  iptables: (family) => new IptablesRenderer(contextOf(family), iptables(family)),
  ipvs: (family) => ipvsRenderer(family),
};
export const MODES: { mode: ProxyMode; isThere: boolean }[] = [
  { mode: 'nftables', isThere: canHave },
  { mode: 'iptables', isThere: hasIptables },
  // On a kernel without IPVS they are no tests of this machine's: test/machines has a guest for them.
  ...(canIpvs ? [{ mode: 'ipvs' as const, isThere: true }] : []),
];

export const endpointsOf = (family: IpFamily) =>
  ADDRESSES[family].pods.map((ip) => ({ ip, port: 8080, isLocal: true }));
export const servicePortOf = (family: IpFamily, change: Partial<ServicePort>): ServicePort => ({
  id: 'default/web:http',
  protocol: 'tcp',
  port: 80,
  clusterIPs: [ADDRESSES[family].clusterIP],
  externalIPs: [],
  guardedIPs: [],
  sourceRanges: [],
  nodePort: 30_080,
  endpoints: endpointsOf(family),
  localEndpoints: endpointsOf(family),
  readyLocalIPs: [],
  servingIPs: (change.endpoints ?? endpointsOf(family)).map(({ ip }) => ip),
  isExternalLocal: false,
  isInternalLocal: false,
  affinitySeconds: undefined,
  ...change,
});
