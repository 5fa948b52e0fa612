import { describe, expect, test } from 'vitest';
import { bodies, catalog } from '#api/catalog.ts';
import type { Kind } from '#api/machinery/kind.ts';
import { createKindRegistry } from '#api/machinery/kind-registry.ts';
import { WireReader } from '#api/machinery/protobuf-wire.ts';
import { createOpenApi, type OpenApiDocument } from './openapi.ts';

const VERSION = { version: 'v1.36.0' };
const registry = () => createKindRegistry(catalog, bodies);
// biome-ignore lint/suspicious/noExplicitAny: the documents are JSON, read here as a client reads them
const json = (document: OpenApiDocument | undefined): any => JSON.parse(document!.body.toString());

const custom = {
  group: 'stable.example.com',
  version: 'v1',
  kind: 'CronTab',
  listKind: 'CronTabList',
  plural: 'crontabs',
  singular: 'crontab',
  scope: 'Namespaced',
  verbs: ['get', 'list', 'create', 'patch'],
  subresources: [],
  facts: undefined,
} as unknown as Kind;

/** Every `$ref` anywhere in a document. */
function* referencesIn(value: unknown): Generator<string> {
  if (typeof value !== 'object' || value === null) return;
  for (const [key, element] of Object.entries(value)) {
    if (key === '$ref' && typeof element === 'string') yield element;
    yield* referencesIn(element);
  }
}

describe('version 3', () => {
  const openApi = createOpenApi(registry(), VERSION);
  const core = json(openApi.v3('api/v1'));
  const schemas = core.components.schemas;

  test('every reference of every document has its definition', async () => {
    const { paths } = json(await openApi.v3Index());
    expect(Object.keys(paths)).toEqual(expect.arrayContaining(['api/v1', 'apis/apps/v1']));
    for (const path of Object.keys(paths)) {
      const document = json(openApi.v3(path));
      const defined = new Set(Object.keys(document.components.schemas));
      const missing = [...referencesIn(document)].filter(
        (ref) => !defined.has(ref.replace('#/components/schemas/', '')),
      );
      expect(missing).toEqual([]);
    }
  });

  test('the index names the hash of each document', async () => {
    const { paths } = json(await openApi.v3Index());
    expect(paths['api/v1'].serverRelativeURL).toBe(`/openapi/v3/api/v1?hash=${openApi.v3('api/v1')?.hash}`);
  });

  test('lists say how they are merged', () => {
    expect(schemas['io.k8s.api.core.v1.Container'].properties.ports).toEqual({
      type: 'array',
      items: { $ref: '#/components/schemas/io.k8s.api.core.v1.ContainerPort' },
      'x-kubernetes-list-map-keys': ['containerPort', 'protocol'],
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-patch-merge-key': 'containerPort',
      'x-kubernetes-patch-strategy': 'merge',
    });
    expect(schemas['io.k8s.api.core.v1.ContainerPort']).toMatchObject({
      required: ['containerPort'],
      properties: { protocol: { type: 'string', default: 'TCP', enum: ['SCTP', 'TCP', 'UDP'] } },
    });
  });

  test('fields of inlined structs stand where JSON has them', () => {
    expect(Object.keys(schemas['io.k8s.api.core.v1.Volume'].properties)).toEqual(
      expect.arrayContaining(['name', 'emptyDir', 'configMap']),
    );
  });

  test('kinds are marked, and DeleteOptions with each version that takes it', () => {
    const marks = 'x-kubernetes-group-version-kind';
    expect(schemas['io.k8s.api.core.v1.Pod'][marks]).toEqual([{ group: '', kind: 'Pod', version: 'v1' }]);
    expect(schemas['io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions'][marks]).toEqual([
      { group: '', kind: 'DeleteOptions', version: 'v1' },
    ]);
  });

  test('operations tell kubectl what the server can do', () => {
    const { patch, get } = core.paths['/api/v1/namespaces/{namespace}/pods/{name}'];
    expect(patch).toMatchObject({
      operationId: 'patchCoreV1NamespacedPod',
      tags: ['core_v1'],
      'x-kubernetes-action': 'patch',
      'x-kubernetes-group-version-kind': { group: '', version: 'v1', kind: 'Pod' },
    });
    expect(patch.parameters.map(({ name }: { name: string }) => name)).toContain('fieldValidation');
    expect(Object.keys(patch.requestBody.content)).toContain('application/strategic-merge-patch+json');
    expect(get.operationId).toBe('readCoreV1NamespacedPod');
    expect(core.paths['/api/v1/pods'].get.operationId).toBe('listCoreV1PodForAllNamespaces');
    expect(core.paths['/api/v1/namespaces/{namespace}/pods/{name}/exec'].get).toMatchObject({
      operationId: 'connectCoreV1GetNamespacedPodExec',
      'x-kubernetes-action': 'connect',
    });
  });

  test('a document stays the same when kinds of another group come and go', () => {
    const kinds = registry();
    const changing = createOpenApi(kinds, VERSION);
    const before = changing.v3('api/v1');
    kinds.add(custom);
    expect(changing.v3('api/v1')).toBe(before);
    expect(
      json(changing.v3('apis/stable.example.com/v1')).components.schemas['com.example.stable.v1.CronTabList'],
    ).toMatchObject({
      properties: { items: { items: { $ref: '#/components/schemas/com.example.stable.v1.CronTab' } } },
      'x-kubernetes-group-version-kind': [{ group: 'stable.example.com', kind: 'CronTabList', version: 'v1' }],
    });
    kinds.remove(custom);
    expect(changing.v3('apis/stable.example.com/v1')).toBeUndefined();
  });

  test('descriptions are there when they were built', () => {
    const descriptions = { 'core.v1.Pod': ['A pod.', { spec: 'What it is to be.' }] } as const;
    const pod = json(createOpenApi(registry(), { ...VERSION, descriptions: () => descriptions }).v3('api/v1'))
      .components.schemas['io.k8s.api.core.v1.Pod'];
    expect(pod.description).toBe('A pod.');
    expect(pod.properties.spec).toEqual({
      description: 'What it is to be.',
      allOf: [{ $ref: '#/components/schemas/io.k8s.api.core.v1.PodSpec' }],
    });
  });
});

