/** Custom resources whose versions a webhook converts, as stock kubectl and watchers meet them. */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { CustomResourceDefinition } from '#api/apiextensions/v1/custom-resource-definition.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import type { WatchEvent } from '#client/transport.ts';
import { createServiceFor, type ExtensionServer, eventually, startExtensionServer } from './extension-server.ts';
import { type HttpsApiServer, startHttpsApiServer } from './https-api-server.ts';

type Custom = KubeObject & { hostPort?: string; host?: string; port?: string; spec?: Record<string, unknown> };
interface Review {
  kind: string;
  apiVersion: string;
  request: { uid: string; desiredAPIVersion: string; objects: Custom[] };
}

let server: HttpsApiServer;
let webhook: ExtensionServer;
let asked: Review[] = [];
/** In place of an honest answer. */
let lies: ((review: Review) => unknown) | undefined;

/** As the webhook of the conformance tests: hostPort of v1 is host and port of v2. */
function converted(object: Custom, desired: string): Custom {
  const { hostPort, host, port, ...rest } = object;
  if (desired.endsWith('/v2')) {
    const [first, second] = (hostPort ?? '').split(':');
    return { ...rest, apiVersion: desired, host: first ?? '', port: second ?? '' };
  }
  return { ...rest, apiVersion: desired, hostPort: `${host}:${port}` };
}

const honest = ({ apiVersion, kind, request: { uid, objects, desiredAPIVersion } }: Review) => ({
  apiVersion,
  kind,
  response: {
    uid,
    result: { status: 'Success' },
    convertedObjects: objects.map((object) => converted(object, desiredAPIVersion)),
  },
});

const text = { type: 'string' };
const version = (name: string, properties: object, more: object = {}) => ({
  name,
  served: true,
  storage: false,
  schema: {
    openAPIV3Schema: {
      type: 'object',
      properties: {
        ...properties,
        spec: { type: 'object', properties: { replicas: { type: 'integer' } } },
        status: { type: 'object', properties: { replicas: { type: 'integer' }, ready: { type: 'boolean' } } },
      },
    },
  },
  subresources: { status: {}, scale: { specReplicasPath: '.spec.replicas', statusReplicasPath: '.status.replicas' } },
  ...more,
});
const definition = (storage: 'v1' | 'v2', clientConfig: object) => ({
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'gates.stable.example.com' },
  spec: {
    group: 'stable.example.com',
    scope: 'Namespaced',
    names: { plural: 'gates', kind: 'Gate' },
    conversion: { strategy: 'Webhook', webhook: { conversionReviewVersions: ['v1', 'v1beta1'], clientConfig } },
    versions: [
      version('v1', { hostPort: text }, { storage: storage === 'v1', selectableFields: [{ jsonPath: '.hostPort' }] }),
      version(
        'v2',
        { host: text, port: text },
        {
          storage: storage === 'v2',
          selectableFields: [{ jsonPath: '.host' }],
          additionalPrinterColumns: [{ name: 'Host', type: 'string', jsonPath: '.host' }],
        },
      ),
    ],
  },
});
const url = () => ({ url: `https://127.0.0.1:${webhook.port}/crdconvert`, caBundle: webhook.caBundle });
const path = (v: string, rest = '', namespace = 'default') =>
  `/apis/stable.example.com/${v}/namespaces/${namespace}/gates${rest}`;
const client = () => server.api.loopback.client.transport;
const call = async (method: string, at: string, object?: unknown, contentType?: string) =>
  (await client().request({ method: method as 'GET', path: at, object, ...(contentType && { contentType }) }))
    .object as Custom & { items: Custom[] };
const create = (v: string, name: string, fields: object) =>
  call('POST', path(v), { apiVersion: `stable.example.com/${v}`, kind: 'Gate', metadata: { name }, ...fields });
const apply = (object: object) => server.kubectl(['apply', '-f', '-'], JSON.stringify(object));

beforeAll(async () => {
  server = await startHttpsApiServer();
  webhook = await startExtensionServer(
    server,
    (request, response) => {
      const review = JSON.parse(request.text) as Review;
      asked.push(review);
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify(lies ? lies(review) : honest(review)));
    },
    { names: ['convert.hooks.svc'] },
  );
  await apply(definition('v1', url()));
  await server.kubectl(['wait', '--for=condition=Established', 'crd/gates.stable.example.com', '--timeout=90s']);
});

