/**
 * A cluster of three nodes with addresses of both families, in kube-proxy's mode iptables and with pods' packets in VXLAN, driven by
 * stock kubectl: pods, Services, names, node ports and policies in IPv6. At last the mode changes under the pods.
 */
import { createSocket } from 'node:dgram';
import dnsPacket from 'dns-packet';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { changesUnderPods, nothingIsLeft } from './dual-stack-changes.ts';
import {
  ask,
  asked,
  cluster,
  fetched,
  fetchedBy,
  fromClient,
  fromNode,
  hasIpv6,
  inNode,
  isIpv6,
  nodeAddresses,
  type Pod,
  reaches,
  type Service,
  serviceNamed,
  start,
  urlOf,
} from './dual-stack-ground.ts';
import { EXTERNAL_IP, EXTERNAL_IP6, manifest, NODES } from './dual-stack-objects.ts';
import { eventually, holds, KEDGE, run } from './running-cluster.ts';

beforeAll(async () => {
  if (hasIpv6) await start();
});
afterAll(async () => {
  if (!hasIpv6) return;
  await cluster.down();
  await nothingIsLeft();
});

const packetsInVxlan = () =>
  Promise.all(
    NODES.map(async (node) => {
      const [link] = JSON.parse(await inNode(node, 'ip', '-json', '-statistics', 'link', 'show', 'kedge-vxlan')) as {
        stats64: { tx: { packets: number } };
      }[];
      return link?.stats64.tx.packets ?? 0;
    }),
  );

test.skipIf(!hasIpv6)(
  'pods and nodes have an address of each family, and pods of three nodes reach one another at both, in VXLAN',
  async () => {
    const before = await packetsInVxlan();
    const pod = await cluster.json<Pod>('get', 'pod', 'two');
    const ips = pod.status.podIPs.map(({ ip }) => ip);
    expect(ips.map(isIpv6)).toEqual([false, true]);
    expect(pod.status.podIP).toBe(ips[0]);
    expect(pod.status.hostIPs.map(({ ip }) => isIpv6(ip))).toEqual([false, true]);
    for (const ip of ips) await reaches('a pod of another node', ip, 8080);
    // Between pods there is no other address but theirs.
    for (const node of ['node1', 'node3']) {
      const client = await cluster.json<Pod>('get', 'pod', `client-${node}`);
      for (const [i, ip] of ips.entries())
        await holds(`${ip} sees who asks`, async () =>
          expect(await fetchedBy(node, `${urlOf(ip, 8080)}/clientip`)).toBe(client.status.podIPs[i]?.ip),
        );
    }
    const both = await cluster.json<Pod>('get', 'pod', 'three');
    const urls = [pod, both].flatMap(({ status }) => status.podIPs.map(({ ip }) => urlOf(ip, 8080)));
    const fetchAll = `Promise.all(${JSON.stringify(urls)}.map((url)=>fetch(url).then((answer)=>answer.text()))).then(String).then(console.log)`;
    for (const node of NODES)
      await holds(`${node} itself reaches them`, async () =>
        expect((await inNode(node, process.execPath, '-e', fetchAll)).trim()).toBe('two,two,three,three'),
      );
    const after = await packetsInVxlan();
    for (const [i, count] of after.entries()) expect(count).toBeGreaterThan(before[i] ?? 0);
    expect(await fromClient('sh', '-c', 'echo $POD_IPS')).toMatch(/^[\d.]+,[0-9a-f:]+$/);
    const nodes = await cluster.json<{ items: { spec: { podCIDRs: string[] } }[] }>('get', 'nodes');
    for (const { spec } of nodes.items) expect(spec.podCIDRs.map(isIpv6)).toEqual([false, true]);
  },
);

