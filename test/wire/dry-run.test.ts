/**
 * `dryRun=All` with each verb and each subresource that writes: the answer is that of the real request, and nothing of it is
 * stored, given out or counted. Source: API concepts, "Dry-run".
 */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { requestCertificate } from '#cmd/pki/request-certificate.ts';
import { type HttpsApiServer, startHttpsApiServer } from '../integration/https-api-server.ts';
import { type Answer, RawClient, statusOf } from '../integration/raw-client.ts';

let server: HttpsApiServer;
let client: RawClient;
let number = 0;
let namespace: string;

beforeAll(async () => {
  server = await startHttpsApiServer();
  client = new RawClient(server);
  await made('/api/v1/nodes', { metadata: { name: 'n1' } });
});

afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
});

beforeEach(async () => {
  number += 1;
  namespace = `dry-${number}`;
  await made('/api/v1/namespaces', { metadata: { name: namespace } });
  await made(at('serviceaccounts'), { metadata: { name: 'default' } });
});

interface Shown {
  metadata: { name: string; uid: string; resourceVersion: string; deletionTimestamp?: string };
  [field: string]: unknown;
}

const at = (resource: string, group = 'api/v1') => `/${group}/namespaces/${namespace}/${resource}`;
const APPS = 'apis/apps/v1';
const send = (method: string, path: string, body?: object, type = 'application/json') =>
  client.ask(path, { method, ...(body && { body: JSON.stringify(body), headers: { 'content-type': type } }) });
const MERGE = 'application/merge-patch+json';
const shownBy = (answer: Answer): Shown => JSON.parse(answer.text) as Shown;
const read = async (path: string) => shownBy(await client.ask(path));
const dry = (path: string) => `${path}?dryRun=All`;

async function made(path: string, object: object): Promise<Shown> {
  const answer = await send('POST', path, object);
  expect(answer.code, answer.text).toBe(201);
  return shownBy(answer);
}

/** Sends it dry, expects this code, and that `path` shows what it has shown before. */
async function nothingChanges(path: string, code: number, request: () => Promise<Answer>): Promise<Shown> {
  const before = await client.ask(path);
  const answer = await request();
  expect(answer.code, answer.text).toBe(code);
  expect((await client.ask(path)).text).toBe(before.text);
  return shownBy(answer);
}

const containers = [{ name: 'c', image: 'a:1', resources: { requests: { cpu: '1' }, limits: { cpu: '1' } } }];
const pod = (name: string, spec = {}) => ({
  metadata: { name, labels: { app: 'a' } },
  spec: { containers, automountServiceAccountToken: false, ...spec },
});
const deployment = {
  metadata: { name: 'web' },
  spec: {
    replicas: 1,
    selector: { matchLabels: { app: 'a' } },
    template: { metadata: { labels: { app: 'a' } }, spec: { containers } },
  },
};

test('a create answers with the whole object, under a name that stays free', async () => {
  const maps = at('configmaps');
  const shown = await nothingChanges(maps, 201, () => send('POST', dry(maps), { metadata: { name: 'm' } }));
  expect(shown.metadata).toMatchObject({ name: 'm', uid: expect.any(String) });
  expect(shown.metadata.resourceVersion).toBeUndefined();
  await made(maps, { metadata: { name: 'm' } });
  expect((await send('POST', dry(maps), { metadata: { name: 'm' } })).code).toBe(409);
  expect((await send('POST', dry(maps), { metadata: { name: 'M' } })).code).toBe(422);
});

test('a Service is shown an address and a node port, and takes none', async () => {
  const services = at('services');
  const service = (name: string, more: object) => ({
    metadata: { name },
    spec: { type: 'NodePort', ports: [{ port: 80, nodePort: 32_100 }], ...more },
  });
  const shown = await nothingChanges(services, 201, () =>
    send('POST', dry(services), service('a', { clusterIP: '10.96.77.77' })),
  );
  expect(shown.spec).toMatchObject({ clusterIP: '10.96.77.77', ports: [{ nodePort: 32_100 }] });
  await made(services, service('b', { clusterIP: '10.96.77.77' }));
  const gone = await nothingChanges(`${services}/b`, 200, () => send('DELETE', dry(`${services}/b`)));
  expect(gone).toBeDefined();
  expect((await send('POST', services, service('c', {}))).code).toBe(422); // b still has the port
});

