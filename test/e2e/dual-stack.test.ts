/**
 * A cluster of three nodes with addresses of both families, in kube-proxy's mode iptables and with pods' packets in VXLAN, driven by
 * stock kubectl: pods, Services, names, node ports and policies in IPv6. At last the mode changes under the pods.
 */
import { createSocket } from 'node:dgram';
import { existsSync } from 'node:fs';
import { request } from 'node:http';
import dnsPacket from 'dns-packet';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { IMAGE, imageOn, SERVER } from './conformance/image.ts';
import { inNetworkOf, pidOf, reconfigured } from './node-processes.ts';
import { eventually, holds, KEDGE, KedgeCluster, run } from './running-cluster.ts';

const hasIpv6 = existsSync('/proc/sys/net/ipv6');
if (process.env['CI'] === 'true' && !hasIpv6) throw new Error('needs a kernel with IPv6');

const NODES = ['node1', 'node2', 'node3'];
const cluster = new KedgeCluster(`dual${process.pid}`);
beforeAll(async () => {
  if (!hasIpv6) return;
  const ways = ['--proxy-mode', 'iptables', '--overlay', 'vxlan'];
  await cluster.up('--nodes', '3', '--ip-families', 'IPv4,IPv6', ...ways);
  await imageOn(cluster);
  const pods = [serverPod('two', 'node2'), serverPod('three', 'node3'), ...NODES.map(clientPod)];
  await cluster.apply(manifest(...pods, ...services));
  await cluster.kubectl('wait', '--for=condition=Ready', 'pod', '--all', '--timeout=180s');
});
/** Of a load balancer; goes with the cluster. */
let unreachable: string | undefined;
afterAll(async () => {
  if (!hasIpv6) return;
  await cluster.down();
  if (unreachable) expect(await routeTo(unreachable)).toBe('');
});

const routeTo = async (ip: string) => (await run('ip', ['-6', 'route', 'show', ip])).stdout;
const manifest = (...objects: object[]) => JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects });
const podOf = (name: string, spec: object, labels: object) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, labels },
  spec: { terminationGracePeriodSeconds: 0, ...spec },
});
const podIps = { name: 'POD_IPS', valueFrom: { fieldRef: { fieldPath: 'status.podIPs' } } };
const serverPod = (name: string, nodeName: string) => {
  const env = [{ name: 'PORTS', value: '8080,8081' }, { name: 'UDP_PORTS', value: '8080' }, podIps];
  const probe = { httpGet: { path: '/', port: 8080 }, periodSeconds: 1 };
  const ports = [{ containerPort: 8080, hostPort: 18_080 }];
  const main = { name: 'main', image: IMAGE, command: SERVER, env, ports, readinessProbe: probe };
  return podOf(name, { nodeName, containers: [main] }, { app: 'server', on: nodeName });
};
const clientPod = (nodeName: string) => {
  const main = { name: 'main', image: IMAGE, command: ['/bin/sleep', '1000'], env: [podIps] };
  return podOf(`client-${nodeName}`, { nodeName, containers: [main] }, { app: 'client' });
};
const service = (name: string, spec: object) => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name },
  spec: { selector: { app: 'server' }, ports: [{ name: 'web', port: 80, targetPort: 8080 }], ...spec },
});
const dual = { ipFamilyPolicy: 'RequireDualStack' };
const [EXTERNAL_IP, EXTERNAL_IP6] = ['203.0.113.78', '2001:db8:113::78'];
const services = [
  service('both', { type: 'LoadBalancer', ipFamilyPolicy: 'PreferDualStack' }),
  service('plain', {}),
  service('six', { ipFamilies: ['IPv6'] }),
  service('local', { type: 'NodePort', ipFamilyPolicy: 'RequireDualStack', externalTrafficPolicy: 'Local' }),
  service('sticky', { ipFamilyPolicy: 'RequireDualStack', sessionAffinity: 'ClientIP' }),
  service('forgetful', {
    ...dual,
    sessionAffinity: 'ClientIP',
    sessionAffinityConfig: { clientIP: { timeoutSeconds: 2 } },
  }),
  service('several', {
    ...dual,
    selector: { on: 'node3' },
    externalIPs: [EXTERNAL_IP, EXTERNAL_IP6],
    ports: [
      { name: 'one', port: 80, targetPort: 8080 },
      { name: 'two', port: 81, targetPort: 8081 },
    ],
  }),
  service('datagrams', { selector: { on: 'node3' }, ports: [{ port: 80, targetPort: 8080, protocol: 'UDP' }] }),
  service('inner', { ...dual, selector: { on: 'node2' }, internalTrafficPolicy: 'Local' }),
  service('nobody', { ...dual, selector: { app: 'nobody' } }),
  service('guarded', { ...dual, type: 'LoadBalancer', loadBalancerSourceRanges: ['192.0.2.0/24', '2001:db8::/32'] }),
  service('names', { clusterIP: 'None', ipFamilyPolicy: 'RequireDualStack' }),
];

