/** NetworkPolicies as users write them, on pods of three nodes, directly and by way of a Service. */
import { expect, test } from 'vitest';
import { SERVER } from './conformance/image.ts';
import { container, object, playground, pod, shell } from './conformance/playground.ts';
import { eventually, holds } from './running-cluster.ts';
import { openingSctp, sendingSctp } from './sctp-packet.ts';
import { entered } from './three-nodes-ground.ts';

const API = 'networking.k8s.io/v1';
const server = container({
  command: SERVER,
  env: [
    { name: 'PORTS', value: '8080,8081' },
    { name: 'UDP_PORTS', value: '8080' },
  ],
  ports: [{ name: 'web', containerPort: 8080 }],
});
const CLIENTS = ['near', 'far', 'stranger'];

const OTHERS = 'conformance-network-policy-others';

const ground = playground('network-policy', async (it) => {
  const rest = { containers: [shell('sleep 1000')] };
  await it.create(
    pod('server', { labels: { app: 'server' }, spec: { containers: [server], nodeName: 'node1' } }),
    pod('near', { labels: { role: 'friend' }, spec: { ...rest, nodeName: 'node1' } }),
    pod('far', { labels: { role: 'friend' }, spec: { ...rest, nodeName: 'node2' } }),
    pod('stranger', { labels: { role: 'stranger' }, spec: { ...rest, nodeName: 'node3' } }),
    object('Service', 'server', { spec: { selector: { app: 'server' }, ports: [{ port: 80, targetPort: 'web' }] } }),
  );
  const others = `/api/v1/namespaces/${OTHERS}`;
  await it.api.post('/api/v1/namespaces', { metadata: { name: OTHERS, labels: { team: 'blue' } } });
  await eventually('the other namespace has its ServiceAccount', async () => {
    return (await it.api.try('GET', `${others}/serviceaccounts/default`)).code === 200;
  });
  const visitors = ['visitor', 'guest'].map((role, i) =>
    pod(role, { labels: { role }, spec: { ...rest, nodeName: `node${i + 2}` } }),
  );
  await Promise.all(visitors.map((visitor) => it.api.post(`${others}/pods`, visitor)));
  for (const name of ['server', ...CLIENTS]) await it.ready(name);
  await it.cluster.kubectl('-n', OTHERS, 'wait', '--for=condition=Ready', 'pod', '--all', '--timeout=180s');
  return () => it.api.try('DELETE', others);
});

const policy = (name: string, spec: object) => object('NetworkPolicy', name, { spec }, API);
const ROLE_EXISTS = { key: 'role', operator: 'Exists' };
const FOR_SERVER = { podSelector: { matchLabels: { app: 'server' } } };
const answers = async (from: string, url: string) =>
  (await ground().tryExec(from, `timeout 1 wget -qO- ${url}`)).stdout.includes('server');
const whoReaches = async (url: string) => {
  const reached = await Promise.all(CLIENTS.map((name) => answers(name, url)));
  return CLIENTS.filter((_, i) => reached[i]).join(' ');
};
/** Policies follow within a moment. */
const becomes = (url: string, who: string) =>
  eventually(`${url} is reached by "${who}"`, async () => (await whoReaches(url)) === who);

test('who may ask a pod is said by labels, wherever its pods run, and by ports with names', async () => {
  const direct = `http://${(await ground().pod('server')).status?.podIP}`;
  const [byName, first, second] = ['http://server', `${direct}:8080`, `${direct}:8081`];
  for (const url of [byName, first, second]) await becomes(url, 'near far stranger');

  await ground().create(policy('deny', FOR_SERVER));
  for (const url of [byName, first]) await becomes(url, '');

  const from = [{ podSelector: { matchLabels: { role: 'friend' } } }];
  await ground().create(policy('friends', { ...FOR_SERVER, ingress: [{ from, ports: [{ port: 'web' }] }] }));
  for (const url of [byName, first]) await becomes(url, 'near far');
  expect(await whoReaches(second)).toBe('');

  await ground().api.patch(ground().path('Pod', 'v1', 'stranger'), { metadata: { labels: { role: 'friend' } } });
  await becomes(byName, 'near far stranger');
  await ground().api.patch(ground().path('Pod', 'v1', 'stranger'), { metadata: { labels: { role: 'stranger' } } });
  for (const name of ['deny', 'friends']) await ground().api.delete(ground().path('NetworkPolicy', API, name));
  await becomes(second, 'near far stranger');
});

