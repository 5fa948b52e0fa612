/** The account of who manages which field, write by write, as clients see it: versions, subresources, custom kinds, limits. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { KubeObject, ManagedFieldsEntry } from '#api/machinery/object.ts';
import { StatusError } from '#api/machinery/status.ts';
import type { ApiRequest, Transport } from '#client/transport.ts';
import { type HttpsApiServer, startHttpsApiServer } from '../integration/https-api-server.ts';

let server: HttpsApiServer;
let transport: Transport;
let number = 0;
let name: string;

beforeAll(async () => {
  server = await startHttpsApiServer();
  transport = server.transportFor({ name: 'asker', groups: ['system:masters'] });
  await send('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', definition);
  await send('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', withoutSchema);
  await server.kubectl(['wait', '--for=condition=Established', 'crd/houses.example.com', 'crd/things.example.com']);
});

afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
});

beforeEach(() => {
  number += 1;
  name = `one-${number}`;
});

const APPLY = 'application/apply-patch+yaml';
const MERGE = 'application/merge-patch+json';

async function send(
  method: ApiRequest['method'],
  path: string,
  object: object,
  contentType?: string,
): Promise<KubeObject> {
  const reply = await transport.request({ method, path, object, ...(contentType && { contentType }) });
  return reply.object as KubeObject;
}

const refusal = async (sending: Promise<unknown>): Promise<StatusError> => {
  const error = await sending.then(
    () => new Error('it was accepted'),
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof StatusError)) throw error;
  return error;
};

const DEPLOYMENTS = '/apis/apps/v1/namespaces/default/deployments';
const CONFIG_MAPS = '/api/v1/namespaces/default/configmaps';
const HOUSES = '/apis/example.com/v1/namespaces/default/houses';

const THINGS = '/apis/example.com/v1/namespaces/default/things';

const template = { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'web', image: 'web:1' }] } };
const deployment = (spec: object = {}) => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name },
  spec: { selector: { matchLabels: { app: 'web' } }, template, ...spec },
});
const configMap = (data: object, metadata: object = {}) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, ...metadata },
  data,
});
const house = (spec: object, version = 'v1') => ({
  apiVersion: `example.com/${version}`,
  kind: 'House',
  metadata: { name },
  spec,
});
const scale = (replicas: number | undefined) => ({
  apiVersion: 'autoscaling/v1',
  kind: 'Scale',
  metadata: { name },
  spec: replicas === undefined ? {} : { replicas },
});

const apply = (collection: string, object: object, manager: string, more = '') =>
  send('PATCH', `${collection}/${name}?fieldManager=${manager}${more}`, object, APPLY);
const applyScale = (object: object, manager: string, more = '') =>
  send('PATCH', `${DEPLOYMENTS}/${name}/scale?fieldManager=${manager}${more}`, object, APPLY);

const entriesOf = ({ metadata }: KubeObject): readonly ManagedFieldsEntry[] => metadata.managedFields ?? [];
const shown = (object: KubeObject) =>
  Object.fromEntries(
    entriesOf(object).map(({ manager, operation, subresource, fieldsV1 }) => [
      [manager, operation, subresource].filter(Boolean).join(' '),
      fieldsV1,
    ]),
  );
const get = async (collection: string) =>
  (await transport.request({ method: 'GET', path: `${collection}/${name}` })).object as KubeObject;

const text = { type: 'string' };
const houseSchema = {
  type: 'object',
  properties: {
    spec: {
      type: 'object',
      properties: {
        colours: { type: 'array', items: text, 'x-kubernetes-list-type': 'set' },
        doors: {
          type: 'array',
          'x-kubernetes-list-type': 'map',
          'x-kubernetes-list-map-keys': ['name'],
          items: { type: 'object', required: ['name'], properties: { name: text, lock: text } },
        },
        steps: { type: 'array', items: text },
        point: { type: 'object', 'x-kubernetes-map-type': 'atomic', properties: { x: { type: 'integer' } } },
        rooms: { type: 'integer' },
      },
    },
    status: { type: 'object', properties: { phase: text, rooms: { type: 'integer' } } },
  },
};
const definition = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'houses.example.com' },
  spec: {
    group: 'example.com',
    names: { plural: 'houses', kind: 'House' },
    scope: 'Namespaced',
    versions: ['v1', 'v2'].map((version) => ({
      name: version,
      served: true,
      storage: version === 'v1',
      schema: { openAPIV3Schema: houseSchema },
      subresources: {
        status: {},
        scale: { specReplicasPath: '.spec.rooms', statusReplicasPath: '.status.rooms' },
      },
    })),
  },
};
const withoutSchema = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'things.example.com' },
  spec: {
    group: 'example.com',
    names: { plural: 'things', kind: 'Thing' },
    scope: 'Namespaced',
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
      },
    ],
  },
};

// Custom kinds

test('two managers of a custom kind share its lists as their schema says', async () => {
  await apply(HOUSES, house({ colours: ['red'], doors: [{ name: 'front', lock: 'a' }], steps: ['x'] }), 'one');
  const both = await apply(HOUSES, house({ colours: ['blue'], doors: [{ name: 'back', lock: 'b' }] }), 'two');
  expect((both as KubeObject & { spec: unknown }).spec).toEqual({
    colours: ['red', 'blue'],
    doors: [
      { name: 'front', lock: 'a' },
      { name: 'back', lock: 'b' },
    ],
    steps: ['x'],
  });
  expect(shown(both)).toEqual({
    'one Apply': {
      'f:spec': {
        'f:colours': { 'v:"red"': {} },
        'f:doors': { 'k:{"name":"front"}': { '.': {}, 'f:lock': {}, 'f:name': {} } },
        'f:steps': {},
      },
    },
    'two Apply': {
      'f:spec': {
        'f:colours': { 'v:"blue"': {} },
        'f:doors': { 'k:{"name":"back"}': { '.': {}, 'f:lock': {}, 'f:name': {} } },
      },
    },
  });
});

test('what is one value in a schema is wholly in conflict', async () => {
  await apply(HOUSES, house({ point: { x: 1 }, steps: ['x'] }), 'one');
  const { message } = await refusal(apply(HOUSES, house({ point: { x: 2 }, steps: ['y'] }), 'two'));
  expect(message).toBe('Apply failed with 2 conflicts: conflicts with "one":\n- .spec.point\n- .spec.steps');
});

test('an item of a custom list goes when nobody applies it any more', async () => {
  await apply(HOUSES, house({ doors: [{ name: 'front' }, { name: 'back' }], colours: ['red', 'blue'] }), 'one');
  const less = await apply(HOUSES, house({ doors: [{ name: 'back' }], colours: ['blue'] }), 'one');
  expect((less as KubeObject & { spec: unknown }).spec).toEqual({ doors: [{ name: 'back' }], colours: ['blue'] });
});

test('a field that a schema does not have cannot be applied', async () => {
  const { message } = await refusal(apply(HOUSES, house({ colour: 'red' }), 'one'));
  expect(message).toContain(
    `failed to create typed patch object (default/${name}; example.com/v1, Kind=House): .spec.colour: field not declared in schema`,
  );
});

test('without a schema a list is one value and an object has parts', async () => {
  const thing = { apiVersion: 'example.com/v1', kind: 'Thing', metadata: { name }, deep: { list: [1], word: 'a' } };
  expect(shown(await apply(THINGS, thing, 'one'))).toEqual({
    'one Apply': { 'f:deep': { 'f:list': {}, 'f:word': {} } },
  });
});

// Versions

test('fields set through another version are in conflict, and are taken from their owner', async () => {
  await apply(HOUSES, house({ rooms: 3, colours: ['red'] }), 'one');
  const second = HOUSES.replace('/v1/', '/v2/');
  const { message } = await refusal(apply(second, house({ rooms: 4 }, 'v2'), 'two'));
  expect(message).toBe('Apply failed with 1 conflict: conflict with "one": .spec.rooms');
  const forced = await apply(second, house({ rooms: 4 }, 'v2'), 'two', '&force=true');
  expect(entriesOf(forced).map(({ manager, apiVersion, fieldsV1 }) => [manager, apiVersion, fieldsV1])).toEqual([
    ['one', 'example.com/v1', { 'f:spec': { 'f:colours': { 'v:"red"': {} } } }],
    ['two', 'example.com/v2', { 'f:spec': { 'f:rooms': {} } }],
  ]);
});

test('built-in versions are compared after conversion', async () => {
  const v2 = '/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers';
  const v1 = '/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers';
  const scaleTargetRef = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' };
  const kind = 'HorizontalPodAutoscaler';
  const cpu = (averageUtilization: number) => [
    { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization } } },
  ];
  const metadata = { name };
  const first = {
    apiVersion: 'autoscaling/v2',
    kind,
    metadata,
    spec: { scaleTargetRef, maxReplicas: 3, metrics: cpu(50) },
  };
  await apply(v2, first, 'one');
  // In the first version it is another field of another name.
  const other = {
    apiVersion: 'autoscaling/v1',
    kind,
    metadata,
    spec: { scaleTargetRef, maxReplicas: 3, targetCPUUtilizationPercentage: 60 },
  };
  const { message } = await refusal(apply(v1, other, 'two'));
  expect(message).toBe('Apply failed with 1 conflict: conflict with "one": .spec.metrics');
});

// Create and update

test('what a create brings along of managedFields is kept, and [{}] forgets all', async () => {
  const entry = {
    manager: 'before',
    operation: 'Apply',
    apiVersion: 'v1',
    fieldsType: 'FieldsV1',
    time: '2020-01-01T00:00:00Z',
    fieldsV1: { 'f:data': { 'f:a': {} } },
  };
  const made = await send(
    'POST',
    `${CONFIG_MAPS}?fieldManager=maker`,
    configMap({ b: '1' }, { managedFields: [entry] }),
  );
  expect(shown(made)).toEqual({
    'before Apply': { 'f:data': { 'f:a': {} } },
    'maker Update': { 'f:data': { '.': {}, 'f:b': {} } },
  });
  const reset = configMap({ b: '1' }, { managedFields: [{}] });
  expect(entriesOf(await send('PUT', `${CONFIG_MAPS}/${name}`, reset))).toEqual([]);
  const again = await apply(CONFIG_MAPS, configMap({ c: '1' }), 'one');
  expect(shown(again)).toEqual({
    'before-first-apply Update': { 'f:data': { '.': {}, 'f:b': {} } },
    'one Apply': { 'f:data': { 'f:c': {} } },
  });
});

test('an update that says nothing of managedFields leaves them as they are', async () => {
  await apply(CONFIG_MAPS, configMap({ a: '1' }), 'one');
  const before = await get(CONFIG_MAPS);
  const updated = await send('PUT', `${CONFIG_MAPS}/${name}?fieldManager=two`, configMap({ a: '1' }));
  expect(entriesOf(updated)).toEqual(entriesOf(before));
  expect(updated.metadata.resourceVersion).toBe(before.metadata.resourceVersion);
});

test('the text of a Secret is accounted as its data, and conflicts with nobody who applies it', async () => {
  const secrets = '/api/v1/namespaces/default/secrets';
  const secret = { apiVersion: 'v1', kind: 'Secret', metadata: { name }, stringData: { a: 'b' } };
  const made = await send('POST', `${secrets}?fieldManager=maker`, secret);
  expect(made).toMatchObject({ data: { a: 'Yg==' } });
  expect(made).not.toHaveProperty('stringData');
  expect(made.metadata.managedFields).toEqual([
    expect.objectContaining({ manager: 'maker', fieldsV1: { 'f:data': { '.': {}, 'f:a': {} }, 'f:type': {} } }),
  ]);
  const text = { ...secret, stringData: { a: 'c' } };
  const applied = await send('PATCH', `${secrets}/${name}?fieldManager=applier`, text, APPLY);
  expect(applied).toMatchObject({ data: { a: 'Yw==' } });
  expect(applied.metadata.managedFields?.find(({ manager }) => manager === 'applier')?.fieldsV1).toEqual({
    'f:stringData': { 'f:a': {} },
  });
});

test('the status is an account of its own, and nothing else of the object belongs to it', async () => {
  await apply(HOUSES, house({ rooms: 1 }), 'one');
  const status = { ...house({ rooms: 7 }), status: { phase: 'Built' } };
  const patch = { ...status, metadata: { labels: { a: 'b' } } };
  const patched = await send('PATCH', `${HOUSES}/${name}/status?fieldManager=controller`, patch, MERGE);
  expect(shown(patched)).toEqual({
    'one Apply': { 'f:spec': { 'f:rooms': {} } },
    'controller Update status': { 'f:status': { '.': {}, 'f:phase': {} } },
  });
  expect(patched.metadata.labels).toBeUndefined();
  const applied = await apply(`${HOUSES}`, house({ rooms: 1 }), 'one');
  expect(shown(applied)['controller Update status']).toBeDefined();
});

test('a field that its only manager applies no longer goes; one that others set stays', async () => {
  await apply(CONFIG_MAPS, configMap({ a: '1', b: '1' }), 'one');
  await send('PATCH', `${CONFIG_MAPS}/${name}?fieldManager=two`, { data: { c: '1' } }, MERGE);
  await apply(CONFIG_MAPS, configMap({ b: '1' }), 'three');
  const nothing = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name } };
  const less = (await apply(CONFIG_MAPS, nothing, 'one')) as KubeObject & { data: unknown };
  expect(less.data).toEqual({ b: '1', c: '1' });
  expect(Object.keys(shown(less))).toEqual(['three Apply', 'two Update']);
});

test('an object that is too large with its account of fields goes without', async () => {
  const thing = (bytes: number) => ({
    apiVersion: 'example.com/v1',
    kind: 'Thing',
    metadata: { name },
    large: 'x'.repeat(bytes),
  });
  const limit = 1.5 * 1024 * 1024;
  const made = await send('POST', `${THINGS}?fieldManager=${'m'.repeat(100)}`, thing(limit - 300));
  expect(entriesOf(made)).toEqual([]);
  name = `${name}-larger`;
  const { message } = await refusal(send('POST', THINGS, thing(limit)));
  expect(message).toContain('etcdserver: request is too large');
});

// Scale

test('a Scale is applied to the field of its object, and conflicts are told of the Scale', async () => {
  await apply(DEPLOYMENTS, deployment({ replicas: 1 }), 'one');
  const refused = await refusal(applyScale(scale(3), 'sizer'));
  expect(refused.message).toBe('Apply failed with 1 conflict: conflict with "one": .spec.replicas');
  const forced = (await applyScale(scale(3), 'sizer', '&force=true')) as KubeObject & { spec: unknown };
  expect([forced.kind, forced.spec]).toEqual(['Scale', { replicas: 3 }]);
  const fields = shown(await get(DEPLOYMENTS));
  expect(fields['sizer Apply scale']).toEqual({ 'f:spec': { 'f:replicas': {} } });
  expect(fields['one Apply']).not.toHaveProperty(['f:spec', 'f:replicas']);
});

test('who updated the replicas is named in the version of the Scale', async () => {
  await apply(DEPLOYMENTS, deployment(), 'one');
  await send('PATCH', `${DEPLOYMENTS}/${name}?fieldManager=two`, { spec: { replicas: 2 } }, MERGE);
  const { message } = await refusal(applyScale(scale(3), 'sizer'));
  expect(message).toBe('Apply failed with 1 conflict: conflict with "two" using autoscaling/v1: .spec.replicas');
});

test('the Scale of a custom kind is applied where its definition says', async () => {
  await apply(HOUSES, house({ colours: ['red'] }), 'one');
  const path = `${HOUSES}/${name}/scale?fieldManager=sizer`;
  await send('PATCH', path, scale(5), APPLY);
  const { spec } = (await get(HOUSES)) as KubeObject & { spec: unknown };
  expect(spec).toEqual({ colours: ['red'], rooms: 5 });
  expect(shown(await get(HOUSES))['sizer Apply scale']).toEqual({ 'f:spec': { 'f:rooms': {} } });
});

test.each([
  [scale(-1), 'Scale.autoscaling'],
  [{ ...scale(1), spec: { size: 1 } }, '.spec.size: field not declared in schema'],
  [deployment(), 'Incorrect version specified in apply patch'],
])('a Scale that is none is refused', async (body, text) => {
  await apply(DEPLOYMENTS, { ...deployment(), metadata: { name } }, 'one');
  const { message } = await refusal(applyScale({ ...body, metadata: { name } }, 'sizer'));
  expect(message).toContain(text);
});