test.skipIf(!hasIpv6)('a Service has addresses of the families that it asks for, and answers at each', async () => {
  const { spec } = await serviceNamed('both');
  expect(spec).toMatchObject({ ipFamilies: ['IPv4', 'IPv6'], ipFamilyPolicy: 'PreferDualStack' });
  for (const ip of spec.clusterIPs) await reaches('a Service', ip, 80);
  expect((await serviceNamed('plain')).spec).toMatchObject({ ipFamilies: ['IPv4'], ipFamilyPolicy: 'SingleStack' });
  const [six = ''] = (await serviceNamed('six')).spec.clusterIPs;
  expect(isIpv6(six)).toBe(true);
  await reaches('a Service of IPv6 alone', six, 80);
  const slices = await cluster.json<{ items: { addressType: string }[] }>(
    'get',
    'endpointslices',
    '-l',
    'kubernetes.io/service-name=both',
  );
  expect(slices.items.map(({ addressType }) => addressType).sort()).toEqual(['IPv4', 'IPv6']);
  await cluster.kubectl('patch', 'service', 'plain', '-p', '{"spec":{"ipFamilyPolicy":"RequireDualStack"}}');
  const [, second = ''] = (await serviceNamed('plain')).spec.clusterIPs;
  await reaches('the address that came with the second family', second, 80);
  await cluster.kubectl('patch', 'service', 'plain', '-p', '{"spec":{"ipFamilyPolicy":"SingleStack"}}');
  expect((await serviceNamed('plain')).spec.clusterIPs).toHaveLength(1);
});

test.skipIf(!hasIpv6)('Local policies and affinity hold in both families, from node to node', async () => {
  const port = (await serviceNamed('local')).spec.ports[0]?.nodePort ?? 0;
  const addresses = (await nodeAddresses()).map((of) => of.map((ip) => urlOf(ip, port)));
  await holds('only nodes with an endpoint answer this machine', async () => {
    const said = await Promise.all(addresses.map((urls) => Promise.all(urls.map((url) => asked(url)))));
    expect(said).toEqual([
      [undefined, undefined],
      ['two', 'two'],
      ['three', 'three'],
    ]);
  });
  for (const ip of (await serviceNamed('sticky')).spec.clusterIPs) {
    await reaches('a Service with affinity', ip, 80);
    const loop = `for i in $(seq 12); do timeout 3 wget -qO- ${urlOf(ip, 80)}; echo; done`;
    await eventually('always the same one answers', async () => {
      const said = (await fromClient('sh', '-c', loop)).split('\n');
      return said.length === 12 && new Set(said).size === 1;
    });
  }
  for (const ip of (await serviceNamed('forgetful')).spec.clusterIPs) {
    const first = await eventually('it is answered', () => fetched(ip, 80));
    await eventually('another endpoint has the turn', async () => {
      const name = await fromClient('sh', '-c', `sleep 3; timeout 3 wget -qO- ${urlOf(ip, 80)}`);
      return /^(two|three)$/.test(name) && name !== first;
    });
  }
});

