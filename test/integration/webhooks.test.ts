/** Admission webhooks as servers of their own: what they are asked, what their answers do, and what happens without one. */
import { createServer, type Server } from 'node:https';
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { MutatingWebhookConfiguration } from '#api/admissionregistration/v1/mutating-webhook-configuration.ts';
import { ValidatingWebhookConfiguration } from '#api/admissionregistration/v1/validating-webhook-configuration.ts';
import { Deployment } from '#api/apps/v1/deployment.ts';
import { ConfigMap } from '#api/core/v1/config-map.ts';
import { Service } from '#api/core/v1/service.ts';
import { EndpointSlice } from '#api/discovery/v1/endpoint-slice.ts';
import type { Client } from '#client/client.ts';
import { type HttpsApiServer, startHttpsApiServer } from './https-api-server.ts';

interface Asked {
  path: string;
  host: string | undefined;
  review: { apiVersion: string; kind: string; request: Record<string, unknown> & { uid: string } };
}

/** What a path answers: the `response` of a review without its uid, or the whole HTTP answer. */
type Said = object | { raw: { code?: number; location?: string; text: string } } | 'nothing';

let server: HttpsApiServer;
let client: Client;
let webhook: Server;
let silent: ReturnType<typeof createTcpServer>;
const sockets = new Set<Socket>();
let caBundle: string;
let asked: Asked[] = [];
let answers: Record<string, (asked: Asked) => Said> = {};

/** One of this machine's that is not its loopback: a Service leads to no other kind. */
const ADDRESS =
  Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .find(({ family, internal }) => family === 'IPv4' && !internal)?.address ?? '0.0.0.0';

beforeAll(async () => {
  server = await startHttpsApiServer();
  client = server.api.loopback.client;
  const { certificate, key } = server.pki.issueServer('webhook', {
    commonName: 'webhook',
    names: ['hook.default.svc', 'localhost'],
    addresses: ['127.0.0.1'],
  });
  caBundle = Buffer.from(server.pki.caCertificate).toString('base64');
  webhook = createServer({ cert: certificate, key }, (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const review = JSON.parse(Buffer.concat(chunks).toString('utf8')) as Asked['review'];
      const [path = ''] = (request.url ?? '').split('?');
      const one = { path: request.url ?? '', host: request.headers.host, review };
      asked.push(one);
      const said = answers[path]?.(one) ?? { allowed: true };
      if (said === 'nothing') return;
      if ('raw' in said) {
        const { code = 200, location, text } = said.raw as { code?: number; location?: string; text: string };
        response.writeHead(code, location ? { location } : {}).end(text);
        return;
      }
      const answer = {
        apiVersion: review.apiVersion,
        kind: review.kind,
        response: { uid: review.request.uid, ...said },
      };
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
    });
  });
  await new Promise<void>((listening) => webhook.listen(0, '0.0.0.0', listening));
  silent = createTcpServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
  });
  await new Promise<void>((listening) => silent.listen(0, '127.0.0.1', listening));
});

afterAll(async () => {
  await server[Symbol.asyncDispose]();
  webhook.closeAllConnections();
  for (const socket of sockets) socket.destroy();
  await Promise.all([webhook, silent].map((one) => new Promise((closed) => one.close(closed))));
});

afterEach(async () => {
  for (const kind of [MutatingWebhookConfiguration, ValidatingWebhookConfiguration] as const)
    for (const { metadata } of (await client.list(kind as typeof MutatingWebhookConfiguration)).items)
      await client.delete(kind as typeof MutatingWebhookConfiguration, metadata);
  await settled(() => informed().every((informer) => informer.list().length === 0));
  for (const { metadata } of (await client.list(ConfigMap, { namespace: 'default' })).items)
    await client.delete(ConfigMap, metadata as { name: string });
  asked = [];
  answers = {};
});

const informed = () => {
  const { informers } = server.api.loopback;
  return [informers.for(MutatingWebhookConfiguration), informers.for(ValidatingWebhookConfiguration)];
};

async function settled(is: () => boolean): Promise<void> {
  const endMs = Date.now() + 60_000;
  while (!is()) {
    if (Date.now() > endMs) throw new Error('the API server has not heard of the configuration');
    await new Promise((turn) => setImmediate(turn));
  }
}

