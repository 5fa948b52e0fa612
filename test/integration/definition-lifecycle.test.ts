/** The life of a CustomResourceDefinition: its names, its changes under open watches, its end; what it shows and warns of. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CustomResourceDefinition } from '#api/apiextensions/v1/custom-resource-definition.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import type { WatchEvent } from '#client/transport.ts';
import { eventually } from './extension-server.ts';
import { type HttpsApiServer, startHttpsApiServer } from './https-api-server.ts';

let server: HttpsApiServer;
const client = () => server.api.loopback.client;
const apply = (object: object, ...flags: string[]) =>
  server.kubectl(['apply', '-f', '-', ...flags], JSON.stringify(object));
const read = (name: string) => client().get(CustomResourceDefinition, { name });
const conditions = async (name: string) =>
  Object.fromEntries(
    ((await read(name)).status?.conditions ?? []).map(({ type, status, reason, message }) => [
      type,
      [status, reason, message],
    ]),
  );

const anything = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };
const version = (more: object = {}) => ({
  name: 'v1',
  served: true,
  storage: true,
  schema: { openAPIV3Schema: { ...anything, properties: { spec: anything, status: anything } } },
  ...more,
});
const definition = (
  plural: string,
  kind: string,
  more: { names?: object; group?: string; versions?: object[]; metadata?: object } = {},
) => {
  const { names, group = 'life.example.com', versions = [version()], metadata } = more;
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}`, ...metadata },
    spec: { group, scope: 'Namespaced', names: { plural, kind, ...names }, versions },
  };
};
const established = (name: string) =>
  server.kubectl(['wait', '--for=condition=Established', `crd/${name}`, '--timeout=90s']);
const path = (plural: string, rest = '', group = 'life.example.com', v = 'v1') =>
  `/apis/${group}/${v}/namespaces/default/${plural}${rest}`;
const request = async (method: string, at: string, object?: unknown, contentType?: string) =>
  client().transport.request({ method: method as 'GET', path: at, object, ...(contentType && { contentType }) });
const create = (plural: string, kind: string, name: string, more: object = {}) =>
  request('POST', path(plural), { apiVersion: 'life.example.com/v1', kind, metadata: { name }, ...more });

beforeAll(async () => {
  server = await startHttpsApiServer();
});

afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
});

test('names that another definition of the group has are refused one by one, and taken when they are free', async () => {
  await apply(definition('reds', 'Red', { names: { shortNames: ['c'] } }));
  await established('reds.life.example.com');
  await apply(definition('blues', 'Blue', { names: { shortNames: ['c'] } }));
  await eventually(async () =>
    expect(await conditions('blues.life.example.com')).toEqual({
      NamesAccepted: ['False', 'ShortNamesConflict', '"c" is already in use'],
      Established: ['False', 'NotAccepted', 'not all names are accepted'],
    }),
  );
  const { status } = await read('blues.life.example.com');
  expect(status?.acceptedNames).toEqual({ plural: 'blues', singular: 'blue', kind: 'Blue', listKind: 'BlueList' });
  await expect(request('GET', path('blues'))).rejects.toMatchObject({ reason: 'NotFound' });
  await server.kubectl(['delete', 'crd', 'reds.life.example.com']);
  await established('blues.life.example.com');
  expect((await conditions('blues.life.example.com'))['NamesAccepted']).toEqual([
    'True',
    'NoConflicts',
    'no conflicts found',
  ]);
});

test('what is established stays so under the names that it has when a new one is taken', async () => {
  await apply(definition('cats', 'Cat', { names: { shortNames: ['ct'] } }));
  await apply(definition('dogs', 'Dog', { names: { shortNames: ['dg'] } }));
  await Promise.all(['cats', 'dogs'].map((plural) => established(`${plural}.life.example.com`)));
  await apply(definition('dogs', 'Dog', { names: { shortNames: ['ct'] } }));
  await eventually(async () =>
    expect(await conditions('dogs.life.example.com')).toMatchObject({
      NamesAccepted: ['False', 'ShortNamesConflict', '"ct" is already in use'],
      Established: ['True', 'InitialNamesAccepted', 'the initial names have been accepted'],
    }),
  );
  expect((await server.kubectl(['get', 'dg'])).stderr).toContain('No resources found');
});

test("a group of Kubernetes' own says who approved it", async () => {
  const annotations = { 'api-approved.kubernetes.io': 'https://example.com/approval' };
  const group = 'life.k8s.io';
  await expect(apply(definition('gates', 'Gate', { group }))).rejects.toThrow(
    'metadata.annotations[api-approved.kubernetes.io]: Required value: protected groups must have approval annotation',
  );
  await apply(definition('gates', 'Gate', { group, metadata: { annotations } }));
  await eventually(async () =>
    expect((await conditions('gates.life.k8s.io'))['KubernetesAPIApprovalPolicyConformant']).toEqual([
      'True',
      'ApprovedAnnotation',
      'approved in https://example.com/approval',
    ]),
  );
});

async function* watched(at: string, signal: AbortSignal): AsyncGenerator<WatchEvent<KubeObject>> {
  yield* client().transport.watch({ path: at, signal }) as AsyncIterable<WatchEvent<KubeObject>>;
}

test('open watches end when the definition changes, and go on from where they were', async () => {
  await apply(definition('seas', 'Sea'));
  await established('seas.life.example.com');
  const { object: made } = await create('seas', 'Sea', 'first');
  const from = (made as KubeObject).metadata.resourceVersion;
  const stop = new AbortController();
  const watch = watched(`${path('seas')}?watch=1&resourceVersion=${from}`, stop.signal);
  const next = watch.next();
  const columns = [{ name: 'Depth', type: 'integer', jsonPath: '.spec.depth' }];
  await apply(definition('seas', 'Sea', { versions: [version({ additionalPrinterColumns: columns })] }));
  expect(await next).toEqual({ done: true, value: undefined });
  await create('seas', 'Sea', 'second');
  const again = watched(`${path('seas')}?watch=1&resourceVersion=${from}`, stop.signal);
  expect((await again.next()).value).toMatchObject({ type: 'ADDED', object: { metadata: { name: 'second' } } });
  stop.abort();
});

test('a status that is written does not end them', async () => {
  await apply(definition('hills', 'Hill'));
  await established('hills.life.example.com');
  const stop = new AbortController();
  const watch = watched(`${path('hills')}?watch=1&resourceVersion=0`, stop.signal);
  const next = watch.next();
  await server.kubectl(['annotate', 'crd', 'hills.life.example.com', 'a=b']);
  await create('hills', 'Hill', 'one');
  expect((await next).value).toMatchObject({ type: 'ADDED', object: { metadata: { name: 'one' } } });
  stop.abort();
});

test('a definition that goes takes its objects along, and while some are left none can be made', async () => {
  await apply(definition('moons', 'Moon'));
  await established('moons.life.example.com');
  await create('moons', 'Moon', 'plain');
  await create('moons', 'Moon', 'held').then(() =>
    request(
      'PATCH',
      path('moons', '/held'),
      { metadata: { finalizers: ['example.com/hold'] } },
      'application/merge-patch+json',
    ),
  );
  const types: string[] = [];
  const over = (async () => {
    for await (const { type, object } of watched(`${path('moons')}?watch=1`, new AbortController().signal))
      types.push(`${type} ${object.metadata.name}`);
  })();
  await eventually(() => expect(types).toHaveLength(2));
  await server.kubectl(['delete', 'crd', 'moons.life.example.com', '--wait=false']);
  await eventually(async () => {
    expect((await read('moons.life.example.com')).metadata.finalizers).toEqual([
      'customresourcecleanup.apiextensions.k8s.io',
    ]);
    expect((await conditions('moons.life.example.com'))['Terminating']).toEqual([
      'True',
      'InstanceDeletionInProgress',
      'CustomResource deletion is in progress',
    ]);
  });
  await expect(create('moons', 'Moon', 'late')).rejects.toMatchObject({
    reason: 'Forbidden',
    message:
      'moons.life.example.com "late" is forbidden: create not allowed while custom resource definition is terminating',
  });
  const { object } = await request('GET', path('moons'));
  expect((object as { items: KubeObject[] }).items.map(({ metadata }) => metadata.name)).toEqual(['held']);
  await request('PATCH', path('moons', '/held'), { metadata: { finalizers: null } }, 'application/merge-patch+json');
  await eventually(() => expect(read('moons.life.example.com')).rejects.toMatchObject({ reason: 'NotFound' }));
  await eventually(() => expect(request('GET', path('moons'))).rejects.toMatchObject({ reason: 'NotFound' }));
  await over; // by itself
  expect(types).toContain('DELETED plain');
});

test('objects of a version that is served no longer go too, and nobody is asked whether they may', async () => {
  const name = 'rocks.life.example.com';
  const rocks = (served: boolean) => {
    const { spec, ...rest } = definition('rocks', 'Rock', { versions: [version({ served })] });
    return { ...rest, spec: { ...spec, scope: 'Cluster' } };
  };
  await apply(rocks(true));
  await established(name);
  const at = '/apis/life.example.com/v1/rocks';
  await request('POST', at, { apiVersion: 'life.example.com/v1', kind: 'Rock', metadata: { name: 'hard' } });
  const policy = { apiVersion: 'admissionregistration.k8s.io/v1', metadata: { name: 'rocks-stay' } };
  const rule = {
    ...{ apiGroups: ['life.example.com'], apiVersions: ['*'], operations: ['DELETE'], resources: ['rocks'] },
  };
  await apply({
    ...{ ...policy, kind: 'ValidatingAdmissionPolicy' },
    spec: { matchConstraints: { resourceRules: [rule] }, validations: [{ expression: 'false' }] },
  });
  await apply({
    ...{ ...policy, kind: 'ValidatingAdmissionPolicyBinding' },
    spec: { policyName: 'rocks-stay', validationActions: ['Deny'] },
  });
  await eventually(() => expect(request('DELETE', `${at}/hard?dryRun=All`)).rejects.toMatchObject({ code: 422 }));
  await apply(rocks(false));
  await eventually(() => expect(request('GET', at)).rejects.toMatchObject({ reason: 'NotFound' }));
  await server.kubectl(['delete', 'crd', name]);
  await apply(rocks(true));
  await established(name);
  expect((await request('GET', at)).object).toMatchObject({ items: [] });
});

test('what a definition does not have is not found, under the name of the object', async () => {
  await apply(definition('hats', 'Hat'));
  await established('hats.life.example.com');
  await create('hats', 'Hat', 'red');
  for (const part of ['status', 'scale', 'brim'])
    await expect(request('GET', path('hats', `/red/${part}`))).rejects.toMatchObject({
      reason: 'NotFound',
      message: 'hats.life.example.com "red" not found',
    });
});

test('columns show every kind of path and type, wide ones only when asked', async () => {
  const column = (name: string, type: string, jsonPath: string, more: object = {}) => ({
    name,
    type,
    jsonPath,
    ...more,
  });
  const additionalPrinterColumns = [
    column('Size', 'integer', '.spec.size'),
    column('Rate', 'number', '.spec.rate'),
    column('On', 'boolean', '.spec.on'),
    column('Since', 'date', '.spec.since'),
    column('First', 'string', '.spec.parts[*].name'),
    column('Last', 'string', '.spec.parts[-1:].name'),
    column('Ready', 'string', '.status.conditions[?(@.type=="Ready")].status'),
    column('Map', 'string', '.spec.map'),
    column('Wrong', 'integer', '.spec.map'),
    column('Note', 'string', '.metadata.annotations.example\\.com/note', { priority: 1 }),
  ];
  await apply(
    definition('cars', 'Car', {
      names: { categories: ['machines'], shortNames: ['k'] },
      versions: [version({ additionalPrinterColumns })],
    }),
  );
  await established('cars.life.example.com');
  const since = new Date(Date.now() - 5 * 60_000).toISOString().replace(/\.\d+/, '');
  const spec = { size: 3, rate: 0.5, on: true, since, parts: [{ name: 'wheel' }, { name: 'door' }], map: { a: [1] } };
  await create('cars', 'Car', 'blue', {
    metadata: { name: 'blue', annotations: { 'example.com/note': 'mine' } },
    spec,
    status: { conditions: [{ type: 'Ready', status: 'True' }] },
  });
  const row = (stdout: string) =>
    stdout
      .trim()
      .split('\n')
      .map((line) => line.split(/ {2,}/).map((cell) => cell.trim()));
  expect(row((await server.kubectl(['get', 'k'])).stdout)).toEqual([
    ['NAME', 'SIZE', 'RATE', 'ON', 'SINCE', 'FIRST', 'LAST', 'READY', 'MAP', 'WRONG'],
    ['blue', '3', '0.5', 'true', expect.stringMatching(/^5m/), 'wheel', 'door', 'True', '{"a":[1]}'],
  ]);
  expect((await server.kubectl(['get', 'machines', '-o', 'wide'])).stdout).toMatch(/NOTE\n.* mine\n$/);
});

test('scale reads and writes the fields that the definition names', async () => {
  const subresources = {
    status: {},
    scale: {
      specReplicasPath: '.spec.size',
      statusReplicasPath: '.status.count',
      labelSelectorPath: '.status.selector',
    },
  };
  await apply(definition('herds', 'Herd', { versions: [version({ subresources })] }));
  await established('herds.life.example.com');
  await create('herds', 'Herd', 'sheep', { spec: { size: 2 } });
  await request(
    'PATCH',
    path('herds', '/sheep/status'),
    { status: { count: 1, selector: 'a=b' } },
    'application/merge-patch+json',
  );
  await server.kubectl(['scale', 'herd', 'sheep', '--replicas=5', '--current-replicas=2']);
  const { object } = await request('GET', path('herds', '/sheep/scale'));
  expect(object).toMatchObject({
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    spec: { replicas: 5 },
    status: { replicas: 1, selector: 'a=b' },
  });
  await create('herds', 'Herd', 'none', { spec: {} });
  await expect(request('GET', path('herds', '/none/scale'))).rejects.toMatchObject({
    code: 500,
    message: 'Internal error occurred: the spec replicas field ".spec.size" does not exist',
  });
});

test('deprecated versions and kinds warn with every request', async () => {
  const versions = [
    version({ name: 'v1' }),
    version({ name: 'v1beta1', storage: false, deprecated: true }),
    version({ name: 'v1alpha1', storage: false, deprecated: true, deprecationWarning: 'v1alpha1 goes "soon"' }),
  ];
  await apply(definition('news', 'News', { names: { listKind: 'NewsItems' }, versions }));
  await established('news.life.example.com');
  const warned = async (...args: string[]) => (await server.kubectl(args)).stderr;
  expect(await warned('get', 'news.v1beta1.life.example.com')).toContain(
    'Warning: life.example.com/v1beta1 News is deprecated; use life.example.com/v1 News\n',
  );
  expect(await warned('get', 'news.v1alpha1.life.example.com')).toContain('Warning: v1alpha1 goes "soon"\n');
  expect(await warned('get', 'news.v1.life.example.com')).not.toContain('Warning');
  expect(await warned('get', 'endpoints')).toContain(
    'Warning: v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice\n',
  );
  expect(await warned('get', 'componentstatuses')).toContain('Warning: v1 ComponentStatus is deprecated in v1.19+\n');
  const over = server.transportFor({ name: 'kubernetes-admin', groups: ['system:masters'] });
  const { warnings } = await over.request({ method: 'GET', path: path('news', '', 'life.example.com', 'v1beta1') });
  expect(warnings).toEqual(['life.example.com/v1beta1 News is deprecated; use life.example.com/v1 News']);
  const metrics = (await server.kubectl(['get', '--raw', '/metrics'])).stdout;
  const used = [
    ...metrics.matchAll(/^apiserver_requested_deprecated_apis\{.*version="(.*?)",resource="(.*?)".*\} 1$/gm),
  ];
  expect(used.map(([, version, resource]) => `${resource}/${version}`)).toEqual(
    expect.arrayContaining(['news/v1beta1', 'news/v1alpha1', 'endpoints/v1', 'componentstatuses/v1']),
  );
});

test('a version that is no longer served is gone, and its objects are there in the others', async () => {
  const versions = [version(), version({ name: 'v2', storage: false })];
  await apply(definition('maps', 'Map', { versions }));
  await established('maps.life.example.com');
  await create('maps', 'Map', 'one');
  expect((await request('GET', path('maps', '/one', 'life.example.com', 'v2'))).object).toMatchObject({
    apiVersion: 'life.example.com/v2',
  });
  const less = [version({ served: false }), version({ name: 'v2', storage: false })];
  await apply(definition('maps', 'Map', { versions: less }));
  await eventually(() => expect(request('GET', path('maps', '/one'))).rejects.toMatchObject({ reason: 'NotFound' }));
  expect((await request('GET', path('maps', '/one', 'life.example.com', 'v2'))).object).toMatchObject({
    metadata: { name: 'one' },
  });
});