afterEach(async () => {
  lies = undefined;
  await eventually(() => call('DELETE', path('v1')));
  asked = [];
});

afterAll(async () => {
  await webhook?.[Symbol.asyncDispose]();
  await server?.[Symbol.asyncDispose]();
});

test('an object is written in one version and read in the other', async () => {
  const made = await create('v1', 'front', { hostPort: 'example.com:80' });
  expect(made).toMatchObject({ apiVersion: 'stable.example.com/v1', hostPort: 'example.com:80' });
  const seen = await call('GET', path('v2', '/front'));
  expect(seen).toMatchObject({ apiVersion: 'stable.example.com/v2', host: 'example.com', port: '80' });
  expect(seen).not.toHaveProperty('hostPort');
  expect(seen.metadata).toEqual(made.metadata);
  const { stdout } = await server.kubectl(['get', 'gates.v2.stable.example.com']);
  expect(stdout).toMatch(/NAME +HOST\nfront +example.com/);
});

test('an update, a patch, an apply, a status and a scale of the other version reach what is stored', async () => {
  await create('v2', 'back', { host: 'a', port: '1', spec: { replicas: 1 } });
  const seen = await call('GET', path('v2', '/back'));
  const updated = await call('PUT', path('v2', '/back'), { ...seen, port: '2' });
  expect(updated).toMatchObject({ host: 'a', port: '2' });
  await call('PATCH', path('v2', '/back'), { host: 'b' }, 'application/merge-patch+json');
  expect(await call('GET', path('v1', '/back'))).toMatchObject({ hostPort: 'b:2' });
  const own = { apiVersion: 'stable.example.com/v2', kind: 'Gate', metadata: { name: 'back' }, port: '3' };
  await call('PATCH', `${path('v2', '/back')}?fieldManager=t&force=true`, own, 'application/apply-patch+yaml');
  await call('PATCH', path('v2', '/back/status'), { status: { ready: true } }, 'application/merge-patch+json');
  await server.kubectl(['scale', 'gates.v2.stable.example.com/back', '--replicas=4']);
  expect(await call('GET', path('v1', '/back'))).toMatchObject({
    hostPort: 'b:3',
    spec: { replicas: 4 },
    status: { ready: true },
  });
});

const APPLY = 'application/apply-patch+yaml';
const applied = (v: string, by: string, fields: object, more = '') => {
  const gate = { apiVersion: `stable.example.com/${v}`, kind: 'Gate', metadata: { name: 'owned' }, ...fields };
  return call('PATCH', `${path(v, '/owned')}?fieldManager=${by}${more}`, gate, APPLY);
};
const accountOf = ({ metadata }: KubeObject) =>
  metadata.managedFields?.map(({ manager, operation, apiVersion, fieldsV1 }) => [
    `${manager} ${operation} ${apiVersion?.split('/')[1]}`,
    fieldsV1,
  ]);

test('who manages which field is known over all versions', async () => {
  await applied('v1', 'one', { hostPort: 'a:1', spec: { replicas: 1 } });
  // The same in the words of the other version is no change, and so no conflict.
  const shared = await applied('v2', 'two', { host: 'a' });
  expect(accountOf(shared)).toEqual([
    ['one Apply v1', { 'f:hostPort': {}, 'f:spec': { 'f:replicas': {} } }],
    ['two Apply v2', { 'f:host': {} }],
  ]);
  const refused = await applied('v2', 'two', { host: 'b' }).catch((error: unknown) => error);
  expect(refused).toMatchObject({
    reason: 'Conflict',
    message: 'Apply failed with 1 conflict: conflict with "one": .hostPort',
  });
  const forced = await applied('v2', 'two', { host: 'b' }, '&force=true');
  expect(accountOf(forced)).toEqual([
    ['one Apply v1', { 'f:spec': { 'f:replicas': {} } }],
    ['two Apply v2', { 'f:host': {} }],
  ]);
  expect(forced).toMatchObject({ host: 'b', port: '1' });
  const seen = await call('GET', path('v1', '/owned'));
  const updated = await call('PUT', `${path('v1', '/owned')}?fieldManager=three`, { ...seen, hostPort: 'c:1' });
  expect(accountOf(updated)).toEqual([
    ['one Apply v1', { 'f:spec': { 'f:replicas': {} } }],
    ['three Update v1', { 'f:hostPort': {} }],
  ]);
});