test('a document of version 3 as protobuf has the paths, schemas and words of the JSON', () => {
  const openApi = createOpenApi(registry(), VERSION);
  const document = json(openApi.v3('apis/apps/v1'));
  const binary = openApi.v3('apis/apps/v1', 'protobuf')!;
  expect(binary.hash).toBe(openApi.v3('apis/apps/v1')!.hash);
  const fields = fieldsOf(new WireReader(binary.body));
  const text = (reader: WireReader | undefined) => new TextDecoder().decode(reader!.rest());
  expect(text(fields.get(1)![0])).toBe('3.0.0');
  expect(fieldsOf(fields.get(4)![0]!).get(1)).toHaveLength(Object.keys(document.paths).length);
  const schemas = fieldsOf(fieldsOf(fields.get(5)![0]!).get(1)![0]!).get(1)!;
  const named = new Map(schemas.map((entry) => [text(fieldsOf(entry).get(1)![0]), fieldsOf(entry).get(2)![0]!]));
  expect([...named.keys()]).toEqual(Object.keys(document.components.schemas));
  // SchemaOrReference.schema, its type and the first of its properties: spec is an allOf of a reference.
  const scale = fieldsOf(fieldsOf(named.get('io.k8s.api.apps.v1.DeploymentCondition')!).get(1)![0]!);
  expect(text(scale.get(25)![0])).toBe('object');
  expect(scale.get(23)!.map(text)).toEqual(['type', 'status']);
  const extension = fieldsOf(fieldsOf(named.get('io.k8s.api.apps.v1.Deployment')!).get(1)![0]!).get(36)!;
  expect(text(fieldsOf(extension[0]!).get(1)![0])).toBe('x-kubernetes-group-version-kind');
  const value = fieldsOf(fieldsOf(extension[0]!).get(2)![0]!).get(2)![0];
  expect(JSON.parse(text(value))).toEqual([{ group: 'apps', kind: 'Deployment', version: 'v1' }]);
});