const port = () => (webhook.address() as AddressInfo).port;
const to = (path: string) => ({ url: `https://127.0.0.1:${port()}${path}`, caBundle });
const MERGE = 'application/merge-patch+json';
const RULE = { operations: ['*'], apiGroups: [''], apiVersions: ['v1'], resources: ['configmaps'] };

const hook = (path: string, more: object = {}) => ({
  name: `${path.slice(1)}.example.com`,
  clientConfig: to(path),
  rules: [RULE],
  sideEffects: 'None',
  admissionReviewVersions: ['v1'],
  ...more,
});

async function configure(kind: 'mutating' | 'validating', webhooks: object[], name = kind as string): Promise<void> {
  const of = kind === 'mutating' ? MutatingWebhookConfiguration : ValidatingWebhookConfiguration;
  const { metadata } = await client.create(
    of as typeof MutatingWebhookConfiguration,
    {
      metadata: { name },
      webhooks,
    } as never,
  );
  const informer = server.api.loopback.informers.for(of as typeof MutatingWebhookConfiguration);
  await settled(() => informer.get(metadata.name) !== undefined);
}

const patching = (operations: object[]) => ({
  allowed: true,
  patchType: 'JSONPatch',
  patch: Buffer.from(JSON.stringify(operations)).toString('base64'),
});

const create = (name: string, data: Record<string, string> = {}, labels: Record<string, string> = {}) =>
  client.create(ConfigMap, { metadata: { namespace: 'default', name, labels }, data } as never);

test('a mutating webhook is told all about the request, and changes what is stored', async () => {
  answers['/mutate'] = () => patching([{ op: 'add', path: '/data/added', value: 'by webhook' }]);
  await configure('mutating', [hook('/mutate')]);
  const alice = server.transportFor({ name: 'alice', groups: ['system:masters'] });
  const { object } = await alice.request({
    method: 'POST',
    path: '/api/v1/namespaces/default/configmaps?fieldManager=me&dryRun=All',
    object: { metadata: { name: 'told' }, data: { own: '1' } },
  });
  expect(object).toMatchObject({ data: { own: '1', added: 'by webhook' } });
  expect(asked).toHaveLength(1);
  expect(asked[0]?.path).toBe('/mutate?timeout=10s');
  const resource = { group: '', version: 'v1', resource: 'configmaps' };
  const kind = { group: '', version: 'v1', kind: 'ConfigMap' };
  expect(asked[0]?.review).toEqual({
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    request: {
      uid: expect.stringMatching(/^[0-9a-f-]{36}$/),
      kind,
      resource,
      requestKind: kind,
      requestResource: resource,
      name: 'told',
      namespace: 'default',
      operation: 'CREATE',
      userInfo: expect.objectContaining({ username: 'alice', groups: ['system:masters', 'system:authenticated'] }),
      object: expect.objectContaining({ apiVersion: 'v1', kind: 'ConfigMap', data: { own: '1' } }),
      oldObject: null,
      dryRun: true,
      options: { kind: 'CreateOptions', apiVersion: 'meta.k8s.io/v1', dryRun: ['All'], fieldManager: 'me' },
    },
  });
});

test('a webhook is asked where its conditions hold; when they cannot be told, its failure policy says what then', async () => {
  answers['/mutate'] = () => patching([{ op: 'add', path: '/data/added', value: 'by webhook' }]);
  const matchConditions = [
    { name: 'not-skipped', expression: "object.metadata.name != 'skip-me'" },
    { name: 'not-nodes', expression: "!request.userInfo.groups.exists(g, g == 'system:nodes')" },
  ];
  await configure('mutating', [hook('/mutate', { matchConditions })]);
  expect((await create('skip-me', { own: '1' })).data).toEqual({ own: '1' });
  expect((await create('taken', { own: '1' })).data).toEqual({ own: '1', added: 'by webhook' });
  expect(asked).toHaveLength(1);
  const failing = [{ name: 'failing', expression: "object.data.none == 'x'" }];
  await configure('validating', [hook('/deny', { matchConditions: failing })]);
  await expect(create('untold', { own: '1' })).rejects.toMatchObject({
    code: 403,
    message: `configmaps "untold" is forbidden: expression 'object.data.none == 'x'' resulted in error: no such key: none`,
  });
});

