/**
 * The rules of kube-proxy's modes against a real kernel, each in both families: the same packets, the same answers. In network
 * namespaces of the test's own: a client, a node, two pods.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Pod } from '#api/generated/schema.ts';
import { familyWord, type IpFamily } from '#network/netfilter/ip-family.ts';
import type { Iptables } from '#network/netfilter/iptables.ts';
import { type hasRules, listsRules, type RunNft } from '#network/netfilter/nft.ts';
import { staleFlows } from '#network/proxy/conntrack.ts';
import { wantedOf } from '#network/proxy/fronts.ts';
import { hostPortsOf } from '#network/proxy/host-ports.ts';
import { IptablesRenderer } from '#network/proxy/iptables-renderer.ts';
import { IpvsRenderer } from '#network/proxy/ipvs-renderer.ts';
import { hasIpvs } from '#network/proxy/ipvs-support.ts';
import type { RunTool } from '#network/proxy/ipvs-tools.ts';
import { type ProxyMode, removeOtherModes } from '#network/proxy/modes.ts';
import { NftRenderer } from '#network/proxy/nft-renderer.ts';
import type { Renderer } from '#network/proxy/renderer.ts';
import type { TableContext } from '#network/proxy/ruleset.ts';
import type { ServicePort } from '#network/proxy/service-port.ts';
import { type Ask, networkFacts } from '#network/trace/node-facts.ts';
import { pod } from '#testing/builders.ts';
import { canHaveLab } from './network-lab.ts';

const has = (command: string): boolean => {
  try {
    execFileSync('sh', ['-c', 'command -v "$0"', command], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
};
const canHave = canHaveLab();
const hasIptables = canHave && has('iptables-restore') && has('ip6tables-restore');
if (process.env['CI'] === 'true' && !hasIptables) throw new Error('needs iptables');
const canIpvs = canHave && hasIpvs() && has('ipvsadm');
if (process.env['KEDGE_TEST_IPVS'] === 'true' && !canIpvs) throw new Error('needs a kernel with IPVS, and ipvsadm');

const PREFIX = `kpx${process.pid}`;
const servers: ChildProcess[] = [];
const made: string[] = [];
const ns = (name: string) => `${PREFIX}-${name}`;
const ip = (...args: string[]) => execFileSync('ip', args, { stdio: ['ignore', 'pipe', 'pipe'] });
const entered = (name: string) => `--net=/run/netns/${ns(name)}`;
const inside = (name: string, command: string, args: readonly string[], input = '') =>
  execFileSync('nsenter', [entered(name), command, ...args], { input, stdio: ['pipe', 'pipe', 'pipe'] }).toString();
const batch = (name: string, ...lines: string[]) => inside(name, 'ip', ['-batch', '-'], `${lines.join('\n')}\n`);

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
const ADDRESSES: Record<IpFamily, Addresses> = {
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
const contextOf = (family: IpFamily): TableContext => ({
  family,
  podRanges: [ADDRESSES[family].pod],
  serviceRanges: [ADDRESSES[family].service],
  ownAddresses: [],
});

const nft: RunNft = async (commands) => void inside('node', 'nft', ['-f', '-'], `${commands.join('\n')}\n`);
/** As the real one: who complains has failed, whatever the program ends with. */
const run: RunTool = async (command, args, input) => {
  const { stdout, stderr, status } = spawnSync('nsenter', [entered('node'), command, ...args], { input: input ?? '' });
  if (status !== 0 || stderr.length > 0) throw new Error(`${command}: ${stderr}`);
  return stdout.toString();
};
const nftHasRules: typeof hasRules = async (table, chain) => {
  try {
    return listsRules(inside('node', 'nft', ['--terse', 'list', 'chain', ...table.split(' '), chain]));
  } catch {
    return false;
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

beforeAll(async () => {
  if (!canHave) return;
  wireUp();
  for (const name of made) await startAsker(name);
  for (const name of ['pod1', 'pod2']) {
    const child = spawn('nsenter', [entered(name), process.execPath, '-e', serverOf(name)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    servers.push(child);
    await new Promise((resolve) => child.stdout?.once('data', resolve));
  }
});
afterAll(() => {
  for (const server of servers) server.kill('SIGKILL');
  for (const name of made) ip('netns', 'delete', ns(name));
});

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
const [PATIENT_MS, SILENT_MS] = [5_000, 400];

/** What answers to each of `count` connections, or how it failed: `refused`, `timeout`. */
function ask(from: string, address: string, port: number, count = 1, ms = PATIENT_MS): Promise<string[]> {
  const id = questions++;
  return new Promise((resolve) => {
    waiting.set(id, resolve);
    askers.get(from)?.stdin?.write(`${JSON.stringify({ id, address, port, count, ms })}\n`);
  });
}
const once = async (from: string, address: string, port: number) => (await ask(from, address, port))[0] ?? '';
/** `timeout` where it is dropped. */
const dropped = async (from: string, address: string, port: number) =>
  (await ask(from, address, port, 1, SILENT_MS))[0] ?? '';
const namesIn = (answers: readonly string[]) => [...new Set(answers.map((answer) => answer.split(' ')[0]))].sort();

/** What others may do to a mode's rules. */
const flushes: Record<ProxyMode, (family: IpFamily) => [command: string, ...args: string[]][]> = {
  nftables: () => [['nft', 'flush', 'ruleset']],
  iptables: (family) => [[family === 'ipv4' ? 'iptables' : 'ip6tables', '-t', 'nat', '-F']],
  ipvs: () => [
    ['nft', 'flush', 'ruleset'],
    ['ipvsadm', '-C'],
    ['ip', 'link', 'delete', 'kube-ipvs0'],
  ],
};

const RENDERERS: Record<ProxyMode, (family: IpFamily) => Renderer> = {
  nftables: (family) => new NftRenderer(contextOf(family), { nft, hasRules: nftHasRules }),
  iptables: (family) => new IptablesRenderer(contextOf(family), iptables(family)),
  ipvs: (family) => new IpvsRenderer(contextOf(family), { run, nft, hasRules: nftHasRules }),
};
const MODES: { mode: ProxyMode; isThere: boolean }[] = [
  { mode: 'nftables', isThere: canHave },
  { mode: 'iptables', isThere: hasIptables },
  { mode: 'ipvs', isThere: canIpvs },
];

const endpointsOf = (family: IpFamily) => ADDRESSES[family].pods.map((ip) => ({ ip, port: 8080, isLocal: true }));
const servicePortOf = (family: IpFamily, change: Partial<ServicePort>): ServicePort => ({
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
  isExternalLocal: false,
  isInternalLocal: false,
  affinitySeconds: undefined,
  ...change,
});

for (const { mode, isThere } of MODES) {
  for (const family of ['ipv4', 'ipv6'] as const) {
    describe.skipIf(!isThere)(`${mode}, ${family}`, () => {
      const { client, node, pods, clusterIP, externalIP } = ADDRESSES[family];
      const renderer = RENDERERS[mode](family);
      const endpoints = endpointsOf(family);
      const web = (change: Partial<ServicePort> = {}) => servicePortOf(family, change);
      const serve = (...ports: ServicePort[]) => renderer.put(new Map([['service default/web', wantedOf(ports)]]));
      const wide = (address: string) => `${address}/${family === 'ipv4' ? 32 : 128}`;
      afterAll(() => renderer.remove());

      test('traffic is shared out among the endpoints, whichever way it comes; a pod may reach itself', async () => {
        await serve(web({ externalIPs: [externalIP] }));
        for (const [from, address, port] of [
          ['client', node, 30_080],
          ['client', externalIP, 80],
          ['pod1', clusterIP, 80],
          ['node', clusterIP, 80],
          ['pod1', node, 30_080],
        ] as const)
          expect(namesIn(await ask(from, address, port, 20)), `${from} at ${address}`).toEqual(['pod1', 'pod2']);
        const direct = await ask('pod2', clusterIP, 80, 20);
        expect(direct).toContain(`pod1 ${pods[1]}`); // between pods the source is kept
        expect(direct).not.toContain(`pod2 ${pods[1]}`); // but a pod does not meet its own address
      });

      test('what nobody serves is refused, and an address that is no Service’s gets no answer', async () => {
        await serve(web({ endpoints: [], localEndpoints: [], externalIPs: [externalIP] }));
        expect(await once('client', node, 30_080)).toBe('refused');
        expect(await once('client', externalIP, 80)).toBe('refused');
        expect(await once('pod1', clusterIP, 80)).toBe('refused');
        expect(await once('node', clusterIP, 80)).toBe('refused');
        await serve(web());
        expect(await once('pod1', clusterIP, 81)).toBe('refused');
        expect(await dropped('pod1', family === 'ipv4' ? '10.96.0.99' : 'fd00:96::99', 80)).toBe('timeout');
        expect(await once('pod1', clusterIP, 80)).toMatch(/^pod[12] /);
      });

      test('a Local policy keeps the source and uses endpoints of this node only', async () => {
        const local = [endpoints[1]].flatMap((endpoint) => endpoint ?? []);
        await serve(web({ isExternalLocal: true, isInternalLocal: true, localEndpoints: local }));
        expect(new Set(await ask('client', node, 30_080, 8))).toEqual(new Set([`pod2 ${client}`]));
        expect(namesIn(await ask('pod1', clusterIP, 80, 8))).toEqual(['pod2']);
        await serve(web({ isExternalLocal: true, isInternalLocal: true, localEndpoints: [] }));
        expect(await dropped('client', node, 30_080)).toBe('timeout');
        expect(await dropped('pod1', clusterIP, 80)).toBe('timeout');
      });

      test('from within the cluster an outside address stands for all endpoints, also under a Local policy', async () => {
        const outside = { isExternalLocal: true, externalIPs: [externalIP] };
        for (const local of [endpoints.slice(0, 1), []]) {
          await serve(web({ ...outside, localEndpoints: local }));
          const fromOutside = local.length > 0 ? ['pod1'] : ['timeout'];
          const answers =
            local.length > 0 ? ask('client', externalIP, 80, 10) : ask('client', externalIP, 80, 1, SILENT_MS);
          expect(namesIn(await answers)).toEqual(fromOutside);
          for (const [from, address, port] of [
            ['pod1', externalIP, 80],
            ['node', externalIP, 80],
            ['pod2', node, 30_080],
          ] as const)
            expect(namesIn(await ask(from, address, port, 20)), `${from} at ${address}`).toEqual(['pod1', 'pod2']);
        }
      });

      test('an address of a load balancer is for those who may use it', async () => {
        const guarded = { externalIPs: [externalIP], guardedIPs: [externalIP] };
        const pods = ADDRESSES[family].pod;
        await serve(web({ ...guarded, sourceRanges: [pods, wide(client)] }));
        expect(await once('client', externalIP, 80)).toMatch(/^pod[12] /);
        await serve(web({ ...guarded, sourceRanges: [pods] }));
        expect(await dropped('client', externalIP, 80)).toBe('timeout');
        expect(await once('pod1', externalIP, 80)).toMatch(/^pod[12] /);
        expect(await once('client', node, 30_080)).toMatch(/^pod[12] /); // its node port is nobody's in particular
        // Under a Local policy, too, those from within get to all endpoints, if they may use it.
        const far = { ...guarded, isExternalLocal: true, localEndpoints: [] };
        await serve(web({ ...far, sourceRanges: [pods] }));
        expect(await once('pod1', externalIP, 80)).toMatch(/^pod[12] /);
        await serve(web({ ...far, sourceRanges: [wide(client)] }));
        expect(await Promise.all(['pod1', 'client'].map((from) => dropped(from, externalIP, 80)))).toEqual([
          'timeout',
          'timeout',
        ]);
      });

      test('a client stays with its endpoint under session affinity', async () => {
        await serve(web({ affinitySeconds: 60 }));
        expect(new Set(await ask('client', node, 30_080, 12)).size).toBe(1);
        expect(namesIn(await ask('pod1', clusterIP, 80, 12))).toHaveLength(1);
        await serve(web({ affinitySeconds: 60, endpoints: endpoints.slice(1), localEndpoints: endpoints.slice(1) }));
        expect(namesIn(await ask('client', node, 30_080, 3))).toEqual(['pod2']);
      });

      test('an endpoint that comes takes no client from another, and one that goes only its own', async () => {
        const ways = [
          ['client', node, 30_080],
          ['client', externalIP, 80],
          ['pod1', clusterIP, 80],
          ['node', clusterIP, 80],
        ] as const;
        const others = { ip: pods[1], port: 9, isLocal: true }; // nobody is there
        const sticky = (all: ServicePort['endpoints']) =>
          serve(web({ affinitySeconds: 60, externalIPs: [externalIP], endpoints: all, localEndpoints: all }));
        for (const one of endpoints) {
          await sticky([one]);
          const [name] = namesIn(await ask('client', node, 30_080));
          for (const [from, address, at] of ways) expect(namesIn(await ask(from, address, at))).toEqual([name]);
          for (const all of [endpoints, [...endpoints, others], endpoints]) {
            await sticky(all);
            for (const [from, address, at] of ways)
              expect(namesIn(await ask(from, address, at, 2)), `${from} at ${address}`).toEqual([name]);
          }
        }
      });

      test('several ports and protocols of one Service; a UDP flow leaves an endpoint that goes', async () => {
        const udp = (only: number): ServicePort => {
          const one = endpoints.slice(only, only + 1);
          return web({
            id: 'default/web:dns',
            protocol: 'udp',
            port: 53,
            nodePort: undefined,
            endpoints: one,
            localEndpoints: one,
          });
        };
        const sctp = web({ id: 'default/web:sctp', protocol: 'sctp', port: 99, nodePort: undefined });
        await serve(web(), udp(0), sctp);
        // One socket, so one flow, that asks whenever it is told to.
        const script = `const u=require('dgram').createSocket('udp${family === 'ipv4' ? 4 : 6}');u.on('message',m=>console.log(String(m)));
          process.stdin.on('data',()=>u.send('?',53,'${clusterIP}'));u.bind(0,()=>console.log('up'))`;
        const asker = spawn('nsenter', [entered('client'), process.execPath, '-e', script], {
          stdio: ['pipe', 'pipe', 'inherit'],
        });
        servers.push(asker);
        let said = '';
        asker.stdout.on('data', (text) => {
          said += text;
        });
        await expect.poll(() => said, { timeout: 60_000 }).toContain('up');
        const answers = async (name: string) => {
          said = '';
          await expect
            .poll(
              () => {
                asker.stdin.write('?');
                return said;
              },
              { timeout: 60_000, interval: 100 },
            )
            .toContain(name);
        };
        await answers('pod1');
        await serve(web(), udp(1), sctp);
        const more = family === 'ipv6' ? ['-f', 'ipv6'] : [];
        for (const call of staleFlows([udp(0)], [udp(1)]))
          try {
            inside('node', 'conntrack', [...call, ...more]);
          } catch {
            // it had none of these
          }
        await answers('pod2');
        asker.kill('SIGKILL');
        expect(namesIn(await ask('pod1', clusterIP, 80, 20))).toEqual(['pod1', 'pod2']);
      });

      test('rules that somebody flushed are missed, and come back whole', async () => {
        await serve(web());
        expect(await renderer.isInForce()).toBe(true);
        for (const [command, ...args] of flushes[mode](family)) {
          inside('node', command, args);
          expect(await renderer.isInForce(), [command, ...args].join(' ')).toBe(false);
          renderer.forget();
          await renderer.put(new Map());
          expect(await renderer.isInForce()).toBe(true);
          expect(await once('client', node, 30_080)).toMatch(/^pod[12] /);
        }
      });

      test('a trace reads what the rules do', async () => {
        const asked: Ask = async (command, args) => {
          try {
            return inside('node', command, args);
          } catch {
            return undefined;
          }
        };
        const state = async (port: number) =>
          (await networkFacts({ front: `${clusterIP} . tcp . ${port}` }, asked)).front?.state;
        await serve(web());
        expect(await state(80)).toBe('endpoints');
        expect(await state(81)).toBe('absent');
        await serve(web({ endpoints: [], localEndpoints: [] }));
        expect(await state(80)).toBe('refused');
        await serve(web({ isInternalLocal: true, localEndpoints: [] }));
        expect(await state(80)).toBe('dropped');
      });

      test('a Service that goes leaves nothing, and so does the mode itself', async () => {
        await serve(web({ externalIPs: [externalIP], affinitySeconds: 60 }));
        await renderer.put(new Map([['service default/web', undefined]]));
        const rules = () =>
          mode === 'nftables'
            ? inside('node', 'nft', ['list', 'ruleset'])
            : inside('node', family === 'ipv4' ? 'iptables-save' : 'ip6tables-save', []);
        for (const trace of [clusterIP, pods[0], 'aff-', 'KUBE-SEP', 'KUBE-SVC', '30080'])
          expect(rules()).not.toContain(trace);
        expect(await once('client', node, 30_080)).toBe('refused');
        await renderer.remove();
        expect(rules()).not.toMatch(/KUBE-|kube-proxy/);
      });

      // Of IPv6 the kernel leads nothing from its loopback elsewhere.
      const ofLoopback = family === 'ipv4' ? test : () => undefined;
      ofLoopback("a host port of the node's loopback is reached from the node, and from nowhere else", async () => {
        const podWithPort = pod('local', {
          containers: [{ name: 'main', ports: [{ containerPort: 8080, hostPort: 54_323, hostIP: '127.0.0.1' }] }],
        });
        const wanted = hostPortsOf({ ...podWithPort, status: { podIPs: [{ ip: pods[0] }] } } as Pod, family);
        await renderer.put(new Map([['pod default/local', wanted]]));
        expect(await once('node', '127.0.0.1', 54_323)).toMatch(/^pod1 10\.244\.1\.1$|^pod1 172\.31\.9\.2$/); // the node's address, so that it answers
        expect(await once('client', node, 54_323)).not.toContain('pod1');
        const all = pod('all', {
          containers: [{ name: 'main', ports: [{ containerPort: 8080, hostPort: 54_324 }] }],
        });
        const everywhere = hostPortsOf({ ...all, status: { podIPs: [{ ip: pods[1] }] } } as Pod, family);
        await renderer.put(new Map([['pod default/all', everywhere]]));
        expect(await once('client', node, 54_324)).toBe(`pod2 ${client}`);

        // A neighbour sends for the loopback address over the wire.
        inside('client', 'sysctl', ['-qw', 'net.ipv4.conf.all.route_localnet=1']);
        const moved = ['127.0.0.0/8', '127.0.0.1'];
        for (const local of moved) batch('client', `route delete local ${local} table local`);
        batch('client', `route add 127.0.0.1/32 via ${node} src ${client}`);
        const count = 'iifname "uplink" ip daddr 127.0.0.0/8 counter';
        const behind = '{ type filter hook prerouting priority mangle; }';
        await nft([`add table ip seen`, `add chain ip seen c ${behind}`, `add rule ip seen c ${count}`]);
        expect(await dropped('client', '127.0.0.1', 54_323)).toBe('timeout');
        expect(inside('node', 'nft', ['list', 'table', 'ip', 'seen'])).toContain('counter packets 0 ');
        await nft(['delete table ip seen']);
        batch('client', `route delete 127.0.0.1/32 via ${node}`);
        for (const local of moved) batch('client', `route add local ${local} dev lo table local`);
      });
    });
  }
}

/** From each to each other, where there are three. */
const CHANGES: readonly ProxyMode[] = ['nftables', 'ipvs', 'iptables', 'nftables', 'iptables', 'ipvs', 'nftables'];
const isThereOf = (of: ProxyMode): boolean => MODES.some(({ mode, isThere }) => mode === of && isThere);

/** What a mode leaves where it is not taken away. */
const traces: Record<ProxyMode, (family: IpFamily) => string> = {
  nftables: (family) =>
    inside('node', 'nft', ['list', 'tables']).match(`${familyWord(family)} kube-proxy\n`)?.[0] ?? '',
  iptables: (family) =>
    inside('node', family === 'ipv4' ? 'iptables-save' : 'ip6tables-save', []).match(/KUBE-\S+/)?.[0] ?? '',
  ipvs: (family) => {
    const table = inside('node', 'nft', ['list', 'tables']).match(`${familyWord(family)} kube-proxy-ipvs`)?.[0] ?? '';
    const device = inside('node', 'ip', ['-o', 'link', 'show']).match('kube-ipvs0')?.[0] ?? '';
    const servers = canIpvs ? inside('node', 'ipvsadm', ['-Sn']) : '';
    return `${table}${device}${servers}`;
  },
};

describe.skipIf(!hasIptables).each(['ipv4', 'ipv6'] as const)('a node that changes its mode, %s', (family) => {
  const { node, pods, clusterIP } = ADDRESSES[family];
  const [only] = pods;
  const port = servicePortOf(family, { endpoints: [{ ip: only, port: 8080, isLocal: true }] });
  const wanted = new Map([['service default/web', wantedOf([port])]]);
  const ofMode = (mode: ProxyMode) => RENDERERS[mode](family);
  afterAll(() => Promise.all(MODES.filter(({ isThere }) => isThere).map(({ mode }) => ofMode(mode).remove())));

  test('serves in the new one, and nothing of the old one is left', async () => {
    for (const mode of CHANGES.filter(isThereOf)) {
      await ofMode(mode).put(wanted);
      const tools = { run, hasRules: nftHasRules, rendererOf: (other: ProxyMode) => ofMode(other) };
      await removeOtherModes(mode, [contextOf(family)], tools);
      expect(await once('client', node, 30_080), mode).toMatch(/^pod1 /);
      expect(await once('pod2', clusterIP, 80), mode).toBe(`pod1 ${pods[1]}`);
      expect(traces[mode](family)).not.toBe('');
      for (const { mode: other } of MODES)
        if (other !== mode) expect(traces[other](family), `${other} in ${mode}`).toBe('');
    }
  });
});