test.skipIf(!hasIpv6)(
  'in the mode iptables, too, each kind of Service leads where it should on every node',
  async () => {
    const ways = await Promise.all(['several', 'inner', 'nobody'].map(serviceNamed));
    const [several = [], inner = [], nobody = []] = ways.map(({ spec }) => spec.clusterIPs);
    const guarded = await eventually('addresses of the load balancer', async () => {
      const { ingress = [] } = (await serviceNamed('guarded')).status.loadBalancer;
      return ingress.length === 2 && ingress.map(({ ip }) => ip);
    });
    const nodes = await cluster.json<{ items: { spec: { podCIDRs: string[] } }[] }>('get', 'nodes');
    const loadBalancerSourceRanges = nodes.items.flatMap(({ spec }) => spec.podCIDRs);
    await cluster.kubectl('patch', 'service', 'guarded', '-p', JSON.stringify({ spec: { loadBalancerSourceRanges } }));
    const claims: [addresses: string[], ports: number[], wanted: (node: string) => unknown][] = [
      [[...several, EXTERNAL_IP, EXTERNAL_IP6], [80, 81], () => '200 three'],
      [inner, [80], (node) => (node === 'node2' ? '200 two' : 'timeout')],
      [nobody, [80], () => 'ECONNREFUSED'],
      [guarded, [80], () => expect.stringMatching(/^200 (two|three)$/)],
    ];
    const all = claims.flatMap(([addresses, ports, wanted]) =>
      addresses.flatMap((address) => ports.map((port) => ({ how: 'http', address, port, withinMs: 2_000, wanted }))),
    );
    await holds('pods of each node are answered', async () => {
      const said = await Promise.all(NODES.map((node) => fromNode(node, 'node', '/ask.mjs', JSON.stringify(all))));
      expect(said.map((text) => JSON.parse(text))).toEqual(NODES.map((node) => all.map(({ wanted }) => wanted(node))));
    });
    for (const ip of guarded) await holds('not this machine', async () => expect(await ask(ip, 80)).toBe(false));
    const loop = (ip: string) => `for i in $(seq 16); do timeout 3 wget -qO- ${urlOf(ip, 80)}; echo; done`;
    for (const ip of (await serviceNamed('both')).spec.clusterIPs)
      await holds('a pod reaches itself by its Service', async () => {
        const { stdout } = await cluster.tryKubectl(['exec', 'two', '--', 'sh', '-c', loop(ip)]);
        expect(stdout.split('\n')).toContain('two');
      });
  },
);

test.skipIf(!hasIpv6)('a trace tells the way through the rules of iptables', async () => {
  const env = { KUBECONFIG: await cluster.kubeconfig() };
  const words = ['trace', 'http://both/', '--from', 'pod/client-node1', '--send'];
  const traced = () => run(process.execPath, [KEDGE, ...words], { env });
  await holds('every hop is told', async () => {
    const { code, stdout, stderr } = await traced();
    expect([stderr, code, stdout]).toEqual([
      '',
      0,
      expect.stringMatching(/✓ address +\S+ is the ClusterIP of Service default\/both/),
    ]);
    expect(stdout).toMatch(/the rules of node node1 lead to its endpoints/);
    expect(stdout).toMatch(/✓ endpoints +2 of 2 may be used/);
    expect(stdout).toMatch(/✓ request +was sent, and answered 200/);
  });
});

test.skipIf(!hasIpv6)('names have records of both families, and addresses have names', async () => {
  const { spec } = await serviceNamed('both');
  const v6 = spec.clusterIPs[1] ?? '';
  await holds('a Service has a record, and its address a name', async () => {
    expect(await fromClient('nslookup', '-type=aaaa', 'both.default.svc.cluster.local')).toContain(v6);
    expect(await fromClient('nslookup', v6)).toContain('both.default.svc.cluster.local');
  });
  const pods = await cluster.json<{ items: Pod[] }>('get', 'pods', '-l', 'app=server');
  await holds('a headless Service has a record of each pod', async () => {
    const found = await fromClient('nslookup', '-type=aaaa', 'names.default.svc.cluster.local');
    for (const { status } of pods.items) expect(found).toContain(status.podIPs[1]?.ip);
  });
});

test.skipIf(!hasIpv6)('node ports, host ports and load balancers answer in IPv6, from this machine', async () => {
  const { spec } = await serviceNamed('both');
  const addresses = (await nodeAddresses()).flat().filter(isIpv6);
  expect(addresses).toHaveLength(3);
  // Of pods, too, by way of a node that is neither theirs nor the endpoint's.
  const url = urlOf(addresses[2] ?? '', spec.ports[0]?.nodePort ?? 0);
  await eventually('two answers node1 by node3', async () => (await fetchedBy('node1', url)) === 'two');
  const balancers = await eventually('addresses of the load balancer', async () => {
    const { ingress = [] } = (await serviceNamed('both')).status.loadBalancer;
    return ingress.length === 2 && ingress.map(({ ip }) => ip);
  });
  expect(balancers.map(isIpv6)).toEqual([false, true]);
  const nodePort = spec.ports[0]?.nodePort ?? 0;
  for (const [ip, port] of [
    ...addresses.map((at) => [at, nodePort] as const),
    ...addresses.slice(1).map((at) => [at, 18_080] as const),
    [balancers[1] ?? '', 80],
  ] as const)
    await eventually(`${ip} ${port} answers`, () => ask(ip, port));
});