test('webhooks run by the names of their configurations, and again when asked to', async () => {
  answers['/first'] = ({ review }) => {
    const { data = {} } = review.request.object as { data?: Record<string, string> };
    return patching([{ op: 'add', path: '/data/first', value: data.second ? 'saw second' : 'alone' }]);
  };
  answers['/second'] = () => patching([{ op: 'add', path: '/data/second', value: 'yes' }]);
  await configure('mutating', [hook('/second')], 'b');
  await configure('mutating', [hook('/first', { reinvocationPolicy: 'IfNeeded' })], 'a');
  expect((await create('twice', { own: '1' })).data).toEqual({ own: '1', first: 'saw second', second: 'yes' });
  expect(asked.map(({ path }) => path.split('?')[0])).toEqual(['/first', '/second', '/first']);
});

test('a denial is passed on with its code and reason; a warning comes along', async () => {
  answers['/deny'] = () => ({
    allowed: false,
    warnings: ['think again'],
    status: { code: 418, reason: 'Teapot', message: 'no configuration here' },
  });
  await configure('validating', [hook('/deny')]);
  await expect(create('denied')).rejects.toMatchObject({
    code: 418,
    reason: 'Teapot',
    message: 'admission webhook "deny.example.com" denied the request: no configuration here',
  });
  expect(await client.list(ConfigMap, { namespace: 'default' })).toMatchObject({ items: [] });
  await expect(server.kubectl(['create', 'configmap', 'denied'])).rejects.toThrow(
    /Warning: think again[\s\S]*admission webhook "deny.example.com" denied the request: no configuration here/,
  );
});

test.each([
  [{ allowed: false }, 400, 'denied the request without explanation'],
  [{ allowed: false, status: { reason: 'Forbidden' } }, 400, 'denied the request: Forbidden'],
  [{ allowed: false, status: { code: 200, message: 'odd' } }, 400, 'denied the request: odd'],
  [{ allowed: false, status: { code: 99999, message: 'odd' } }, 400, 'denied the request: odd'],
])('denied by %j', async (said, code, text) => {
  answers['/deny'] = () => said;
  await configure('validating', [hook('/deny')]);
  await expect(create('denied')).rejects.toMatchObject({
    code,
    message: `admission webhook "deny.example.com" ${text}`,
  });
});

const UNUSABLE: [string, () => Said, string][] = [
  ['no review', () => ({ raw: { text: '{}' } }), 'received invalid webhook response: webhook response was absent'],
  ['no JSON', () => ({ raw: { text: '<html>' } }), 'received invalid webhook response: '],
  ['a foreign uid', () => ({ allowed: true, uid: 'x' }), 'received invalid webhook response: expected response.uid='],
  ['a patch of no type', () => ({ allowed: true, patch: 'W10=' }), 'response.patch but not response.patchType'],
  ['a patch of another type', () => ({ allowed: true, patch: 'W10=', patchType: 'Merge' }), 'unsupported patch type'],
  [
    'a patch that is none',
    () => ({ allowed: true, patchType: 'JSONPatch', patch: Buffer.from('{}').toString('base64') }),
    'received undecodable patch in webhook response: json: cannot unmarshal object into Go value of type jsonpatch.Patch',
  ],
  ['an error', () => ({ raw: { code: 500, text: 'oops' } }), 'failed to call webhook: an error on the server ("oops")'],
  ['not found', () => ({ raw: { code: 404, text: '' } }), 'the server could not find the requested resource'],
  ['a redirect', () => ({ raw: { code: 302, location: '/mutate', text: '' } }), 'responded with the status code 302'],
  ['8 MiB', () => ({ raw: { text: ' '.repeat(8 << 20) } }), 'http: response body too large'],
];

test.each(UNUSABLE)('an answer that is unusable (%s) refuses, or is passed over', async (_, said, text) => {
  answers['/bad'] = said;
  await configure('mutating', [hook('/bad')]);
  await expect(create('closed')).rejects.toMatchObject({
    code: 500,
    reason: 'InternalError',
    message: expect.stringContaining(text),
  });
  await expect(create('closed')).rejects.toThrow('Internal error occurred: failed calling webhook "bad.example.com": ');
  await configure('validating', [hook('/mutate')]);
  await client.delete(MutatingWebhookConfiguration, { name: 'mutating' });
  await settled(() => informed()[0]!.list().length === 0);
  await configure('mutating', [hook('/bad', { failurePolicy: 'Ignore' })]);
  expect((await create('open')).metadata.name).toBe('open');
  expect(asked.filter(({ path }) => path.startsWith('/mutate'))).toHaveLength(1);
});

