/** `kedge trace` and `*.localhost` as a user has them: stock manifests, the shipped command, real pods, real breaks. */
import { request } from 'node:http';
import { expect, test } from 'vitest';
import { IMAGE, SERVER } from './conformance/image.ts';
import { playground } from './conformance/playground.ts';
import { eventually, holds, KEDGE, type Outcome, run } from './running-cluster.ts';

const HOST = 'trace.localhost';

const podManifest = (name: string, node: string, container: string) => `
apiVersion: v1
kind: Pod
metadata: {name: ${name}, labels: {app: ${name}}}
spec:
  nodeName: ${node}
  terminationGracePeriodSeconds: 1
  containers:
    - name: main
      image: ${IMAGE}
      ${container}
---`;
const server = `command: ${JSON.stringify(SERVER)}`;
const serviceManifest = (name: string, app: string, targetPort: number | string, type = 'ClusterIP') => `
apiVersion: v1
kind: Service
metadata: {name: ${name}}
spec:
  type: ${type}
  selector: {app: ${app}}
  ports: [{port: 80, targetPort: ${targetPort}}]
---`;
const ingressManifest = `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web}
spec:
  ingressClassName: nginx
  tls: [{hosts: [www.trace.example], secretName: not-there}]
  rules:
    - host: ${HOST}
      http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}
    - host: www.trace.example
      http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}
`;

const GATE_HOST = 'gate.localhost';
const breaksManifest = `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: paths}
spec:
  ingressClassName: nginx
  rules:
    - host: paths.localhost
      http: {paths: [{path: /only, pathType: Exact, backend: {service: {name: gone, port: {number: 80}}}}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gate}
spec:
  gatewayClassName: kedge
  listeners: [{name: http, port: 80, protocol: HTTP, hostname: ${GATE_HOST}}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: gate}
spec:
  parentRefs: [{name: gate}]
  rules:
    - matches: [{path: {type: PathPrefix, value: /web}}]
      backendRefs: [{name: web, port: 80}]
    - matches: [{path: {type: PathPrefix, value: /gone}}]
      backendRefs: [{name: gone, port: 80}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: quiet}
spec: {podSelector: {matchLabels: {app: quiet}}, policyTypes: [Egress]}
---`;

const ground = playground('trace', async (it) => {
  const manifests = [
    podManifest('web', 'node3', server),
    podManifest('client', 'node1', 'command: [sleep, "1000"]'),
    podManifest(
      'sick',
      'node1',
      `${server}\n      readinessProbe: {httpGet: {path: /healthz, port: 8081}, periodSeconds: 1}`,
    ),
    serviceManifest('web', 'web', 8080, 'NodePort'),
    serviceManifest('wrong', 'web', 9999),
    serviceManifest('balanced', 'web', 8080, 'LoadBalancer'),
    serviceManifest('sick', 'sick', 8080),
    podManifest('quiet', 'node2', 'command: [sleep, "1000"]'),
    podManifest('crashing', 'node2', 'command: [sh, -c, "exit 3"]'),
    podManifest('unpulled', 'node3', 'command: [sleep, "1000"]').replace(IMAGE, 'kedge.local/not-there:1'),
    ...['crashing', 'unpulled', 'nobody'].map((name) => serviceManifest(name, name, 8080)),
    serviceManifest('unnamed', 'web', 'no-such-port'),
    serviceManifest('local', 'web', 8080, 'NodePort').replace('spec:', 'spec:\n  externalTrafficPolicy: Local'),
    breaksManifest,
    ingressManifest,
  ];
  await it.cluster.apply(manifests.join(''), '-n', it.namespace);
  for (const name of ['web', 'client', 'quiet']) await it.ready(name);
  return undefined;
});

const trace = async (...args: string[]): Promise<Outcome> =>
  run(process.execPath, [KEDGE, '-n', ground().namespace, 'trace', ...args], {
    env: { KUBECONFIG: await ground().cluster.kubeconfig() },
  });
/** A trace that says all of this, once what it looks at has happened. */
const tells = (args: readonly string[], code: number, ...texts: (string | RegExp)[]): Promise<string> => {
  let last: Outcome | undefined;
  return eventually(`trace ${args.join(' ')}`, async () => {
    last = await trace(...args);
    const { stdout } = last;
    const has = (text: string | RegExp) => (typeof text === 'string' ? stdout.includes(text) : text.test(stdout));
    return last.code === code && texts.every(has) && stdout;
  }).catch((error: unknown) => {
    throw new Error(`${error}\nlast: ${JSON.stringify(last, undefined, 1)}`, { cause: error });
  });
};
const FROM_CLIENT = ['--from', 'pod/client'];