test.skipIf(!hasIpv6)('an Ingress answers at an address of each family', async () => {
  const backend = { service: { name: 'both', port: { name: 'web' } } };
  const ingress = { apiVersion: 'networking.k8s.io/v1', kind: 'Ingress', metadata: { name: 'both' } };
  await cluster.apply(manifest({ ...ingress, spec: { defaultBackend: backend } }));
  const addresses = await eventually('addresses of the Ingress', async () => {
    const { status } = await cluster.json<Service>('get', 'ingress', 'both');
    return status.loadBalancer.ingress?.length === 2 && status.loadBalancer.ingress.map(({ ip }) => ip);
  });
  expect(addresses.map(isIpv6)).toEqual([false, true]);
  for (const ip of addresses) await eventually(`${ip} answers`, () => ask(ip, 80));
});

test.skipIf(!hasIpv6)('names of a stub domain are asked of its own resolver', async () => {
  const resolver = createSocket('udp4');
  resolver.on('message', (message, from) => {
    const { id = 0, questions = [] } = dnsPacket.decode(message);
    const name = questions[0]?.name ?? '';
    const answers: dnsPacket.Answer[] =
      questions[0]?.type === 'A' ? [{ name, type: 'A', ttl: 60, data: '192.0.2.80' }] : [];
    resolver.send(dnsPacket.encode({ id, type: 'response', questions, answers }), from.port, from.address);
  });
  await new Promise<void>((resolve) => resolver.bind(0, resolve));
  try {
    const [node] = await cluster.nodeAddresses();
    const machine = `${node?.ip.replace(/\d+$/, '1')}:${resolver.address().port}`;
    const data = { stubDomains: JSON.stringify({ 'acme.example': [machine] }) };
    const metadata = { name: 'kube-dns', namespace: 'kube-system' };
    await cluster.apply(manifest({ apiVersion: 'v1', kind: 'ConfigMap', metadata, data }));
    await eventually('a name of the stub domain', async () =>
      (await fromClient('nslookup', '-type=a', 'www.acme.example')).includes('192.0.2.80'),
    );
  } finally {
    resolver.close();
  }
});

test.skipIf(!hasIpv6)('a policy holds in both families, and a block of addresses in its own', async () => {
  const pod = await cluster.json<Pod>('get', 'pod', 'two');
  const client = await cluster.json<Pod>('get', 'pod', 'client-node1');
  const [v4 = '', v6 = ''] = pod.status.podIPs.map(({ ip }) => ip);
  const from = [{ ipBlock: { cidr: `${client.status.podIPs[1]?.ip}/128` } }];
  const policy = (ingress: object[]) => ({
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: 'server' },
    spec: { podSelector: { matchLabels: { app: 'server' } }, ingress },
  });
  const becomes = (expected: string) =>
    eventually(`the server answers in "${expected}"`, async () => {
      const [four, six] = await Promise.all([fetched(v4, 8080, 1), fetched(v6, 8080, 1)]);
      return [four && 'IPv4', six && 'IPv6'].filter(Boolean).join(' ') === expected;
    });
  await becomes('IPv4 IPv6');
  await cluster.apply(manifest(policy([])));
  await becomes('');
  await cluster.apply(manifest(policy([{ from }])));
  await becomes('IPv6');
  await cluster.apply(manifest(policy([{ from: [{ podSelector: { matchLabels: { app: 'client' } } }] }])));
  await becomes('IPv4 IPv6');
  await cluster.kubectl('delete', 'networkpolicy', 'server');
});

describe.skipIf(!hasIpv6)('under pods that are in use', changesUnderPods);