describe('groups of other API servers', () => {
  const spec = {
    paths: { '/apis/w.io/v1/flunders': { get: { responses: {} } } },
    definitions: { 'io.w.Flunder': { type: 'object' } },
  };
  const remote = {
    generation: 1,
    refresh: () => Promise.resolve(),
    specs: () => [{ group: 'w.io', version: 'v1', spec }],
    addresses: () => new Map([['apis/n.io/v1', '/openapi/v3/apis/n.io/v1?hash=AB']]),
  };
  const openApi = createOpenApi(registry(), VERSION, remote);

  test('are merged into version 2', async () => {
    const { paths, definitions } = json(await openApi.v2('json'));
    expect(paths).toHaveProperty(['/apis/w.io/v1/flunders']);
    expect(paths).toHaveProperty(['/api/v1/pods']);
    expect(definitions).toHaveProperty(['io.w.Flunder'], { type: 'object' });
  });

  test('have an address in the index of version 3: their own, or one of a document that is made of version 2', async () => {
    const { paths } = json(await openApi.v3Index());
    expect(paths['apis/n.io/v1']).toEqual({ serverRelativeURL: '/openapi/v3/apis/n.io/v1?hash=AB' });
    const document = openApi.v3('apis/w.io/v1');
    expect(paths['apis/w.io/v1']).toEqual({ serverRelativeURL: `/openapi/v3/apis/w.io/v1?hash=${document!.hash}` });
    expect(json(document).components.schemas).toEqual({ 'io.w.Flunder': { type: 'object' } });
  });
});

describe('version 2', () => {
  test('every reference has its definition', async () => {
    const document = json(await createOpenApi(registry(), VERSION).v2('json'));
    const defined = new Set(Object.keys(document.definitions));
    expect([...referencesIn(document)].filter((ref) => !defined.has(ref.replace('#/definitions/', '')))).toEqual([]);
    expect(document.definitions['io.k8s.apimachinery.pkg.util.intstr.IntOrString']).toEqual({
      type: 'string',
      format: 'int-or-string',
    });
  });

  test('the custom kinds of the moment are in it', async () => {
    const kinds = registry();
    const openApi = createOpenApi(kinds, {
      ...VERSION,
      customSchema: () => ({ type: 'object', properties: { spec: { type: 'object' } } }),
    });
    expect(json(await openApi.v2('json')).definitions['com.example.stable.v1.CronTab']).toBeUndefined();
    kinds.add(custom);
    expect(json(await openApi.v2('json')).definitions['com.example.stable.v1.CronTab']).toEqual({
      type: 'object',
      properties: { spec: { type: 'object' } },
      'x-kubernetes-group-version-kind': [{ group: 'stable.example.com', kind: 'CronTab', version: 'v1' }],
    });
  });

  test('the protobuf form has as many paths and definitions as the JSON', async () => {
    const openApi = createOpenApi(registry(), VERSION);
    const document = json(await openApi.v2('json'));
    const fields = fieldsOf(new WireReader((await openApi.v2('protobuf')).body));
    expect(fieldsOf(fields.get(8)![0]!).get(2)).toHaveLength(Object.keys(document.paths).length);
    const definitions = fieldsOf(fields.get(9)![0]!).get(1)!;
    expect(definitions).toHaveLength(Object.keys(document.definitions).length);
    const names = definitions.map((entry) => new TextDecoder().decode(fieldsOf(entry).get(1)![0]!.rest()));
    expect(names).toEqual(Object.keys(document.definitions));
  });
});

/** The length-delimited fields of one message, by number. */
function fieldsOf(reader: WireReader): Map<number, WireReader[]> {
  const fields = new Map<number, WireReader[]>();
  const own = new WireReader(reader.bytes, reader.at, reader.end);
  while (!own.done) {
    const tag = own.varint();
    if ((tag & 7) === 2) fields.set(tag >> 3, [...(fields.get(tag >> 3) ?? []), own.part()]);
    else own.skip(tag & 7);
  }
  return fields;
}