test('a webhook that fails leaves an apply undone, and an update without an account of fields', async () => {
  await applied('v1', 'one', { hostPort: 'a:1' });
  await applied('v2', 'two', { port: '1' });
  lies = ({ apiVersion, kind, request: { uid } }) => ({
    apiVersion,
    kind,
    response: { uid, result: { status: 'Failure', message: 'no way' } },
  });
  const refused = await applied('v1', 'one', { hostPort: 'b:2' }, '&force=true').catch((error: unknown) => error);
  expect(refused).toMatchObject({
    code: 500,
    message: 'failed to convert old object: conversion webhook for stable.example.com/v1, Kind=Gate failed: no way',
  });
  const seen = await call('GET', path('v1', '/owned'));
  expect(seen).toMatchObject({ hostPort: 'a:1' });
  const updated = await call('PUT', path('v1', '/owned'), { ...seen, hostPort: 'c:1' });
  expect(updated).toMatchObject({ hostPort: 'c:1' });
  expect(updated.metadata.managedFields).toBeUndefined();
});

test('writing what stands there already is no write', async () => {
  const made = await create('v2', 'same', { host: 'a', port: '1' });
  const again = await call('PUT', path('v2', '/same'), made);
  expect(again.metadata.resourceVersion).toBe(made.metadata.resourceVersion);
});

test('a list is converted in few requests, and selected by what the version shows', async () => {
  for (const [i, host] of ['a', 'b', 'a', 'b'].entries()) await create('v1', `g${i}`, { hostPort: `${host}:${i}` });
  asked = [];
  const page = await call('GET', `${path('v2')}?limit=1&fieldSelector=host%3Db`);
  expect(page.items.map(({ metadata }) => metadata.name)).toEqual(['g1']);
  const all = await call('GET', path('v2'));
  expect(all.items.map(({ host, port }) => `${host} ${port}`)).toEqual(['a 0', 'b 1', 'a 2', 'b 3']);
  expect(asked.length).toBeLessThanOrEqual(2);
  const other = await call('GET', `${path('v1')}?fieldSelector=hostPort%3Da:2`);
  expect(other.items.map(({ metadata }) => metadata.name)).toEqual(['g2']);
});

test('a watch of the other version sees every change, and objects come into and go out of a selection', async () => {
  await create('v1', 'w', { hostPort: 'in:1' });
  const stop = new AbortController();
  const events: string[] = [];
  const following = (async () => {
    const from = `${path('v2')}?watch=1&fieldSelector=host%3Din`;
    for await (const { type, object } of client().watch({ path: from, signal: stop.signal }) as AsyncIterable<
      WatchEvent<Custom>
    >) {
      events.push(`${type} ${object.apiVersion} ${object.host} ${object.port}`);
      if (type === 'DELETED') return;
    }
  })();
  await eventually(() => expect(events).toHaveLength(1));
  await call('PATCH', path('v1', '/w'), { hostPort: 'in:2' }, 'application/merge-patch+json');
  await call('PATCH', path('v1', '/w'), { hostPort: 'out:2' }, 'application/merge-patch+json');
  await following;
  stop.abort();
  const v2 = 'stable.example.com/v2';
  expect(events).toEqual([`ADDED ${v2} in 1`, `MODIFIED ${v2} in 2`, `DELETED ${v2} in 2`]);
});