test('a webhook that does not answer in time refuses, or is passed over', async () => {
  const url = `https://127.0.0.1:${(silent.address() as AddressInfo).port}/x`;
  const late = { clientConfig: { url, caBundle }, timeoutSeconds: 1 };
  await configure('validating', [hook('/late', late)]);
  await expect(create('late')).rejects.toMatchObject({
    code: 500,
    message: `Internal error occurred: failed calling webhook "late.example.com": failed to call webhook: Post "${url}?timeout=1s": context deadline exceeded`,
  });
  await configure('mutating', [hook('/late', { ...late, failurePolicy: 'Ignore' })]);
  await client.delete(ValidatingWebhookConfiguration, { name: 'validating' });
  await settled(() => informed()[1]!.list().length === 0);
  expect((await create('late')).metadata.name).toBe('late');
});

test('a webhook that takes the request and says nothing is late as well', async () => {
  answers['/mute'] = () => 'nothing';
  await configure('validating', [hook('/mute', { timeoutSeconds: 1 })]);
  await expect(create('late')).rejects.toThrow('context deadline exceeded');
});

test('nobody there, and a certificate of somebody else', async () => {
  await configure('validating', [hook('/x', { clientConfig: { url: 'https://127.0.0.1:1/x', caBundle } })]);
  await expect(create('x')).rejects.toThrow(
    'failed calling webhook "x.example.com": failed to call webhook: Post "https://127.0.0.1:1/x?timeout=10s": dial tcp 127.0.0.1:1: connect: connection refused',
  );
  await client.delete(ValidatingWebhookConfiguration, { name: 'validating' });
  await settled(() => informed()[1]!.list().length === 0);
  await configure('validating', [hook('/x', { clientConfig: { url: to('/x').url } })]);
  await expect(create('x')).rejects.toThrow('x509: certificate signed by unknown authority');
  expect(asked).toEqual([]);
});

test.each([
  [
    'does not fit',
    [{ op: 'remove', path: '/data/none' }],
    500,
    "Internal error occurred: error in remove for path: '/data/none': Unable to remove nonexistent key: none: missing value",
  ],
  ['changes the type', [{ op: 'replace', path: '/kind', value: 'Secret' }], 500, 'change the type'],
  ['breaks the shape', [{ op: 'add', path: '/data', value: 7 }], 500, 'Internal error occurred: '],
  ['moves it', [{ op: 'replace', path: '/metadata/namespace', value: 'kube-system' }], 400, 'does not match'],
  ['is too long', Array(10_001).fill({ op: 'test', path: '/kind', value: 'ConfigMap' }), 500, 'maximum operations'],
  ['makes it invalid', [{ op: 'add', path: '/data/a~1b', value: 'x' }], 422, 'ConfigMap "patched" is invalid'],
])('a patch that %s is refused, whatever the failure policy', async (_, operations, code, text) => {
  answers['/mutate'] = () => patching(operations);
  await configure('mutating', [hook('/mutate', { failurePolicy: 'Ignore' })]);
  await expect(create('patched', { own: '1' })).rejects.toMatchObject({ code, message: expect.stringContaining(text) });
  expect((await client.list(ConfigMap, { namespace: 'default' })).items).toEqual([]);
});

test('a patch that takes the namespace away, or gives a uid, changes neither', async () => {
  answers['/mutate'] = () =>
    patching([
      { op: 'remove', path: '/metadata/namespace' },
      { op: 'add', path: '/metadata/uid', value: 'mine' },
    ]);
  await configure('mutating', [hook('/mutate')]);
  const { metadata } = await create('placed');
  expect(metadata).toMatchObject({ namespace: 'default', uid: expect.stringMatching(/^[0-9a-f-]{36}$/) });
});