interface Status {
  published: { port: number; to: string; problem?: string }[];
}
async function portOf(to: string): Promise<number> {
  const { cluster } = ground();
  const { published } = JSON.parse(await cluster.kedge('status', '--json', '--name', cluster.name)) as Status;
  const found = published.find((each) => each.to === to && !each.problem);
  if (!found) throw new Error(`${to} is not published: ${JSON.stringify(published)}`);
  return found.port;
}

test('a request that arrives: every hop from the pod to the container, with what the nodes hold, and sent', async () => {
  const { namespace } = ground();
  await tells(
    ['http://web/', ...FROM_CLIENT, '--send'],
    0,
    new RegExp(`✓ dns +web.${namespace}.svc.cluster.local is \\S+, says the DNS of node node1`),
    /✓ address +\S+:80 is the ClusterIP of Service \S+\/web, held by node node1/,
    /· the rules of node node1 lead to its endpoints; \d+ connections now/,
    /✓ endpoints +1 of 1 may be used: \S+:8080/,
    /✓ pod +pod \S+\/web on node node3, port 8080, listens/,
    /✓ request +was sent, and answered 200/,
    'It arrives.',
  );
});

test('a request to the address of a load balancer, from this machine and from a pod', async () => {
  const { cluster, namespace } = ground();
  const output = 'jsonpath={.status.loadBalancer.ingress[0].ip}';
  const ip = await eventually('it has an address', () =>
    cluster.kubectl('-n', namespace, 'get', 'service', 'balanced', '-o', output),
  );
  for (const from of [[], FROM_CLIENT])
    await tells(
      [`http://${ip}/`, ...from, '--send'],
      0,
      /✓ address +\S+ is the load balancer address of Service \S+\/balanced/,
      /✓ pod +pod \S+\/web on node node3, port 8080, listens/,
      /✓ request +was sent, and answered 200/,
      'It arrives.',
    );
});

test('a request by way of a node that has neither the one who asks nor the one who answers', async () => {
  const { cluster, namespace } = ground();
  const port = await cluster.kubectl(
    '-n',
    namespace,
    'get',
    'service',
    'web',
    '-o',
    'jsonpath={.spec.ports[0].nodePort}',
  );
  const node2 = (await cluster.nodeAddresses()).find(({ name }) => name === 'node2')?.ip;
  await tells(
    [`http://${node2}:${port}/`, ...FROM_CLIENT, '--send'],
    0,
    /✓ address +\S+ is nodePort \d+ of node node2, held by node node2/,
    /✓ pod +pod \S+\/web on node node3, port 8080, listens/,
    /✓ request +was sent, and answered 200/,
    'It arrives.',
  );
});

test('an Ingress answers at NAME.localhost of this machine, and the trace tells the way', async () => {
  const port = await portOf('ingress http');
  const answer = () =>
    new Promise<string>((done) => {
      const options = { host: '127.0.0.1', port, headers: { host: `${HOST}:${port}` }, agent: false, timeout: 5_000 };
      const sent = request(options, (response) => {
        response.resume();
        done(String(response.statusCode));
      });
      sent.on('timeout', () => sent.destroy(new Error('timeout')));
      sent.on('error', (error: NodeJS.ErrnoException) => done(error.code ?? error.message));
      sent.end();
    });
  await eventually('the Ingress answers', async () => (await answer()) === '200');
  const url = `http://${HOST}${port === 80 ? '' : `:${port}`}/`;
  await tells(
    [url, '--send'],
    0,
    `${HOST} is 127.0.0.1 (RFC 6761)`,
    `127.0.0.1:${port} is published on this machine; Ingress, carried by `,
    /✓ ingress +Ingress \S+\/web, host trace.localhost, path \/ \(Prefix\)/,
    /✓ request +was sent, and answered 200/,
  );
});

test('what breaks it: no record, a missing Secret, a failing probe, a wrong target port', async () => {
  await tells(
    ['http://www.trace.example/'],
    1,
    'there is no DNS record for it',
    'curl --resolve www.trace.example:80:',
  );
  await tells(
    ['https://www.trace.example/'],
    1,
    /✗ certificate +Secret \S+\/not-there/,
    'there is no such Secret',
    /kubectl -n \S+ create secret tls not-there/,
  );
  await tells(
    ['http://sick/', ...FROM_CLIENT],
    1,
    /✗ endpoints +no endpoint of 1 may be used/,
    /the readiness probe of container main \(GET \/healthz at port 8081\) fails: Readiness probe failed: .*connection refused/,
  );
  await tells(
    ['http://wrong/', ...FROM_CLIENT],
    1,
    'nothing listens at port 9999; the pod listens at 8080',
    'set the targetPort of the Service to 8080',
  );
});