test.each([
  [
    'a failure',
    ({ apiVersion, kind, request }: Review) => ({
      apiVersion,
      kind,
      response: { uid: request.uid, result: { status: 'Failure', message: 'no way' } },
    }),
    'failed: no way',
  ],
  [
    'another uid',
    (review: Review) => ({ ...honest(review), response: { ...honest(review).response, uid: 'x' } }),
    /failed: expected response.uid="[-0-9a-f]+", got "x"$/,
  ],
  [
    'another kind of answer',
    (review: Review) => ({ ...honest(review), kind: 'Thing' }),
    /failed: expected webhook response of apiextensions.k8s.io\/v1, Kind=ConversionReview, got apiextensions.k8s.io\/v1, Kind=Thing$/,
  ],
  [
    'too few objects',
    (review: Review) => ({ ...honest(review), response: { ...honest(review).response, convertedObjects: [] } }),
    'returned 0 objects, expected 1',
  ],
  [
    'another name',
    (review: Review) => {
      const { response, ...rest } = honest(review);
      const convertedObjects = response.convertedObjects.map((one) => ({
        ...one,
        metadata: { ...one.metadata, name: 'y' },
      }));
      return { ...rest, response: { ...response, convertedObjects } };
    },
    'returned invalid object: must have the same name: lie != y',
  ],
  [
    'a bad label',
    (review: Review) => {
      const { response, ...rest } = honest(review);
      const labels = { a: '-' };
      const convertedObjects = response.convertedObjects.map((one) => ({
        ...one,
        metadata: { ...one.metadata, labels },
      }));
      return { ...rest, response: { ...response, convertedObjects } };
    },
    /returned invalid metadata: metadata.labels: Invalid value: "-": a valid label must be/,
  ],
])('%s of the webhook is told, and nothing is stored', async (_, lie, problem) => {
  lies = lie as never;
  const refused = await create('v2', 'lie', { host: 'a', port: '1' }).catch((error: unknown) => error);
  const about = 'conversion webhook for stable.example.com/v2, Kind=Gate ';
  expect(refused).toMatchObject({
    code: 500,
    message: typeof problem === 'string' ? about + problem : expect.stringMatching(problem),
  });
  lies = undefined;
  await expect(call('GET', path('v1', '/lie'))).rejects.toMatchObject({ reason: 'NotFound' });
});

test('what changes in labels and annotations is kept, all other metadata is restored', async () => {
  lies = (review) => {
    const { response, ...rest } = honest(review);
    const convertedObjects = response.convertedObjects.map((one) => ({
      ...one,
      metadata: {
        name: one.metadata.name,
        namespace: one.metadata.namespace,
        uid: one.metadata.uid,
        labels: { seen: 'yes' },
      },
    }));
    return { ...rest, response: { ...response, convertedObjects } };
  };
  const made = await create('v1', 'meta', { hostPort: 'a:1' });
  const seen = await call('GET', path('v2', '/meta'));
  expect(seen.metadata).toEqual({ ...made.metadata, labels: { seen: 'yes' } });
});

test('a webhook that cannot be reached fails lists with its reason, and is asked again at once', async () => {
  await create('v1', 'alone', { hostPort: 'a:1' });
  const broken = { url: 'https://127.0.0.1:1/crdconvert', caBundle: webhook.caBundle };
  await apply(definition('v1', broken));
  const problem =
    'conversion webhook for stable.example.com/v1, Kind=Gate failed: Post "https://127.0.0.1:1/crdconvert?timeout=30s": dial tcp 127.0.0.1:1: connect: connection refused';
  await eventually(() => expect(call('GET', path('v2'))).rejects.toMatchObject({ code: 500, message: problem }));
  await expect(call('GET', path('v2', '/alone'))).rejects.toMatchObject({ code: 500, message: problem });
  expect((await call('GET', path('v1'))).items).toHaveLength(1); // stored as it is shown: nobody is asked
  await apply(definition('v1', url()));
  await eventually(async () => expect((await call('GET', path('v2'))).items).toHaveLength(1));
});

test('one object that cannot be converted does not hide the others from who asks for them', async () => {
  await create('v1', 'bad', { hostPort: 'a:1' });
  await create('v1', 'good', { hostPort: 'b:1' });
  await apply(definition('v1', { ...url(), url: `${url().url}/again` })); // what was converted is forgotten
  lies = (review) =>
    review.request.objects.some(({ metadata }) => metadata.name === 'bad')
      ? { ...honest(review), response: { uid: review.request.uid, result: { status: 'Failure', message: 'bad one' } } }
      : honest(review);
  await eventually(() => expect(call('GET', path('v2'))).rejects.toMatchObject({ code: 500 }));
  await expect(call('GET', path('v2', '/bad'))).rejects.toThrow('failed: bad one');
  expect(await call('GET', path('v2', '/good'))).toMatchObject({ host: 'b' });
});

