/** NetworkPolicies as users write them, on pods of two nodes, directly and by way of a Service. */
import { expect, test } from 'vitest';
import { SERVER } from './conformance/image.ts';
import { container, object, playground, pod, shell } from './conformance/playground.ts';
import { eventually, holds } from './running-cluster.ts';

const API = 'networking.k8s.io/v1';
const server = container({
  command: SERVER,
  env: [{ name: 'PORTS', value: '8080,8081' }],
  ports: [{ name: 'web', containerPort: 8080 }],
});
const CLIENTS = ['near', 'far', 'stranger'];

const ground = playground('network-policy', async (it) => {
  const rest = { containers: [shell('sleep 1000')] };
  await it.create(
    pod('server', { labels: { app: 'server' }, spec: { containers: [server], nodeName: 'node1' } }),
    pod('near', { labels: { role: 'friend' }, spec: { ...rest, nodeName: 'node1' } }),
    pod('far', { labels: { role: 'friend' }, spec: { ...rest, nodeName: 'node2' } }),
    pod('stranger', { labels: { role: 'stranger' }, spec: { ...rest, nodeName: 'node2' } }),
    object('Service', 'server', { spec: { selector: { app: 'server' }, ports: [{ port: 80, targetPort: 'web' }] } }),
  );
  for (const name of ['server', ...CLIENTS]) await it.ready(name);
  return undefined;
});

const policy = (name: string, spec: object) => object('NetworkPolicy', name, { spec }, API);
const FOR_SERVER = { podSelector: { matchLabels: { app: 'server' } } };
const answers = async (from: string, url: string) =>
  (await ground().tryExec(from, `timeout 3 wget -qO- ${url}`)).stdout.includes('server');
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
  for (const name of ['deny', 'friends']) await ground().api.delete(ground().path('NetworkPolicy', API, name));
  await becomes(second, 'near far stranger');
});

test('a pod that may send nothing still answers, and finds names', async () => {
  await ground().create(
    policy('silent', { podSelector: { matchLabels: { role: 'friend' } }, policyTypes: ['Egress'] }),
  );
  await becomes('http://server', '');
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
  const names = ['new-0', 'new-1', 'new-2', 'new-3'];
  await ground().create(
    ...names.map((name, i) =>
      pod(name, { labels: { app: 'new' }, spec: { nodeName: `node${(i % 2) + 1}`, containers: [shell(script)] } }),
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
