/** The rules of kube-proxy's modes against a real kernel, each in both families: the same packets, the same answers. */
import { spawn } from 'node:child_process';
import { afterAll, describe, expect, test } from 'vitest';
import type { Pod } from '#api/generated/schema.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { silentLog } from '#base/log.ts';
import { ManualClock } from '#base/manual-clock.ts';
import { familyWord, type IpFamily } from '#network/netfilter/ip-family.ts';
import { startNetworkPolicy } from '#network/policy/start-network-policy.ts';
import { type ConntrackCall, flowsTo, goneBetween, halfOpenFlows } from '#network/proxy/conntrack.ts';
import { wantedOf } from '#network/proxy/fronts.ts';
import { hostPortsOf } from '#network/proxy/host-ports.ts';
import { leftFlows } from '#network/proxy/left-flows.ts';
import type { ProxyMode } from '#network/proxy/modes.ts';
import type { ServicePort } from '#network/proxy/service-port.ts';
import { type Ask, networkFacts } from '#network/trace/node-facts.ts';
import { pod } from '#testing/builders.ts';
import { fixedInformers } from '#testing/fixed-informers.ts';

import {
  ADDRESSES,
  ask,
  batch,
  dropped,
  endpointsOf,
  entered,
  inside,
  MODES,
  namesIn,
  nft,
  nftHasRules,
  once,
  RENDERERS,
  SILENT_MS,
  servers,
  servicePortOf,
  useProxyLab,
} from './proxy-modes-lab.ts';

useProxyLab();

function forget(calls: readonly ConntrackCall[]): void {
  for (const call of calls)
    try {
      inside('node', 'conntrack', call);
    } catch {
      // it had none of these, or IPVS was first, whose flows end with the endpoint
    }
}

async function* lines(listing: string) {
  yield* listing.split('\n');
}

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

      test('a client stays with its endpoint when who writes the rules starts anew', async () => {
        const ways = [
          ['client', node, 30_080],
          ['client', externalIP, 80],
          ['pod1', clusterIP, 80],
          ['node', clusterIP, 80],
        ] as const;
        const sticky = (all: ServicePort['endpoints'], by = renderer) => {
          const port = web({ affinitySeconds: 600, externalIPs: [externalIP], endpoints: all, localEndpoints: all });
          return by.put(new Map([['service default/web', wantedOf([port])]]));
        };
        for (const one of endpoints) {
          await sticky([one]);
          const [name] = namesIn(await ask('client', node, 30_080));
          for (const [from, address, at] of ways) expect(namesIn(await ask(from, address, at))).toEqual([name]);
          await sticky(endpoints);
          await sticky(endpoints, RENDERERS[mode](family));
          renderer.forget(); // it is not the one that wrote last
          for (const [from, address, at] of ways)
            expect(namesIn(await ask(from, address, at, 2)), `${from} at ${address}`).toEqual([name]);
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
        forget(flowsTo(goneBetween([udp(0)], [udp(1)]), family));
        await answers('pod2');
        await serve(web(), udp(0), sctp); // as after a time in which nobody kept the rules
        const listed = inside('node', 'conntrack', ['-L', '-f', family, '-p', 'udp']);
        forget(await leftFlows(lines(listed), { family, ports: [udp(0)], nodeIPs: new Set() }));
        await answers('pod1');
        asker.kill('SIGKILL');
        expect(namesIn(await ask('pod1', clusterIP, 80, 20))).toEqual(['pod1', 'pod2']);
      });

      test('who asks an endpoint that is lost is led to another by the next try', async () => {
        const only = (turn: number) => {
          const one = endpoints.slice(turn, turn + 1);
          return web({ endpoints: one, localEndpoints: one });
        };
        const lose = 'table inet lost { chain in { type filter hook input priority 0; tcp dport 8080 drop; }; }';
        inside('pod1', 'nft', [lose]);
        try {
          await serve(only(0));
          const answer = once('client', node, 30_080);
          const halfOpen = ['-L', '-f', family, '-p', 'tcp', '--state', 'SYN_SENT'];
          await expect.poll(() => inside('node', 'conntrack', halfOpen), { timeout: 10_000 }).toContain(pods[0]);
          await serve(only(1));
          forget(halfOpenFlows([pods[0]], family));
          expect(await answer).toMatch(/^pod2 /);
        } finally {
          inside('pod1', 'nft', ['delete table inet lost']);
        }
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

      test('what a policy forbids is not to be had by way of a Service', async () => {
        const ending = new AbortController();
        const [first, second] = pods;
        const at = (name: string, address: string) => ({
          apiVersion: 'v1',
          kind: 'Pod',
          ...pod(name, { nodeName: 'node1' }, { labels: { name } }),
          status: { podIPs: [{ ip: address }] },
        });
        const from = [{ ipBlock: { cidr: wide(second) } }];
        const objects = [
          { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'default' } },
          at('pod1', first),
          at('pod2', second),
          {
            apiVersion: 'networking.k8s.io/v1',
            kind: 'NetworkPolicy',
            metadata: { name: 'neighbours', namespace: 'default' },
            spec: { podSelector: { matchLabels: { name: 'pod1' } }, policyTypes: ['Ingress'], ingress: [{ from }] },
          },
        ] as unknown as KubeObject[];
        const policies = startNetworkPolicy({
          nodeName: 'node1',
          informers: fixedInformers(objects),
          clock: new ManualClock(),
          log: silentLog,
          signal: ending.signal,
          tables: [{ family, podRanges: [ADDRESSES[family].pod] }],
          nft,
          hasRules: nftHasRules,
        });
        await policies.ready;
        const [one] = endpoints;
        const only = { endpoints: one ? [one] : [], localEndpoints: one ? [one] : [], isExternalLocal: true };
        await serve(web(only));
        const arrived = `${familyWord(family)} saddr ${client} tcp dport 8080 counter`;
        inside('pod1', 'nft', [
          `add table inet seen; add chain inet seen c { type filter hook input priority 0; }; add rule inet seen c ${arrived}`,
        ]);
        expect(await once('pod2', clusterIP, 80)).toBe(`pod1 ${second}`);
        expect(await dropped('client', node, 30_080)).toBe('timeout');
        expect(inside('pod1', 'nft', ['list', 'table', 'inet', 'seen'])).toContain('counter packets 0 ');
        inside('pod1', 'nft', ['delete', 'table', 'inet', 'seen']);
        ending.abort();
        await policies.stopped;
        await nft([`delete table ${familyWord(family)} network-policy`]);
        expect(await once('client', node, 30_080)).toBe(`pod1 ${client}`);
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
