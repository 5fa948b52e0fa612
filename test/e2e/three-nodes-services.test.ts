/** What a Service promises, and names, where client, proxy and endpoint are on three nodes: real packets between real pods. */
import { expect, test } from 'vitest';
import { SERVER } from './conformance/image.ts';
import { container, object, pod } from './conformance/playground.ts';
import { serveOverTls, serveWebhooks } from './conformance/tls-server.ts';
import { reconfigured } from './node-processes.ts';
import { eventually, holds, run } from './running-cluster.ts';
import { openingSctp, sendingSctp } from './sctp-packet.ts';
import { signalProcess } from './signal-process.ts';
import { ask, everyNode, NODES, type NodeName, serviceOf, threeNodes } from './three-nodes-ground.ts';

const EXTERNAL_IP = '203.0.113.77';
const on = (node: NodeName) => ({ app: 'server', on: node });
const hour = { sessionAffinityConfig: { clientIP: { timeoutSeconds: 3_600 } } };
const seconds = { sessionAffinityConfig: { clientIP: { timeoutSeconds: 2 } } };

const ground = threeNodes('three-nodes-services', [
  serviceOf('all', { ports: [{ name: 'http', port: 80, targetPort: 8080 }] }),
  serviceOf('headless', { clusterIP: 'None', ports: [{ name: 'http', port: 80, targetPort: 8080 }] }),
  object('Service', 'elsewhere', { spec: { type: 'ExternalName', externalName: 'www.example.com' } }),
  serviceOf('sticky', { type: 'NodePort', sessionAffinity: 'ClientIP', ...hour }),
  serviceOf('forgetful', { type: 'NodePort', sessionAffinity: 'ClientIP', ...seconds }),
  serviceOf('several', {
    selector: on('node3'),
    externalIPs: [EXTERNAL_IP],
    ports: [
      { name: 'one', port: 80, targetPort: 8080 },
      { name: 'two', port: 81, targetPort: 8081 },
      { name: 'udp', port: 80, targetPort: 8080, protocol: 'UDP' },
      { name: 'sctp', port: 99, targetPort: 8080, protocol: 'SCTP' },
    ],
  }),
  serviceOf('near', { trafficDistribution: 'PreferSameNode' }),
  serviceOf('nearest', { trafficDistribution: 'PreferSameNode', selector: on('node2') }),
  serviceOf('zonal', { trafficDistribution: 'PreferSameZone' }),
  serviceOf('close', { trafficDistribution: 'PreferClose' }),
  {
    ...serviceOf('hinted', {}),
    metadata: { name: 'hinted', annotations: { 'service.kubernetes.io/topology-mode': 'Auto' } },
  },
  serviceOf('inner', { internalTrafficPolicy: 'Local', selector: on('node2') }),
  serviceOf('nobody', { type: 'NodePort', selector: { app: 'nobody' } }),
  serviceOf('leaving', { type: 'LoadBalancer', externalTrafficPolicy: 'Local', selector: { app: 'leaving' } }),
]);
const { addressOf, answers, asked, inPod, nodePortOf, pidOf, podIp, service } = ground;
const clusterIpOf = async (name: string) => (await service(name)).spec.clusterIP;

/** Who answers a client when it asks so often, one after the other. */
const inTurn = async (node: NodeName, url: string, times: number): Promise<string[]> => {
  const script = `for i in $(seq ${times}); do timeout 3 wget -qO- ${url} || echo -n -; echo; done`;
  return (await ground().exec(`client-${node}`, script)).split('\n');
};

test('a client stays with its endpoint, whichever node it comes by, until it has kept silent for long enough', async () => {
  const port = await nodePortOf('sticky');
  for (const url of [`http://${addressOf('node3')}:${port}`, `http://${await clusterIpOf('sticky')}`]) {
    await eventually('always the same one answers', async () => {
      const said = await inTurn('node1', url, 12);
      return said[0]?.startsWith('server-') && said.length === 12 && new Set(said).size === 1;
    });
  }
  const forgetful = `http://${addressOf('node3')}:${await nodePortOf('forgetful')}`;
  const first = await eventually('it is answered', async () => {
    const [name = ''] = await inTurn('node1', forgetful, 1);
    return name.startsWith('server-') && name;
  });
  await eventually('another endpoint has the turn', async () => {
    const [name = ''] = (await ground().exec('client-node1', `sleep 3; timeout 3 wget -qO- ${forgetful}`)).split('\n');
    return name.startsWith('server-') && name !== first;
  });
});

test('every port of a Service leads to its own, and an external address to all of them', async () => {
  const ip = await clusterIpOf('several');
  const urls = [`http://${ip}`, `http://${ip}:81`, `http://${EXTERNAL_IP}`, `http://${EXTERNAL_IP}:81`];
  await holds('each port answers on each node', async () =>
    expect(await everyNode((node) => asked(node, urls))).toEqual(NODES.map(() => urls.map(() => 'server-node3'))),
  );
});