test('updates and all four patches', async () => {
  const path = `${at('configmaps')}/m`;
  const stored = await made(at('configmaps'), { metadata: { name: 'm' }, data: { a: '1' } });
  const changed = { ...stored, data: { a: '2' } };
  const requests: readonly (() => Promise<Answer>)[] = [
    () => send('PUT', dry(path), changed),
    () => send('PATCH', dry(path), { data: { a: '2' } }, MERGE),
    () => send('PATCH', dry(path), { data: { a: '2' } }, 'application/strategic-merge-patch+json'),
    () =>
      client.ask(dry(path), {
        method: 'PATCH',
        headers: { 'content-type': 'application/json-patch+json' },
        body: '[{"op":"replace","path":"/data/a","value":"2"}]',
      }),
    () =>
      client.ask(`${dry(path)}&fieldManager=me&force=true`, {
        method: 'PATCH',
        headers: { 'content-type': 'application/apply-patch+yaml' },
        body: 'apiVersion: v1\nkind: ConfigMap\ndata: {a: "2"}\n',
      }),
  ];
  for (const request of requests) expect(await nothingChanges(path, 200, request)).toMatchObject({ data: { a: '2' } });
  const stale = { ...changed, metadata: { ...stored.metadata, resourceVersion: '1' } };
  expect((await send('PUT', dry(path), stale)).code).toBe(409);
});

test('an apply of what is not there makes nothing', async () => {
  const maps = at('configmaps');
  const shown = await nothingChanges(maps, 201, () =>
    client.ask(`${dry(`${maps}/new`)}&fieldManager=me`, {
      method: 'PATCH',
      headers: { 'content-type': 'application/apply-patch+yaml' },
      body: 'apiVersion: v1\nkind: ConfigMap\ndata: {a: "2"}\n',
    }),
  );
  expect(shown).toMatchObject({ metadata: { name: 'new' }, data: { a: '2' } });
});

test('a delete, of what goes at once and of what waits, by query and by body', async () => {
  const maps = at('configmaps');
  await made(maps, { metadata: { name: 'm', finalizers: ['example.com/wait'] } });
  await made(at('pods'), pod('p', { nodeName: 'n1' }));
  const all = { kind: 'DeleteOptions', apiVersion: 'v1', dryRun: ['All'] };
  for (const path of [`${maps}/m`, `${at('pods')}/p`]) {
    const marked = await nothingChanges(path, 200, () => send('DELETE', dry(path)));
    expect(marked.metadata.deletionTimestamp).toBeDefined();
    await nothingChanges(path, 200, () => send('DELETE', path, all));
    await nothingChanges(path, 200, () => send('DELETE', path, { ...all, gracePeriodSeconds: 0 }));
    await nothingChanges(path, 200, () => send('DELETE', path, { ...all, propagationPolicy: 'Foreground' }));
    const other = { ...all, preconditions: { uid: 'other' } };
    await nothingChanges(path, 409, () => send('DELETE', path, other));
  }
});

test('a delete of a namespace, and of a collection by query and by body', async () => {
  await made(at('configmaps'), { metadata: { name: 'm' } });
  const own = `/api/v1/namespaces/${namespace}`;
  await nothingChanges(own, 200, () => send('DELETE', dry(own)));
  const maps = at('configmaps');
  await nothingChanges(maps, 200, () => send('DELETE', dry(maps)));
  await nothingChanges(maps, 200, () => send('DELETE', maps, { kind: 'DeleteOptions', dryRun: ['All'] }));
});

test('status and scale', async () => {
  const path = `${at('deployments', APPS)}/web`;
  const stored = await made(at('deployments', APPS), deployment);
  const status = { replicas: 3, observedGeneration: 1 };
  expect(
    await nothingChanges(path, 200, () => send('PUT', dry(`${path}/status`), { ...stored, status })),
  ).toMatchObject({ status });
  expect(await nothingChanges(path, 200, () => send('PATCH', dry(`${path}/status`), { status }, MERGE))).toMatchObject({
    status,
  });
  const spec = { replicas: 5 };
  const scale = await read(`${path}/scale`);
  expect(await nothingChanges(path, 200, () => send('PUT', dry(`${path}/scale`), { ...scale, spec }))).toMatchObject({
    spec,
  });
  expect(await nothingChanges(path, 200, () => send('PATCH', dry(`${path}/scale`), { spec }, MERGE))).toMatchObject({
    spec,
  });
});