test('what breaks it on the way through nodes: rules, Services, endpoints, policies, and who is to send', async () => {
  const { cluster, namespace } = ground();
  const inNamespace = ['-n', namespace];
  const output = 'jsonpath={.spec.ports[0].nodePort}';
  const localPort = await cluster.kubectl(...inNamespace, 'get', 'service', 'local', '-o', output);
  const node2 = (await cluster.nodeAddresses()).find(({ name }) => name === 'node2')?.ip;
  const port = await portOf('ingress http');
  const at = (host: string, path = '/') => `http://${host}${port === 80 ? '' : `:${port}`}${path}`;
  const gate = [
    [at(GATE_HOST, '/web')],
    0,
    /✓ ingress +HTTPRoute \S+\/gate, host gate.localhost, path \/web \(Prefix\)/,
  ] as const;
  const breaks: readonly (readonly [readonly string[], number, ...(string | RegExp)[]])[] = [
    gate,
    [[at(GATE_HOST, '/gone')], 1, 'what its backendRefs mean is not there, or no ReferenceGrant allows it'],
    [[at('unknown.localhost')], 1, /✗ ingress +no Ingress and no Gateway takes the host unknown.localhost/],
    [
      [at('paths.localhost', '/other')],
      1,
      'no rule of paths.localhost takes the path /other',
      'its paths are /only (Exact)',
    ],
    [[at('paths.localhost', '/only')], 1, /✗ service +Service \S+\/gone/, 'there is no such Service'],
    [['http://web:8080/', ...FROM_CLIENT], 1, 'it has no port of that number; it has 80'],
    [['http://web.default/', ...FROM_CLIENT], 1, /✗ dns +web.default has no address/, `ask for web.${namespace}`],
    [['http://nobody/', ...FROM_CLIENT], 1, `no pod in namespace ${namespace} has the labels app=nobody`],
    [
      ['http://unnamed/', ...FROM_CLIENT],
      1,
      'it has no port named no-such-port, which is the targetPort of the Service',
    ],
    [['http://crashing/', ...FROM_CLIENT], 1, /container main crashes again and again; it last ended with code 3/],
    [['http://unpulled/', ...FROM_CLIENT], 1, /pod \S+\/unpulled: container main: (ErrImagePull|ImagePullBackOff)/],
    [
      ['http://web/', '--from', 'pod/quiet'],
      1,
      `NetworkPolicy ${namespace}/quiet isolates the egress of pod ${namespace}/quiet`,
    ],
    [[`http://${node2}:${localPort}/`], 1, /✗ endpoints +no endpoint on node node2/, 'its endpoints are on node3'],
    [['http://web/', '--from', 'pod/absent'], 1, /pod \S+\/absent/, 'there is no such pod to send from'],
  ];
  for (const [args, code, ...texts] of breaks) await tells(args, code, ...texts);
});

test('a policy in the way is named with the rule that is missing, and what the node dropped is counted', async () => {
  const policy = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: closed}
spec: {podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress]}
`;
  const { namespace } = ground();
  await ground().cluster.apply(policy, '-n', namespace);
  await tells(
    ['http://web/', ...FROM_CLIENT, '--send'],
    1,
    /✗ policy +pod \S+\/client → \S+:8080/,
    `NetworkPolicy ${namespace}/closed isolates pod ${namespace}/web, and no rule allows this`,
    `add an ingress rule from pods with app=client in namespace ${namespace}, TCP port 8080`,
    /✗ request +was sent, and not answered/,
  );
  await tells(
    ['http://web/', ...FROM_CLIENT],
    1,
    /· policies dropped [1-9]\d* packets to pods under the same policies/,
  );
  await ground().cluster.kubectl('-n', namespace, 'delete', 'networkpolicy', 'closed');
  await tells(['http://web/', ...FROM_CLIENT, '--send'], 0, 'answered 200');
});

test('who may not ask nodes is told so; the rest is traced all the same', async () => {
  const { namespace, cluster } = ground();
  await cluster.kubectl('create', 'clusterrolebinding', `trace-${namespace}`, '--clusterrole=view', '--user=reader');
  try {
    const as = ['--as', 'reader'];
    const said = await tells(['http://web/', ...FROM_CLIENT, ...as], 0, 'needs the right to get nodes/proxy');
    expect(said).toContain('It arrives.');
    expect((await trace('http://web/', ...FROM_CLIENT, ...as)).stderr).toContain(
      'not allowed to see Gateways, all ingressclasses, all nodes',
    );
  } finally {
    await cluster.kubectl('delete', 'clusterrolebinding', `trace-${namespace}`);
  }
});

test('as JSON, a hop an entry', async () => {
  await holds('every hop is told', async () => {
    const { stdout, code } = await trace('http://wrong/', ...FROM_CLIENT, '-o', 'json');
    const { hops, isBroken } = JSON.parse(stdout) as { hops: { at: string; state: string }[]; isBroken: boolean };
    expect([code, isBroken]).toEqual([1, true]);
    expect(hops.map(({ at, state }) => `${at} ${state}`)).toEqual([
      'dns passes',
      'address passes',
      'service passes',
      'endpoints passes',
      'pod breaks',
    ]);
  });
});