test('a patch that leaves no account of fields is without effect on it, and the client is told', async () => {
  const unreadable = { manager: 'm', operation: 'Update', apiVersion: 'v1', fieldsType: 'FieldsV1' };
  answers['/account'] = () =>
    patching([
      { op: 'add', path: '/metadata/managedFields/-', value: { ...unreadable, fieldsV1: { 'f:data': null } } },
      { op: 'add', path: '/data/by', value: 'webhook' },
    ]);
  await configure('mutating', [hook('/account')]);
  const transport = server.transportFor({ name: 'asker', groups: ['system:masters'] });
  const path = '/api/v1/namespaces/default/configmaps';
  const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'accounted' }, data: { by: 'client' } };
  const told = [
    '.metadata.managedFields was in an invalid state after admission; this could be caused by an outdated mutating admission controller; please fix your requests: error decoding versioned set from managed fields entry 1',
  ];
  for (const request of [
    { method: 'POST', path, object },
    { method: 'PATCH', path: `${path}/accounted`, object: { data: { more: '1' } }, contentType: MERGE },
  ] as const) {
    const reply = await transport.request(request);
    const made = reply.object as ConfigMap;
    expect(reply.warnings).toEqual(told);
    expect(made.data?.by).toBe('webhook');
    expect(made.metadata.managedFields?.map(({ manager }) => manager)).not.toContain('m');
  }
});

test('a patch of __proto__ is one of a key by that name and reaches nothing else', async () => {
  answers['/mutate'] = () => ({
    allowed: true,
    patchType: 'JSONPatch',
    patch: Buffer.from('[{"op":"add","path":"/metadata/labels/__proto__","value":{"polluted":"yes"}}]').toString(
      'base64',
    ),
  });
  await configure('mutating', [hook('/mutate')]);
  await expect(create('proto', {}, { a: 'b' })).rejects.toThrow(
    'json: cannot unmarshal object into Go struct field ObjectMeta.metadata.labels of type string',
  );
  expect(({} as Record<string, unknown>).polluted).toBeUndefined();
});

test('updates, patches and deletes are seen with what was stored; both sorts may refuse a delete', async () => {
  await create('seen', { own: '1' });
  await configure('mutating', [hook('/mutate')]);
  await client.patch(
    ConfigMap,
    { namespace: 'default', name: 'seen' },
    { type: 'merge', patch: { data: { own: '2' } } },
  );
  expect(asked[0]?.review.request).toMatchObject({
    operation: 'UPDATE',
    object: { data: { own: '2' } },
    oldObject: { data: { own: '1' } },
    options: { kind: 'PatchOptions' },
  });
  answers['/mutate'] = () => ({ allowed: false, status: { message: 'keep it' } });
  await expect(client.delete(ConfigMap, { namespace: 'default', name: 'seen' })).rejects.toThrow(
    'admission webhook "mutate.example.com" denied the request: keep it',
  );
  expect(asked[1]?.review.request).toMatchObject({
    operation: 'DELETE',
    name: 'seen',
    object: null,
    oldObject: { data: { own: '2' } },
    options: { kind: 'DeleteOptions', apiVersion: 'meta.k8s.io/v1' },
  });
  delete answers['/mutate'];
});

test('a selector of namespaces or objects leaves the others alone', async () => {
  answers['/deny'] = () => ({ allowed: false });
  const namespaceSelector = { matchLabels: { 'kubernetes.io/metadata.name': 'kube-public' } };
  await configure('validating', [
    hook('/deny', { namespaceSelector }),
    hook('/deny', { name: 'labelled.example.com', objectSelector: { matchLabels: { guarded: 'yes' } } }),
  ]);
  await create('free');
  expect(asked).toEqual([]);
  await expect(create('guarded', {}, { guarded: 'yes' })).rejects.toThrow('"labelled.example.com" denied');
  await expect(
    client.create(ConfigMap, { metadata: { namespace: 'kube-public', name: 'x' } } as never),
  ).rejects.toThrow('"deny.example.com" denied');
});

test('no webhook stands between an administrator and the webhooks', async () => {
  answers['/deny'] = () => ({ allowed: false });
  const everything = { operations: ['*'], apiGroups: ['*'], apiVersions: ['*'], resources: ['*/*'] };
  await configure('validating', [hook('/deny', { rules: [everything] })]);
  await expect(create('x')).rejects.toThrow('denied the request');
  await client.delete(ValidatingWebhookConfiguration, { name: 'validating' });
  await settled(() => informed()[1]!.list().length === 0);
  await create('x');
});