test('a flow of UDP follows the endpoints of its Service to another node', async () => {
  const flow = { how: 'udp', address: await clusterIpOf('several'), port: 80, from: 5_353 } as const;
  const becomes = (name: string) =>
    eventually(`${name} answers`, async () => (await answers('node1', [flow]))[0] === name);
  const path = ground().path('Service', 'v1', 'several');
  await becomes('server-node3');
  await ground().api.patch(path, { spec: { selector: on('node2') } });
  await becomes('server-node2');
  await ground().api.patch(path, { spec: { selector: on('node3') } });
  await becomes('server-node3');
});

test('packets of SCTP get to the port of the endpoint on another node, and what it says comes back', async () => {
  const count = 'ip protocol sctp sctp dport 8080 counter';
  const behind = '{ type filter hook prerouting priority filter; }';
  for (const line of [
    'add table ip seen',
    `add chain ip seen sctp-packets ${behind}`,
    `add rule ip seen sctp-packets ${count}`,
  ])
    await inPod('server-node3', 'nft', line);
  for (const command of openingSctp) await inPod('client-node1', ...command);
  const sent = { from: await podIp('client-node1'), to: await clusterIpOf('several'), toPort: 99 };
  const unreachable = async () => {
    const [names = '', numbers = ''] = (await ground().exec('client-node1', 'grep ^Icmp: /proc/net/snmp')).split('\n');
    return Number(numbers.split(' ')[names.split(' ').indexOf('InDestUnreachs')]);
  };
  const before = await unreachable();
  await eventually('it arrives', async () => {
    await inPod('client-node1', ...sendingSctp(sent));
    return /counter packets [1-9]/.test(await inPod('server-node3', 'nft', 'list', 'table', 'ip', 'seen'));
  });
  // The kernel of the tests has no SCTP: that is what it tells the one who asked.
  await eventually('it is told so', async () => (await unreachable()) > before);
});

test('endpoints of the own node or zone are preferred, and the policy Local wants no others', async () => {
  const own = async (name: string) => `http://${await clusterIpOf(name)}`;
  const near = Array.from({ length: 8 }, () => own('near'));
  const urls = await Promise.all(near);
  await holds('each node leads to its own', async () =>
    expect(await everyNode((node) => asked(node, urls))).toEqual(NODES.map((node) => urls.map(() => `server-${node}`))),
  );
  const nearest = await own('nearest');
  await holds('who has none of its own is led to others', async () =>
    expect(await everyNode((node) => asked(node, [nearest]))).toEqual(NODES.map(() => ['server-node2'])),
  );
  const inner = await own('inner');
  await holds('only the node with an endpoint answers', async () =>
    expect(await everyNode((node) => asked(node, [inner]))).toEqual([['-'], ['server-node2'], ['-']]),
  );
  const { cluster } = ground();
  const zoneOf = (node: NodeName, zone: string) =>
    cluster.kubectl('label', 'node', node, `topology.kubernetes.io/zone${zone}`, '--overwrite');
  try {
    for (const node of NODES) await zoneOf(node, node === 'node1' ? '=west' : '=east');
    // Whoever says so, and where hints are worked out from the processors of the zones.
    for (const name of ['zonal', 'close', 'hinted']) {
      const urls = new Array<string>(24).fill(await own(name));
      await holds(`each zone leads to its own for ${name}`, async () => {
        const reached = await everyNode(async (node) => [...new Set(await asked(node, urls))].sort());
        const east = ['server-node2', 'server-node3'];
        expect(reached).toEqual([['server-node1'], east, east]);
      });
    }
  } finally {
    for (const node of NODES) await zoneOf(node, '-');
  }
});

test('a pod reaches itself by its Service, and where nobody serves it is told so at once, on each node', async () => {
  const all = `http://${await clusterIpOf('all')}`;
  await holds('it is among those that answer', async () => {
    for (const node of NODES) {
      const script = `for i in $(seq 24); do timeout 3 wget -qO- ${all}; echo; done`;
      expect((await ground().exec(`server-${node}`, script)).split('\n')).toContain(`server-${node}`);
    }
  });
  const [ip, port] = [await clusterIpOf('nobody'), await nodePortOf('nobody')];
  const questions = [
    { how: 'http', address: ip, port: 80 },
    { how: 'http', address: addressOf('node3'), port },
  ] as const;
  await holds('it is refused', async () =>
    expect(await everyNode((node) => answers(node, questions))).toEqual(
      NODES.map(() => ['ECONNREFUSED', 'ECONNREFUSED']),
    ),
  );
});

