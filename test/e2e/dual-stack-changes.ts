/** What breaks or changes under pods that are in use: endpoints, rules, the API server, the mode of the proxy, nodes. */
import { expect, test } from 'vitest';
import {
  ask,
  asked,
  cluster,
  fetchedBy,
  fromClient,
  inNode,
  nodeAddresses,
  reaches,
  type Service,
  serviceNamed,
  urlOf,
} from './dual-stack-ground.ts';
import { NODES } from './dual-stack-objects.ts';
import { inNetworkOf, pidOf, reconfigured } from './node-processes.ts';
import { eventually, holds, run } from './running-cluster.ts';
import { signalProcess } from './signal-process.ts';

/** Each finds what the one before has left, and the last ones leave no cluster that others could use. */
export function changesUnderPods(): void {
  test('a flow of UDP follows its endpoint to another node in the mode iptables', async () => {
    const [ip = ''] = (await serviceNamed('datagrams')).spec.clusterIPs;
    const question = JSON.stringify([{ how: 'udp', address: ip, port: 80, from: 5_353 }]);
    const becomes = (name: string) =>
      eventually(`${name} answers`, async () => (await fromClient('node', '/ask.mjs', question)) === `["${name}"]`);
    const selected = (on: string) =>
      cluster.kubectl('patch', 'service', 'datagrams', '-p', `{"spec":{"selector":{"on":"${on}"}}}`);
    await becomes('three');
    await selected('node2');
    await becomes('two');
    await selected('node3');
    await becomes('three');
  });

  test('rules of iptables that somebody flushed on every node come back, and packets flow', async () => {
    const pids = await Promise.all(NODES.map((node) => pidOf(cluster, `${node}/net`)));
    const [balancers, { spec }] = await eventually('addresses of the load balancer', async () => {
      const both = await serviceNamed('both');
      const { ingress = [] } = both.status.loadBalancer;
      return ingress.length === 2 && ([ingress.map(({ ip }) => ip), both] as const);
    });
    const nodePort = spec.ports[0]?.nodePort ?? 0;
    const families = ['iptables', 'ip6tables'] as const;
    const areThere = () =>
      holds('the rules are there', async () => {
        for (const pid of pids)
          for (const [i, family] of families.entries()) {
            const saved = await inNetworkOf(pid, [`${family}-save`]);
            for (const ip of [spec.clusterIPs[i], balancers[i]])
              expect(saved).toMatch(new RegExp(`^-A KUBE-SERVICES -d ${ip}/.* -j KUBE-SVC-`, 'm'));
            for (const rule of [
              'PREROUTING -j KUBE-GUARD',
              'PREROUTING -j KUBE-SERVICES',
              'FORWARD .*-j KUBE-SERVICES',
              'POSTROUTING -j KUBE-POSTROUTING',
              `KUBE-NODEPORTS .*--dport ${nodePort} .*-j KUBE-SVC-`,
            ])
              expect(saved).toMatch(new RegExp(`^-A ${rule}`, 'm'));
          }
      });
    await areThere();
    const flushing = pids.flatMap((pid) =>
      families.map(async (family) => {
        for (const table of ['nat', 'filter', 'raw']) await inNetworkOf(pid, [family, '-w', '5', '-t', table, '-F']);
      }),
    );
    await Promise.all(flushing);
    await areThere();
    for (const ip of spec.clusterIPs) await reaches('a Service', ip, 80);
    const onNodes = (await nodeAddresses()).flat().map((ip) => urlOf(ip, nodePort));
    await holds('each node answers this machine', async () => {
      for (const name of await Promise.all(onNodes.map(asked))) expect(name).toMatch(/^(two|three)$/);
    });
  });

  test('names and Services answer while the API server does not', async () => {
    const [controlPlane, net] = await Promise.all(['control-plane', 'node1/net'].map((name) => pidOf(cluster, name)));
    const dns = await cluster.json<Service>('get', 'service', 'kube-dns', '-n', 'kube-system').catch(() => undefined);
    const { spec } = await serviceNamed('both');
    const servers = dns?.spec.clusterIPs ?? [(spec.clusterIPs[0] ?? '').replace(/\.\d+\.\d+$/, '.0.10')];
    const onNode = (...command: string[]) =>
      run('nsenter', ['-t', String(net), '-n', ...command], { timeoutMs: 60_000 });
    signalProcess(controlPlane ?? 0, 'SIGSTOP');
    try {
      for (const server of servers) {
        const { stdout } = await onNode('busybox', 'nslookup', '-type=aaaa', 'both.default.svc.cluster.local', server);
        expect(stdout).toContain(spec.clusterIPs[1]);
      }
      for (const ip of spec.clusterIPs) {
        const asks = `fetch('${urlOf(ip, 80)}').then(({status})=>process.exit(status===200?0:1),()=>process.exit(2))`;
        expect((await onNode(process.execPath, '-e', asks)).code, ip).toBe(0);
      }
    } finally {
      signalProcess(controlPlane ?? 0, 'SIGCONT');
    }
  });

  test('the mode of the proxy changes under the pods, and leaves nothing of the former', async () => {
    const rulesOf = async (node: string) => {
      const [saved, saved6, tables] = await Promise.all([
        inNode(node, 'iptables-save'),
        inNode(node, 'ip6tables-save'),
        inNode(node, 'nft', 'list', 'tables'),
      ]);
      return [saved, saved6].map((text) => text.includes('KUBE-SVC')).concat(/ ip6? kube-proxy$/m.test(tables));
    };
    for (const node of NODES) expect(await rulesOf(node)).toEqual([true, true, false]);
    for (const node of NODES) await reconfigured(cluster, `${node}/net`, { proxyMode: 'nftables' });
    await holds('rules of nftables only', async () => {
      for (const node of NODES) expect(await rulesOf(node)).toEqual([false, false, true]);
    });
    const { clusterIPs, ports } = (await serviceNamed('both')).spec;
    for (const ip of clusterIPs) await reaches('a Service', ip, 80);
    for (const of of await nodeAddresses())
      for (const ip of of) await reaches('a node port', ip, ports[0]?.nodePort ?? 0);
  });

  test('a node that is removed leaves no route, no rule and no way to it on the others', async () => {
    const { spec } = await cluster.json<{ spec: { podCIDRs: string[] } }>('get', 'node', 'node3');
    const [, , own = []] = await nodeAddresses();
    const its = [...spec.podCIDRs.map((cidr) => cidr.replace(/(\.0|:)\/\d+$/, '')), ...own];
    const naming = new RegExp(`(?<![\\w.:])(${its.map((text) => text.replaceAll('.', '\\.')).join('|')})(?!\\w)`);
    const heldBy = async (node: string) => {
      const [ways, ways6, forwarding, rules] = await Promise.all([
        inNode(node, 'ip', 'route', 'show'),
        inNode(node, 'ip', '-6', 'route', 'show'),
        inNode(node, 'bridge', 'fdb', 'show', 'dev', 'kedge-vxlan'),
        inNode(node, 'nft', 'list', 'ruleset'),
      ]);
      const of = (text: string) => text.split('\n').filter((line) => naming.test(line));
      return { ways: of(ways), ways6: of(ways6), forwarding: of(forwarding), rules: of(rules) };
    };
    for (const node of ['node1', 'node2'])
      for (const lines of Object.values(await heldBy(node))) expect(lines).not.toEqual([]);
    await cluster.kubectl('delete', 'service', 'guarded'); // which names its pods as those that may ask
    await cluster.kubectl('delete', 'pod', 'three', 'client-node3', '--now'); // those of a lost node stay for a while
    await cluster.kedge('node', 'remove', 'node3', '--name', cluster.name);
    await holds('nothing of it is held', async () => {
      for (const node of ['node1', 'node2'])
        expect(await heldBy(node)).toEqual({ ways: [], ways6: [], forwarding: [], rules: [] });
    });
    for (const ip of (await serviceNamed('both')).spec.clusterIPs)
      await holds(`${ip} leads to the pod that is left`, async () => {
        const said = await Promise.all(['node1', 'node2'].map((node) => fetchedBy(node, urlOf(ip, 80))));
        expect(said).toEqual(['two', 'two']);
      });
  });

  test('a load balancer without nodes is unreachable, and is not left behind', async () => {
    const { ingress = [] } = (await serviceNamed('both')).status.loadBalancer;
    const ip = ingress[1]?.ip ?? '';
    await cluster.kubectl('label', 'nodes', '--all', 'node.kubernetes.io/exclude-from-external-load-balancers=');
    await eventually('the route to nowhere', async () => (await routeTo(ip)).startsWith('unreachable'));
    unreachable = ip;
  });
}

/** Of a load balancer; goes with the cluster. */
let unreachable: string | undefined;
const routeTo = async (ip: string) => (await run('ip', ['-6', 'route', 'show', ip])).stdout;
/** For when the cluster is gone. */
export async function nothingIsLeft(): Promise<void> {
  if (unreachable) expect(await routeTo(unreachable)).toBe('');
}