interface Pod {
  status: { podIP: string; podIPs: { ip: string }[]; hostIPs: { ip: string }[] };
}
interface Service {
  spec: { clusterIPs: string[]; ipFamilies: string[]; ipFamilyPolicy: string; ports: { nodePort?: number }[] };
  status: { loadBalancer: { ingress?: { ip: string }[] } };
}
const serviceNamed = (name: string) => cluster.json<Service>('get', 'service', name);
const isIpv6 = (ip: string) => ip.includes(':');
const urlOf = (ip: string, port: number) => `http://${isIpv6(ip) ? `[${ip}]` : ip}:${port}`;
const fromNode = async (node: string, ...command: string[]) =>
  (await cluster.tryKubectl(['exec', `client-${node}`, '--', ...command])).stdout.trim();
/** Of node1, where no server is. */
const fromClient = (...command: string[]) => fromNode('node1', ...command);
const fetchedBy = (node: string, url: string, seconds = 3) =>
  fromNode(node, 'timeout', String(seconds), 'wget', '-qO-', url);
const fetched = (ip: string, port: number, seconds = 3) => fetchedBy('node1', urlOf(ip, port), seconds);
/** From pods of every node. */
const reaches = (what: string, ip: string, port: number) =>
  holds(`${what} at ${ip}`, async () => {
    const said = await Promise.all(NODES.map((node) => fetchedBy(node, urlOf(ip, port))));
    for (const name of said) expect(name).toMatch(/^(two|three)$/);
  });

/** What this machine is answered; undefined where it is not. */
const asked = (url: string): Promise<string | undefined> =>
  new Promise((done) => {
    const sent = request(url, { agent: false, timeout: 2_000 }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => {
        text += part;
      });
      response.on('end', () => done(response.statusCode === 200 ? text : undefined));
    });
    sent.on('timeout', () => sent.destroy());
    sent.on('error', () => done(undefined));
    sent.end();
  });
const ask = async (ip: string, port: number) => (await asked(urlOf(ip, port))) !== undefined;

/** Of each node both. */
async function nodeAddresses(): Promise<string[][]> {
  const nodes = await cluster.json<{ items: { status: { addresses: { type: string; address: string }[] } }[] }>(
    'get',
    'nodes',
  );
  return nodes.items.map(({ status }) =>
    status.addresses.filter(({ type }) => type === 'InternalIP').map(({ address }) => address),
  );
}

const inNode = async (node: string, ...command: string[]) => inNetworkOf(await pidOf(cluster, `${node}/net`), command);
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

test.skipIf(!hasIpv6)('a flow of UDP follows its endpoint to another node in the mode iptables', async () => {
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

test.skipIf(!hasIpv6)('rules of iptables that somebody flushed on every node come back, and packets flow', async () => {
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

test.skipIf(!hasIpv6)('names and Services answer while the API server does not', async () => {
  const [controlPlane, net] = await Promise.all(['control-plane', 'node1/net'].map((name) => pidOf(cluster, name)));
  const dns = await cluster.json<Service>('get', 'service', 'kube-dns', '-n', 'kube-system').catch(() => undefined);
  const { spec } = await serviceNamed('both');
  const servers = dns?.spec.clusterIPs ?? [(spec.clusterIPs[0] ?? '').replace(/\.\d+\.\d+$/, '.0.10')];
  const onNode = (...command: string[]) => run('nsenter', ['-t', String(net), '-n', ...command], { timeoutMs: 60_000 });
  process.kill(controlPlane ?? 0, 'SIGSTOP');
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
    process.kill(controlPlane ?? 0, 'SIGCONT');
  }
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

test.skipIf(!hasIpv6)('the mode of the proxy changes under the pods, and leaves nothing of the former', async () => {
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

test.skipIf(!hasIpv6)('a node that is removed leaves no route, no rule and no way to it on the others', async () => {
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

test.skipIf(!hasIpv6)('a load balancer without nodes is unreachable, and is not left behind', async () => {
  const { ingress = [] } = (await serviceNamed('both')).status.loadBalancer;
  const ip = ingress[1]?.ip ?? '';
  await cluster.kubectl('label', 'nodes', '--all', 'node.kubernetes.io/exclude-from-external-load-balancers=');
  await eventually('the route to nowhere', async () => (await routeTo(ip)).startsWith('unreachable'));
  unreachable = ip;
});