test('an endpoint that ends is asked as long as there is no other, and its node wants no more of a load balancer', async () => {
  const lifecycle = { preStop: { exec: { command: ['sleep', '200'] } } };
  const leaving = container({ command: SERVER, lifecycle });
  const spec = { containers: [leaving], nodeName: 'node3', terminationGracePeriodSeconds: 300 };
  await ground().create(pod('leaving', { labels: { app: 'leaving' }, spec }));
  await ground().ready('leaving');
  const { nodePort, healthPort } = await portsOf('leaving');
  const health = () => Promise.all(NODES.map((node) => ask(addressOf(node), { port: healthPort, path: '/healthz' })));
  const said = (count: number) => expect.stringContaining(`"localEndpoints":${count}`);
  await holds('only its node has it', async () => expect(await health()).toEqual([said(0), said(0), said(1)]));
  const url = `http://${await clusterIpOf('leaving')}`;
  const path = ground().path('Pod', 'v1', 'leaving');
  await ground().api.delete(path);
  await eventually('it is terminating, and serves', async () => {
    const of = ['-n', ground().namespace, '-l', 'kubernetes.io/service-name=leaving'];
    const { items } = await ground().cluster.json<{
      items: { endpoints?: { conditions: { terminating: boolean; serving: boolean } }[] }[];
    }>('get', 'endpointslices', ...of);
    return items.flatMap(({ endpoints = [] }) => endpoints).some(({ conditions: c }) => c.terminating && c.serving);
  });
  await holds('it answers', async () =>
    expect(await everyNode((node) => asked(node, [url]))).toEqual(NODES.map(() => ['leaving'])),
  );
  await holds('this machine is answered by its node', async () => {
    const outside = NODES.map((node) => ask(addressOf(node), { port: nodePort, withinMs: 1_000 }));
    expect(await Promise.all(outside)).toEqual(['timeout', 'timeout', 'leaving']);
  });
  await holds('no node wants more', async () => expect(await health()).toEqual([said(0), said(0), said(0)]));
  await ground().api.delete(`${path}?gracePeriodSeconds=0`);
});

async function portsOf(name: string): Promise<{ nodePort: number; healthPort: number }> {
  const { spec } = await service(name);
  return { nodePort: spec.ports[0]?.nodePort ?? 0, healthPort: spec.healthCheckNodePort ?? 0 };
}

const LOOK_UP = `const {promises: dns} = require('dns'); const [zone, ip] = process.argv.slice(1);
  const said = (answer) => answer.then((all) => all.map((one) => one.name ? one.name + ' ' + one.port : one).sort(), (error) => error.code);
  Promise.all([dns.resolve4('all.' + zone), dns.resolve6('all.' + zone), dns.resolve4('headless.' + zone), dns.resolveSrv('_http._tcp.all.' + zone),
    dns.reverse(ip), dns.resolveCname('elsewhere.' + zone), dns.resolve4(process.argv[3]), dns.resolve4('absent.' + zone)].map(said))
    .then((all) => console.log(JSON.stringify(all)))`;

test('the DNS of each node answers pods of that node, with every kind of record', async () => {
  const zone = `${ground().namespace}.svc.cluster.local`;
  const [ip, servers] = [await clusterIpOf('all'), await everyNode((node) => podIp(`server-${node}`))];
  const ofPod = `${servers[2]?.replaceAll('.', '-')}.${ground().namespace}.pod.cluster.local`;
  const lookUp = async (node: NodeName) =>
    JSON.parse(await ground().exec(`client-${node}`, `node -e "${LOOK_UP}" ${zone} ${ip} ${ofPod}`)) as unknown;
  const wanted = [
    [ip],
    'ENODATA',
    servers.toSorted(),
    [`all.${zone} 80`],
    [`all.${zone}`],
    ['www.example.com'],
    [servers[2]],
    'ENOTFOUND',
  ];
  await holds('each knows all', async () => expect(await everyNode(lookUp)).toEqual(NODES.map(() => wanted)));
  // It is the node's own that answers: those of the others, who cannot, are not asked.
  const others = await Promise.all(['node1', 'node2'].map((node) => pidOf(`${node}/net`)));
  try {
    for (const pid of others) signalProcess(pid, 'SIGSTOP');
    await holds('node3 answers by itself', async () => expect(await lookUp('node3')).toEqual(wanted));
  } finally {
    for (const pid of others) signalProcess(pid, 'SIGCONT');
  }
});

test('the API server hands requests on to pods and Services of every node', async () => {
  const { api } = ground();
  const at = (kind: string, name: string) => `${ground().path(kind, 'v1', name)}/proxy/`;
  for (const node of NODES) expect(await api.text('GET', at('Pod', `server-${node}:8080`))).toBe(`server-${node}`);
  const seen = new Set<string>();
  await eventually('a Service leads to all', async () => {
    seen.add(await api.text('GET', at('Service', 'all:http')));
    return seen.size === NODES.length;
  });
});