test('binding, ephemeral containers and resizing of a pod', async () => {
  const path = `${at('pods')}/p`;
  await made(at('pods'), pod('p'));
  const binding = { metadata: { name: 'p' }, target: { kind: 'Node', name: 'n1' } };
  await nothingChanges(path, 201, () => send('POST', dry(`${path}/binding`), binding));
  await nothingChanges(path, 201, () => send('POST', dry(at('bindings')), binding));
  const spec = { ephemeralContainers: [{ name: 'e', image: 'b:1' }] };
  const seen = await nothingChanges(path, 200, () =>
    send('PATCH', dry(`${path}/ephemeralcontainers`), { spec }, 'application/strategic-merge-patch+json'),
  );
  expect(seen).toMatchObject({ spec: { ephemeralContainers: [{ name: 'e' }] } });
  const resources = { requests: { cpu: '2' }, limits: { cpu: '2' } };
  const resized = { spec: { containers: [{ name: 'c', resources }] } };
  expect(
    await nothingChanges(path, 200, () =>
      send('PATCH', dry(`${path}/resize`), resized, 'application/strategic-merge-patch+json'),
    ),
  ).toMatchObject({ spec: { containers: [{ resources }] } });
});

test('an eviction leaves the pod and what its budget allows', async () => {
  const budgets = at('poddisruptionbudgets', 'apis/policy/v1');
  await made(budgets, { metadata: { name: 'b' }, spec: { minAvailable: 1, selector: { matchLabels: { app: 'a' } } } });
  const status = {
    observedGeneration: 1,
    disruptionsAllowed: 1,
    currentHealthy: 2,
    desiredHealthy: 1,
    expectedPods: 2,
  };
  expect((await send('PATCH', `${budgets}/b/status`, { status }, MERGE)).code).toBe(200);
  await made(at('pods'), pod('p', { nodeName: 'n1' }));
  const ready = [{ type: 'Ready', status: 'True' }];
  const running = { status: { phase: 'Running', conditions: ready } };
  expect((await send('PATCH', `${at('pods')}/p/status`, running, MERGE)).code).toBe(200);
  const eviction = { metadata: { name: 'p' }, deleteOptions: { dryRun: ['All'] } };
  const path = `${at('pods')}/p`;
  await nothingChanges(path, 201, () => send('POST', `${path}/eviction`, eviction));
  await nothingChanges(`${budgets}/b`, 201, () => send('POST', dry(`${path}/eviction`), { metadata: { name: 'p' } }));
});

test('finalize and approval', async () => {
  const own = `/api/v1/namespaces/${namespace}`;
  const shown = await read(own);
  const finalized = await nothingChanges(own, 200, () =>
    send('PUT', dry(`${own}/finalize`), { ...shown, spec: { finalizers: [] } }),
  );
  expect(finalized.spec).toEqual({});
  const requests = '/apis/certificates.k8s.io/v1/certificatesigningrequests';
  const request = Buffer.from(requestCertificate({ commonName: 'a' }).request).toString('base64');
  const asked = await made(requests, {
    metadata: { name: namespace },
    spec: { request, signerName: 'example.com/a', usages: ['client auth'] },
  });
  const conditions = [{ type: 'Approved', status: 'True', reason: 'Because' }];
  const path = `${requests}/${namespace}`;
  expect(
    await nothingChanges(path, 200, () => send('PUT', dry(`${path}/approval`), { ...asked, status: { conditions } })),
  ).toMatchObject({ status: { conditions: [{ type: 'Approved' }] } });
});

test('quota is not charged', async () => {
  const quotas = at('resourcequotas');
  await made(quotas, { metadata: { name: 'q' }, spec: { hard: { 'count/configmaps': '1' } } });
  const status = { hard: { 'count/configmaps': '1' }, used: { 'count/configmaps': '0' } };
  expect((await send('PATCH', `${quotas}/q/status`, { status }, MERGE)).code).toBe(200);
  const body = { metadata: { name: 'm' } };
  await nothingChanges(`${quotas}/q`, 201, () => send('POST', dry(at('configmaps')), body));
});

test('there is no other value of it', async () => {
  const maps = at('configmaps');
  await made(maps, { metadata: { name: 'm' } });
  for (const [method, path, body, kind] of [
    ['POST', maps, { metadata: { name: 'x' } }, 'CreateOptions'],
    ['PUT', `${maps}/m`, { metadata: { name: 'm' } }, 'UpdateOptions'],
    ['DELETE', `${maps}/m`, undefined, 'DeleteOptions'],
    ['DELETE', maps, undefined, 'DeleteOptions'],
  ] as const) {
    const answer = await send(method, `${path}?dryRun=Some`, body);
    expect([answer.code, statusOf(answer).message]).toEqual([
      422,
      `${kind}.meta.k8s.io "" is invalid: dryRun: Unsupported value: ["Some"]: supported values: "All"`,
    ]);
  }
});