test('a Service leads to its ready pod, under its own name', async () => {
  const service = { namespace: 'default', name: 'hook', path: '/mutate', port: 443 };
  await configure('mutating', [hook('/mutate', { clientConfig: { service, caBundle } })]);
  const failure =
    'failed calling webhook "mutate.example.com": failed to call webhook: Post "https://hook.default.svc:443/mutate?timeout=10s": ';
  await expect(create('x')).rejects.toThrow(`${failure}service "hook" not found`);
  await client.create(Service, {
    metadata: { namespace: 'default', name: 'hook' },
    spec: { ports: [{ name: 'https', port: 443, targetPort: 8443 }] },
  } as never);
  await expect(create('x')).rejects.toThrow(`${failure}no endpoints available for service "hook"`);
  const slice = (address: string) => ({
    metadata: { namespace: 'default', name: 'hook-1', labels: { 'kubernetes.io/service-name': 'hook' } },
    addressType: 'IPv4',
    endpoints: [{ addresses: [address], conditions: { ready: true } }],
    ports: [{ name: 'https', port: port(), protocol: 'TCP' }],
  });
  answers['/mutate'] = () => patching([{ op: 'add', path: '/data', value: { by: 'pod' } }]);
  await client.create(EndpointSlice, slice(ADDRESS) as never);
  expect((await create('x')).data).toEqual({ by: 'pod' });
  expect(asked[0]?.host).toBe('hook.default.svc');
});

test('a webhook for deployments/scale sees the Scale, and changes the replicas by it', async () => {
  const labels = { app: 'web' };
  await client.create(Deployment, {
    metadata: { namespace: 'default', name: 'web' },
    spec: {
      replicas: 1,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'i' }] } },
    },
  } as never);
  answers['/mutate'] = () => patching([{ op: 'replace', path: '/spec/replicas', value: 5 }]);
  const rules = [
    { operations: ['UPDATE'], apiGroups: ['apps'], apiVersions: ['v1'], resources: ['deployments/scale'] },
  ];
  await configure('mutating', [hook('/mutate', { rules })]);
  await server.kubectl(['scale', 'deployment/web', '--replicas=3']);
  expect(asked[0]?.review.request).toMatchObject({
    kind: { group: 'autoscaling', version: 'v1', kind: 'Scale' },
    subResource: 'scale',
    object: { kind: 'Scale', spec: { replicas: 3 } },
    oldObject: { kind: 'Scale', spec: { replicas: 1 } },
  });
  expect((await client.get(Deployment, { namespace: 'default', name: 'web' })).spec.replicas).toBe(5);
});

test('a webhook that knows one version of a kind sees the others as that one', async () => {
  answers['/mutate'] = () => patching([{ op: 'replace', path: '/spec/maxReplicas', value: 7 }]);
  const rules = [
    {
      operations: ['CREATE'],
      apiGroups: ['autoscaling'],
      apiVersions: ['v1'],
      resources: ['horizontalpodautoscalers'],
    },
  ];
  await configure('mutating', [hook('/mutate', { rules })]);
  const { object } = await client.transport.request({
    method: 'POST',
    path: '/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers',
    object: {
      metadata: { name: 'web' },
      spec: {
        maxReplicas: 3,
        scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' },
        metrics: [
          { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 50 } } },
        ],
      },
    },
  });
  expect(asked[0]?.review.request).toMatchObject({
    kind: { group: 'autoscaling', version: 'v1', kind: 'HorizontalPodAutoscaler' },
    requestKind: { group: 'autoscaling', version: 'v2', kind: 'HorizontalPodAutoscaler' },
    resource: { version: 'v1' },
    requestResource: { version: 'v2' },
    object: { apiVersion: 'autoscaling/v1', spec: { maxReplicas: 3, targetCPUUtilizationPercentage: 50 } },
  });
  expect(object).toMatchObject({
    apiVersion: 'autoscaling/v2',
    spec: { maxReplicas: 7, metrics: [{ resource: { target: { averageUtilization: 50 } } }] },
  });
});

test('validating webhooks see what mutating ones made, all at once', async () => {
  answers['/mutate'] = () => patching([{ op: 'add', path: '/data', value: { made: 'yes' } }]);
  await configure('mutating', [hook('/mutate')]);
  await configure('validating', [hook('/one'), hook('/two')]);
  await create('all');
  const seen = asked.filter(({ path }) => !path.startsWith('/mutate'));
  expect(seen.map(({ path }) => path.split('?')[0]).sort()).toEqual(['/one', '/two']);
  for (const { review } of seen) expect(review.request.object).toMatchObject({ data: { made: 'yes' } });
});