test('a node that the API server has no route to is reached by the tunnel that it opens: proxies, webhooks and aggregated APIs', async () => {
  const { api, cluster, namespace } = ground();
  const [hook, flunders] = await Promise.all([serveWebhooks(ground(), 'node3'), aggregated('node3')]);
  const { spec } = await api.get<{ spec: { podCIDR: string } }>('/api/v1/nodes/node3');
  const [network = '', low = ''] = spec.podCIDR.replace(/\/\d+$/, '').split(/(?<=\.)(?=\d+$)/);
  const halves = [Number(low), Number(low) + 128].map((last) => `${network}${last}/25`);
  const proxied = async (node: NodeName) =>
    (await api.try('GET', `${ground().path('Pod', 'v1', `server-${node}:8080`)}/proxy/`)).text;
  const deny = '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations';
  const denying = {
    name: 'deny.example.com',
    clientConfig: hook('/always-deny'),
    rules: [{ operations: ['CREATE'], apiGroups: [''], apiVersions: ['v1'], resources: ['configmaps'] }],
    namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } },
    sideEffects: 'None',
    admissionReviewVersions: ['v1'],
  };
  await api.post(deny, { metadata: { name: namespace }, webhooks: [denying] });
  const denied = async () =>
    (await cluster.tryKubectl(['-n', namespace, 'create', 'configmap', 'denied', '--dry-run=server'])).stderr;
  try {
    for (const half of halves) await machine('ip', 'route', 'add', 'unreachable', half);
    await eventually('there is no route', async () => !(await proxied('node3')).startsWith('server-'));
    await eventually('nor to its API', async () => (await api.try('GET', flunders)).code === 503);
    await eventually('there is one to others', async () => (await proxied('node2')) === 'server-node2');
    await reconfigured(cluster, 'node3/kubelet', { opensTunnel: true });
    await eventually('its pod is reached', async () => (await proxied('node3')) === 'server-node3');
    await holds('its webhook is', async () => expect(await denied()).toContain('this webhook denies all requests'));
    await eventually('its API is', async () => (await api.try('GET', flunders)).code === 200);
    await api.post(flunders, { apiVersion: 'wardle.example.com/v1alpha1', kind: 'Flunder', metadata: { name: 'far' } });
    expect((await api.try('GET', `${flunders}/far`)).text).toContain('"made-by":"kubernetes-admin"');
    await holds('its kubelet is', async () =>
      expect(await ground().exec('client-node3', 'echo from afar')).toBe('from afar'),
    );
  } finally {
    await api.delete(`${deny}/${namespace}`);
    await api.delete(API_SERVICE);
    for (const half of halves) await machine('ip', 'route', 'delete', 'unreachable', half);
    await reconfigured(cluster, 'node3/kubelet', { opensTunnel: false });
  }
  await eventually('it is reached as before', async () => (await proxied('node3')) === 'server-node3');
});

const API_SERVICE = '/apis/apiregistration.k8s.io/v1/apiservices/v1alpha1.wardle.example.com';

/** @returns where the objects are of an API that a pod serves. */
async function aggregated(nodeName: NodeName): Promise<string> {
  const it = ground();
  const { data } = await it.api.get<{ data: Record<string, string> }>(
    '/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication',
  );
  const name = 'sample-apiserver';
  const caBundle = await serveOverTls(it, {
    name,
    nodeName,
    program: '/sample-apiserver.mjs',
    path: '/healthz',
    files: { 'front-proxy-ca.crt': data['requestheader-client-ca-file'] ?? '' },
  });
  const spec = {
    service: { namespace: it.namespace, name, port: 443 },
    group: 'wardle.example.com',
    version: 'v1alpha1',
    caBundle,
    groupPriorityMinimum: 2000,
    versionPriority: 200,
  };
  const [list, kept] = [API_SERVICE.slice(0, API_SERVICE.lastIndexOf('/')), API_SERVICE.split('/').at(-1) ?? ''];
  await it.api.post(list, object('APIService', kept, { spec }, 'apiregistration.k8s.io/v1'));
  const flunders = `/apis/wardle.example.com/v1alpha1/namespaces/${it.namespace}/flunders`;
  await eventually('it is served', async () => (await it.api.try('GET', flunders)).code === 200);
  return flunders;
}

async function machine(command: string, ...args: string[]): Promise<void> {
  const { code, stderr } = await run(command, args);
  if (code !== 0) throw new Error(`${command} ${args.join(' ')}: ${stderr}`);
}
