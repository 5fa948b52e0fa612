/** Services of type LoadBalancer: an address that this machine reaches, and what may come there. */
import { request } from 'node:http';
import { expect, test } from 'vitest';
import { SERVER } from './conformance/image.ts';
import { container, object, playground, pod, shell } from './conformance/playground.ts';
import { eventually, holds } from './running-cluster.ts';

const server = container({ command: SERVER, env: [{ name: 'PORTS', value: '8080' }] });

const ground = playground('load-balancer', async (it) => {
  await it.create(
    pod('server', { labels: { app: 'server' }, spec: { containers: [server], nodeName: 'node3' } }),
    pod('client', { spec: { containers: [shell('sleep 1000')], nodeName: 'node1' } }),
  );
  for (const name of ['server', 'client']) await it.ready(name);
  return undefined;
});

interface Service {
  metadata: { finalizers?: string[] };
  spec: { healthCheckNodePort?: number };
  status: { loadBalancer: { ingress?: { ip: string; ipMode: string }[] } };
}
const pathOf = (name: string) => ground().path('Service', 'v1', name);
const balanced = async (name: string, spec: object = {}) => {
  const ports = [{ port: 80, targetPort: 8080 }];
  await ground().create(
    object('Service', name, { spec: { type: 'LoadBalancer', selector: { app: 'server' }, ports, ...spec } }),
  );
  return eventually(`${name} has an address`, async () => {
    const { status } = await ground().api.get<Service>(pathOf(name));
    return status.loadBalancer.ingress?.[0]?.ip;
  });
};

/** What the server answers to this machine, or why it does not. */
const ask = (address: string, path = '/', port = 80): Promise<string> =>
  new Promise((done) => {
    const sent = request({ host: address, port, path, agent: false, timeout: 2_000 }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => {
        text += part;
      });
      response.on('end', () => done(`${response.statusCode} ${text.trim()}`));
    });
    sent.on('timeout', () => sent.destroy(new Error('timeout')));
    sent.on('error', (error: NodeJS.ErrnoException) => done(error.code ?? error.message));
    sent.end();
  });
const becomes = (what: string, address: string, answer: RegExp) =>
  eventually(`${address} ${what}`, async () => answer.test(await ask(address)));

test('a Service of type LoadBalancer is reached at its address, from this machine and from pods', async () => {
  const address = await balanced('plain');
  await becomes('answers', address, /^200 server/);
  await holds('a pod is answered', async () =>
    expect(await ground().exec('client', `timeout 5 wget -qO- http://${address}`)).toContain('server'),
  );
  const { stdout } = await ground().cluster.tryKubectl(['-n', ground().namespace, 'get', 'service', 'plain']);
  expect(stdout).toMatch(new RegExp(`plain\\s+LoadBalancer\\s+\\S+\\s+${address}\\s+80:3\\d{4}/TCP`));
  await ground().api.delete(pathOf('plain'));
  await ground().gone(pathOf('plain'));
  await becomes('is nobody', address, /^(?!200)/);
});

test('under the policy Local the server sees who asks, and nodes tell whether they have it', async () => {
  const address = await balanced('local', { externalTrafficPolicy: 'Local' });
  await becomes('answers', address, /^200 server/);
  const { spec } = await ground().api.get<Service>(pathOf('local'));
  const nodes = await ground().cluster.nodeAddresses();
  // This machine's own address, the first of the nodes' range, and no node's.
  await holds('the server sees this machine', async () =>
    expect(await ask(address, '/clientip')).toBe(`200 ${nodes[0]?.ip.replace(/\d+$/, '1')}`),
  );
  const healthOf = (name: string) =>
    ask(nodes.find((node) => node.name === name)?.ip ?? '', '/healthz', spec.healthCheckNodePort);
  await eventually('the nodes tell', async () => {
    const [one, other, having] = await Promise.all(['node1', 'node2', 'node3'].map(healthOf));
    const isHaving = having?.startsWith('200') && having.includes('"localEndpoints":1');
    return one?.startsWith('503') && other?.startsWith('503') && isHaving;
  });
});

test('source ranges keep everybody else out', async () => {
  const address = await balanced('guarded', { loadBalancerSourceRanges: ['10.0.0.0/8'] });
  await eventually('a pod is answered', async () =>
    (await ground().tryExec('client', `timeout 5 wget -qO- http://${address}`)).stdout.includes('server'),
  );
  await becomes('is closed to this machine', address, /^timeout$/);
  await ground().api.patch(pathOf('guarded'), { spec: { loadBalancerSourceRanges: null } });
  await becomes('answers', address, /^200 server/);
});