test('peers are namespaces and blocks of addresses with exceptions, ports are ranges, and both sides are asked', async () => {
  const ipOf = async (name: string) => (await ground().pod(name)).status?.podIP ?? '';
  const [server, far] = [await ipOf('server'), await ipOf('far')];
  const urls = [8080, 8081].map((port) => `http://${server}:${port}`);
  const all = 'near far stranger';
  const reached = (...wanted: string[]) => Promise.all(urls.map((url, i) => becomes(url, wanted[i] ?? '')));
  const peers = ground().path('NetworkPolicy', API, 'peers');
  const block = { cidr: server.replace(/\.\d+\.\d+$/, '.0.0/16'), except: [`${far}/32`] };
  const range = [{ from: [{ ipBlock: block }], ports: [{ port: 8081, endPort: 8090 }] }];
  await ground().create(policy('peers', { ...FOR_SERVER, ingress: range }));
  await reached('', 'near stranger');
  const here = { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': ground().namespace } } };
  await ground().api.patch(peers, { spec: { ingress: [{ from: [here] }] } });
  await reached(all, all);
  const egress = [{ to: [FOR_SERVER], ports: [{ port: 8080 }] }];
  const clients = { podSelector: { matchExpressions: [{ key: 'role', operator: 'Exists' }] } };
  await ground().create(policy('out', { ...clients, policyTypes: ['Egress'], egress }));
  await reached(all, '');
  for (const name of ['peers', 'out']) await ground().api.delete(ground().path('NetworkPolicy', API, name));
  await reached(all, all);
});

test('namespaces and pods together, labels by expressions, and protocols, on every node', async () => {
  const { cluster } = ground();
  const ip = (await ground().pod('server')).status?.podIP ?? '';
  const udp = `require('dgram').createSocket('udp4').on('message', () => process.exit(0)).send('?', 8080, '${ip}'); setTimeout(() => process.exit(1), 1000)`;
  const script = `timeout 1 wget -qO- http://${ip}:8080 >/dev/null && echo tcp; node -e "${udp}" && echo udp; true`;
  const ALL = [...CLIENTS, 'visitor', 'guest'];
  const reached = async (name: string) => {
    const namespace = CLIENTS.includes(name) ? ground().namespace : OTHERS;
    const { stdout } = await cluster.tryKubectl(['-n', namespace, 'exec', name, '--', 'sh', '-c', script]);
    return stdout.split('\n').filter(Boolean).join('+');
  };
  const becomes = (what: string, wanted: Record<string, string>) =>
    holds(what, async () => {
      const found = await Promise.all(ALL.map(reached));
      expect(Object.fromEntries(ALL.map((name, i) => [name, found[i]]).filter(([, said]) => said))).toEqual(wanted);
    });
  const path = ground().path('NetworkPolicy', API, 'chosen');
  const [http, dgram] = [
    { port: 8080, protocol: 'TCP' },
    { port: 8080, protocol: 'UDP' },
  ];
  const namespaceSelector = { matchLabels: { team: 'blue' } };
  await ground().create(
    policy('chosen', { ...FOR_SERVER, ingress: [{ from: [{ namespaceSelector }], ports: [http, dgram] }] }),
  );
  await becomes('a namespace by its labels', { visitor: 'tcp+udp', guest: 'tcp+udp' });
  const isVisitor = { matchExpressions: [{ key: 'role', operator: 'In', values: ['visitor', 'nobody'] }] };
  const both = { from: [{ namespaceSelector, podSelector: isVisitor }], ports: [http] };
  await ground().api.patch(path, { spec: { ingress: [both] } });
  await becomes('pods of a namespace', { visitor: 'tcp' });
  const notFriends = { matchExpressions: [{ key: 'role', operator: 'NotIn', values: ['friend', 'guest'] }] };
  const anywhere = { from: [{ namespaceSelector: {}, podSelector: notFriends }], ports: [dgram] };
  await ground().api.patch(path, { spec: { ingress: [both, anywhere] } });
  await becomes('either rule', { stranger: 'udp', visitor: 'tcp+udp' });
  await cluster.kubectl('label', 'namespace', OTHERS, 'team=red', '--overwrite');
  await becomes('a namespace that has other labels', { stranger: 'udp', visitor: 'udp' });
  await cluster.kubectl('label', 'namespace', OTHERS, 'team=blue', '--overwrite');
  // The other side: what clients may send, by blocks with exceptions and by ports with names.
  await ground().api.patch(path, { spec: { ingress: [{}] } });
  const everybody = Object.fromEntries(ALL.map((name) => [name, 'tcp+udp']));
  await becomes('anybody', everybody);
  const block = { cidr: ip.replace(/\.\d+\.\d+$/, '.0.0/16'), except: [`${ip}/32`] };
  const friends = { podSelector: { matchLabels: { role: 'friend' } }, policyTypes: ['Egress'] };
  await ground().create(policy('sending', { ...friends, egress: [{ to: [{ ipBlock: block }] }] }));
  await becomes('all but an exception', { stranger: 'tcp+udp', visitor: 'tcp+udp', guest: 'tcp+udp' });
  const named = [{ to: [FOR_SERVER], ports: [{ port: 'web' }] }];
  await ground().api.patch(ground().path('NetworkPolicy', API, 'sending'), { spec: { egress: named } });
  await becomes('a port of the other by its name', { ...everybody, near: 'tcp', far: 'tcp' });
  for (const name of ['chosen', 'sending']) await ground().api.delete(ground().path('NetworkPolicy', API, name));
  await becomes('anybody again', everybody);
});

test('a port of SCTP is allowed and refused, on one node and between nodes', async () => {
  const all = ['server', ...CLIENTS];
  const [to = '', ...ips] = await Promise.all(all.map(async (name) => (await ground().pod(name)).status?.podIP ?? ''));
  const [inServer, ...inClients] = await Promise.all(all.map((name) => entered(ground(), name)));
  const counting = [
    'add table ip seen',
    'add chain ip seen packets { type filter hook prerouting priority filter; }',
    ...CLIENTS.flatMap((name, i) => [
      `add counter ip seen ${name}`,
      `add rule ip seen packets ip saddr ${ips[i]} sctp dport 8080 counter name ${name}`,
    ]),
  ];
  await inServer?.('nft', counting.join('; '));
  const opening = inClients.map(async (inClient) => {
    for (const command of openingSctp) await inClient(...command);
  });
  await Promise.all(opening);
  const counted = async () => (await inServer?.('nft', 'reset', 'counters', 'table', 'ip', 'seen')) ?? '';
  const arrives = (who: string) =>
    holds(`packets of "${who}" arrive`, async () => {
      await counted();
      const sent = ips.map((from) => sendingSctp({ from, to, toPort: 8080 }));
      await Promise.all(inClients.map((inClient, i) => inClient(...(sent[i] ?? []))));
      const seen = await counted();
      expect(CLIENTS.filter((name) => new RegExp(`counter ${name} \\{\\s+packets [1-9]`).test(seen)).join(' ')).toBe(
        who,
      );
    });
  const direct = `http://${to}:8080`;
  const path = ground().path('NetworkPolicy', API, 'sctp');
  const sctp = { port: 8080, protocol: 'SCTP' };
  const from = [{ podSelector: { matchLabels: { role: 'friend' } } }];
  await arrives('near far stranger');
  await ground().create(policy('sctp', { ...FOR_SERVER, ingress: [{ from, ports: [sctp] }] }));
  await arrives('near far');
  expect(await whoReaches(direct)).toBe('');
  // The same port of another protocol, and another port of the same.
  const others = [
    { ...sctp, protocol: 'TCP' },
    { ...sctp, port: 8081, endPort: 8090 },
  ];
  await ground().api.patch(path, { spec: { ingress: [{ from, ports: others }] } });
  await arrives('');
  await becomes(direct, 'near far');
  // The other side.
  await ground().api.patch(path, { spec: { ingress: [{}] } });
  await arrives('near far stranger');
  await ground().create(
    policy('sending', {
      podSelector: { matchExpressions: [{ key: 'role', operator: 'Exists' }] },
      policyTypes: ['Egress'],
      egress: [{ to: [FOR_SERVER], ports: others }],
    }),
  );
  await arrives('');
  await ground().api.patch(ground().path('NetworkPolicy', API, 'sending'), {
    spec: { egress: [{ to: [FOR_SERVER], ports: [sctp] }] },
  });
  await arrives('near far stranger');
  for (const name of ['sctp', 'sending']) await ground().api.delete(ground().path('NetworkPolicy', API, name));
  await becomes(direct, 'near far stranger');
});

/** Talks as long as it is answered, and tells when that ends. */
const TALK = `const {connect} = require('net'); const [ip] = process.argv.slice(1); const socket = connect(8080, ip);
  socket.setTimeout(5000, () => { console.log('ended'); process.exit(0); });
  socket.on('error', () => { console.log('ended'); process.exit(0); });
  socket.write('GET / HTTP/1.1\\r\\nhost: x\\r\\nconnection: Upgrade\\r\\nupgrade: echo\\r\\n\\r\\n');
  socket.on('data', () => { require('fs').writeFileSync('/tmp/talks', ''); setTimeout(() => socket.write('x'), 100); })`;

test.each([
  ['of whom the server hears', FOR_SERVER],
  ['to whom clients talk', { podSelector: { matchExpressions: [ROLE_EXISTS] }, policyTypes: ['Egress'] }],
] as const)('a change %s ends what it no longer allows, on one node and between nodes', async (_, spec) => {
  const { status } = await ground().pod('server');
  const talkers = ['near', 'stranger'];
  const talking = talkers.map((name) => ground().exec(name, `node -e "${TALK}" ${status?.podIP}; rm /tmp/talks`));
  for (const each of talking) each.catch(() => undefined); // awaited below
  for (const name of talkers)
    await eventually(`${name} talks`, async () => (await ground().tryExec(name, 'test -e /tmp/talks')).code === 0);
  await ground().create(policy('deny', spec));
  expect(await Promise.all(talking)).toEqual(['ended', 'ended']);
  await ground().api.delete(ground().path('NetworkPolicy', API, 'deny'));
  await becomes('http://server', 'near far stranger');
});

test('a pod that may send nothing still answers, and finds names', async () => {
  await ground().create(
    policy('silent', { podSelector: { matchLabels: { role: 'friend' } }, policyTypes: ['Egress'] }),
  );
  await becomes('http://server', 'stranger');
  const { spec } = await ground().api.get<{ spec: { clusterIP: string } }>(ground().path('Service', 'v1', 'server'));
  await holds('the name is found', async () => {
    const found = await ground().exec('near', 'nslookup server.conformance-network-policy.svc.cluster.local');
    expect(found).toMatch(new RegExp(`${spec.clusterIP}(?!\\d)`));
  });
  await ground().api.delete(ground().path('NetworkPolicy', API, 'silent'));
  await becomes('http://server', 'near far stranger');
});

test('a pod is isolated before its first container starts', async () => {
  await ground().create(policy('silent', { podSelector: { matchLabels: { app: 'new' } }, policyTypes: ['Egress'] }));
  const { status } = await ground().pod('server');
  // It asks from its first moment on, and tells what it got.
  const script = `for i in 1 2 3; do timeout 2 wget -qO- http://${status?.podIP}:8080 && echo; done; echo ended`;
  const names = ['new-0', 'new-1', 'new-2', 'new-3', 'new-4', 'new-5'];
  await ground().create(
    ...names.map((name, i) =>
      pod(name, { labels: { app: 'new' }, spec: { nodeName: `node${(i % 3) + 1}`, containers: [shell(script)] } }),
    ),
  );
  const ask = `for i in 1 2 3 4 5 6; do timeout 5 wget -qO- http://${status?.podIP}:8080 && break; sleep 1; done`;
  await ground().create(pod('free', { labels: { app: 'free' }, spec: { containers: [shell(ask)] } }));
  for (const name of [...names, 'free']) await ground().ended(name);
  for (const name of names) {
    const log = await ground().log(name);
    expect(log).toContain('ended');
    expect(log).not.toContain('server');
  }
  expect(await ground().log('free')).toContain('server');
});
