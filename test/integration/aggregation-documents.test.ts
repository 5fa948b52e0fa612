/** Discovery and OpenAPI with the group of another API server in them. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type AggregatedGroup, NAME, ROOT, startAggregatedGroup } from './aggregated-group.ts';
import { eventually } from './extension-server.ts';
import type { HttpsApiServer } from './https-api-server.ts';
import { GROUP, VERSION, type WardleServer } from './wardle-server.ts';

let group: AggregatedGroup;
let server: HttpsApiServer;
let wardle: WardleServer;

const ask: AggregatedGroup['ask'] = (path, request) => group.ask(path, request);

beforeAll(async () => {
  group = await startAggregatedGroup();
  ({ server, wardle } = group);
});

afterAll(async () => {
  await group?.[Symbol.asyncDispose]();
});

test('discovery is one document with a tag, and can be had as YAML and protobuf', async () => {
  const accept = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';
  const { headers } = await eventually(async () => {
    const answered = await ask('/apis', { headers: { accept } });
    const { items } = JSON.parse(answered.text) as { items: { metadata: { name: string }; versions: object[] }[] };
    expect(items.find(({ metadata }) => metadata.name === GROUP)?.versions).toMatchObject([
      {
        version: VERSION,
        freshness: 'Current',
        resources: [{ resource: 'flunders', shortNames: ['fl'], subresources: [{ subresource: 'status' }] }],
      },
    ]);
    return answered;
  });
  expect(headers).toMatchObject({ 'content-type': accept, vary: 'Accept', 'cache-control': 'public' });
  const again = await ask('/apis', { headers: { accept, 'if-none-match': String(headers['etag']) } });
  expect([again.code, again.text]).toEqual([304, '']);
  const yaml = await ask(`/apis/${GROUP}`, { headers: { accept: 'application/yaml' } });
  expect(yaml.headers['content-type']).toBe('application/yaml');
  expect(yaml.text).toMatch(
    /^kind: APIGroup\n[\s\S]*preferredVersion:\n +groupVersion: wardle.example.com\/v1alpha1\n/,
  );
  const binary = await ask('/apis', { headers: { accept: 'application/vnd.kubernetes.protobuf' } });
  expect(binary.text.slice(0, 4)).toBe('k8s\0');
  expect((await ask('/apis', { headers: { accept: 'text/html' } })).code).toBe(406);
});

test('kubectl explains kinds of the other server, although that has OpenAPI 2 only', async () => {
  const { stdout } = await server.kubectl(['explain', 'flunders.spec']);
  expect(stdout).toContain('Flunder');
  expect(stdout).toMatch(/reference\t<string>\n +Whom it refers to\./);
});

test('version 2 of OpenAPI has the paths of the other server, and its definitions beside those of the same name', async () => {
  const { text } = await ask('/openapi/v2');
  const { paths, definitions } = JSON.parse(text) as {
    paths: object;
    definitions: Record<string, { properties: object }>;
  };
  expect(paths).toHaveProperty([`${ROOT}/namespaces/{namespace}/flunders`]);
  expect(paths).toHaveProperty(['/api/v1/namespaces/{namespace}/pods']);
  expect(paths).not.toHaveProperty(['/version/']);
  const meta = 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta';
  expect(definitions['com.example.wardle.v1alpha1.Flunder']?.properties).toMatchObject({
    metadata: { $ref: `#/definitions/${meta}_v2` },
  });
  expect(Object.keys(definitions[`${meta}_v2`]?.properties ?? {})).toEqual(['name']);
  expect(Object.keys(definitions[meta]?.properties ?? {})).toContain('finalizers');
  expect(definitions).not.toHaveProperty(['unused.Thing']);
});

test('a document of OpenAPI 3 with its hash may be kept, with another it has moved; and is there as protobuf', async () => {
  const index = JSON.parse((await ask('/openapi/v3')).text) as { paths: Record<string, { serverRelativeURL: string }> };
  const url = index.paths['apis/apps/v1']!.serverRelativeURL;
  const pinned = await ask(url);
  expect(pinned.headers).toMatchObject({ 'cache-control': 'public, immutable', vary: 'Accept' });
  expect(Date.parse(String(pinned.headers['expires'])) - Date.now()).toBeGreaterThan(364 * 24 * 3_600_000);
  const moved = await ask('/openapi/v3/apis/apps/v1?hash=OLD');
  expect([moved.code, moved.headers['location']]).toEqual([301, url]);
  const accept = 'application/com.github.proto-openapi.spec.v3@v1.0+protobuf';
  const binary = await ask(url, { headers: { accept } });
  expect(binary.headers['content-type']).toBe('application/com.github.proto-openapi.spec.v3.v1.0+protobuf');
  expect(binary.headers['etag']).toBe(pinned.headers['etag']);
});

test('a document of OpenAPI 3 that the other server has itself is asked for there', async () => {
  const path = `/openapi/v3${ROOT}`;
  wardle.answer = (request, response) => {
    const [at] = (request.url ?? '').split('?');
    if (at === '/openapi/v3')
      response.end(JSON.stringify({ paths: { [ROOT.slice(1)]: { serverRelativeURL: `${path}?hash=W` } } }));
    else if (at === path) response.end(`for ${request.headers['x-remote-user']}`);
    else return false;
    return true;
  };
  await server.kubectl(['patch', 'apiservice', NAME, '--type=merge', '-p', '{"spec":{"versionPriority":201}}']);
  await eventually(async () => {
    const { paths } = JSON.parse((await ask('/openapi/v3')).text) as { paths: object };
    expect(paths).toMatchObject({ [ROOT.slice(1)]: { serverRelativeURL: `${path}?hash=W` } });
  });
  expect((await ask(`${path}?hash=W`)).text).toBe('for jane');
  wardle.answer = undefined;
});