const behindService = () => ({
  service: { namespace: 'hooks', name: 'convert', path: '/crdconvert' },
  caBundle: webhook.caBundle,
});
const LOCAL = { v1: { hostPort: 'localhost:8080' }, v2: { host: 'localhost', port: '8080' } };
const fieldsOf = ({ apiVersion: _version, kind: _kind, metadata: _metadata, ...fields }: Custom) => fields;

// Source: the conformance tests of these names.
test('CustomResourceConversionWebhook should be able to convert from CR v1 to CR v2', async () => {
  await createServiceFor(server, { namespace: 'hooks', name: 'convert', port: webhook.port });
  await apply(definition('v1', behindService()));
  await eventually(() => create('v2', 'ready', {}));
  await call('DELETE', path('v2', '/ready'));
  await create('v1', 'cr-instance-1', LOCAL.v1);
  const seen = await call('GET', path('v2', '/cr-instance-1'));
  expect([seen.apiVersion, fieldsOf(seen)]).toEqual(['stable.example.com/v2', LOCAL.v2]);
});

test('CustomResourceConversionWebhook should be able to convert a non homogeneous list of CRs', async () => {
  await create('v1', 'cr-instance-1', LOCAL.v1);
  await apply(definition('v2', behindService()));
  await create('v1', 'cr-instance-2', LOCAL.v1); // stored as either
  for (const v of ['v1', 'v2'] as const) {
    const { items } = await call('GET', path(v));
    expect(items.map(({ metadata }) => metadata.name)).toEqual(['cr-instance-1', 'cr-instance-2']);
    for (const item of items) expect([item.apiVersion, fieldsOf(item)]).toEqual([`stable.example.com/${v}`, LOCAL[v]]);
  }
  await apply(definition('v1', url()));
});

test('objects stored before the stored version changed are shown in both, and move with the next write', async () => {
  await create('v1', 'old', { hostPort: 'a:1' });
  await apply(definition('v2', url()));
  await eventually(async () => {
    const { stdout } = await server.kubectl(['get', 'crd', 'gates.stable.example.com', '-o', 'json']);
    const { spec, status } = JSON.parse(stdout) as CustomResourceDefinition;
    expect([spec.versions[1]?.storage, status?.storedVersions]).toEqual([true, ['v1', 'v2']]);
  });
  await create('v1', 'new', { hostPort: 'b:1' });
  for (const v of ['v1', 'v2'])
    await eventually(async () => {
      const { items } = await call('GET', path(v));
      expect(items.map(({ apiVersion, metadata: { name } }) => `${apiVersion} ${name}`)).toEqual([
        `stable.example.com/${v} new`,
        `stable.example.com/${v} old`,
      ]);
    });
  const seen = await call('GET', path('v2', '/old'));
  const moved = await call('PUT', path('v2', '/old'), seen); // as a storage migrator does
  expect(moved.metadata.resourceVersion).not.toBe(seen.metadata.resourceVersion);
  const again = await call('PUT', path('v2', '/old'), moved);
  expect(again.metadata.resourceVersion).toBe(moved.metadata.resourceVersion);
});

test('a definition goes although its webhook has gone before', async () => {
  const dead = definition('v1', { ...url(), url: 'https://127.0.0.1:1/gone' });
  const names = { plural: 'doors', kind: 'Door' };
  await apply({ ...dead, metadata: { name: 'doors.stable.example.com' }, spec: { ...dead.spec, names } });
  await server.kubectl(['wait', '--for=condition=Established', 'crd/doors.stable.example.com', '--timeout=90s']);
  const doors = (v: string) => path(v).replace('/gates', '/doors');
  const door = { apiVersion: 'stable.example.com/v1', kind: 'Door', metadata: { name: 'one' }, hostPort: 'a:1' };
  await call('POST', doors('v1'), door);
  await expect(call('GET', doors('v2'))).rejects.toThrow(
    'conversion webhook for stable.example.com/v1, Kind=Door failed',
  );
  await server.kubectl(['delete', 'crd', 'doors.stable.example.com', '--timeout=90s']);
});
