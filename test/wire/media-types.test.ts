/** In which form answers, refusals, watches and documents come, and what bodies may be. Source: API concepts, "Resource representations". */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { facts } from '#api/generated/facts.ts';
import { decodeProtobuf } from '#api/machinery/codec-protobuf.ts';
import { parseYaml } from '#api/machinery/codec-yaml.ts';
import { type HttpsApiServer, startHttpsApiServer } from '../integration/https-api-server.ts';
import { type Ask, RawClient, statusOf } from '../integration/raw-client.ts';

let server: HttpsApiServer;
let client: RawClient;

beforeAll(async () => {
  server = await startHttpsApiServer();
  client = new RawClient(server);
  const body = '{"metadata":{"name":"one"},"data":{"k":"v"}}';
  expect((await client.ask(MAPS, { method: 'POST', body })).code).toBe(201);
});

afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
});

const MAPS = '/api/v1/namespaces/default/configmaps';
const YAML = 'application/yaml';
const PROTOBUF = 'application/vnd.kubernetes.protobuf';
const MERGE = 'application/merge-patch+json';
const accepting = (accept: string, path: string, more: Ask = {}) =>
  client.ask(path, { ...more, headers: { ...more.headers, accept } });

describe('a refusal', () => {
  const missing = {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message: 'configmaps "lost" not found',
    reason: 'NotFound',
    details: { name: 'lost', kind: 'configmaps' },
    code: 404,
  };

  test('comes as JSON, YAML or protobuf, as the answer would have', async () => {
    const json = await accepting('application/json', `${MAPS}/lost`);
    expect([json.headers['content-type'], JSON.parse(json.text)]).toEqual(['application/json', missing]);
    const yaml = await accepting(YAML, `${MAPS}/lost`);
    expect(yaml.headers['content-type']).toBe(YAML);
    expect(parseYaml(yaml.text)).toMatchObject({ value: missing });
    const binary = await accepting(PROTOBUF, `${MAPS}/lost`);
    expect([binary.code, binary.headers['content-type']]).toEqual([404, PROTOBUF]);
    expect(binary.text).toContain(missing.message);
    // The code above 127 is no text; whether it can be read is a matter of bytes.
    const bytes = await bytesOf(`${MAPS}/lost`, PROTOBUF);
    expect(decodeProtobuf(facts, bytes)).toMatchObject({ object: { reason: 'NotFound', code: 404 } });
  });

  test('is laid out for people who ask for that, or look at it with curl', async () => {
    const laidOut = JSON.stringify(missing, undefined, 2);
    expect((await client.ask(`${MAPS}/lost?pretty=true`)).text).toBe(laidOut);
    expect((await client.ask(`${MAPS}/lost`, { headers: { 'user-agent': 'curl/8' } })).text).toBe(laidOut);
    const nobody = await client.ask('/api/v1/pods', { as: undefined, headers: { 'user-agent': 'curl/8' } });
    expect(nobody.text).toMatch(/^\{\n {2}"kind": "Status",\n/);
    expect((await client.ask(`${MAPS}/lost`)).text).toBe(JSON.stringify(missing));
  });

  test('is JSON for those who accept nothing that there is', async () => {
    const answer = await accepting('image/png', `${MAPS}/lost`);
    expect([answer.code, answer.headers['content-type']]).toEqual([406, 'application/json']);
    expect(statusOf(answer)).toMatchObject({
      reason: 'NotAcceptable',
      message: `only the following media types are accepted: application/json, ${YAML}, ${PROTOBUF}`,
    });
  });
});

async function bytesOf(path: string, accept: string): Promise<Uint8Array> {
  const session = await client.http2();
  try {
    const stream = session.request({ ':path': path, accept });
    const chunks: Buffer[] = [];
    for await (const chunk of stream) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks);
  } finally {
    session.close();
  }
}

describe('a write', () => {
  test('whose answer nobody would accept stores nothing', async () => {
    const body = '{"metadata":{"name":"unseen"}}';
    expect((await accepting('image/png', MAPS, { method: 'POST', body })).code).toBe(406);
    expect((await client.ask(`${MAPS}/unseen`)).code).toBe(404);
  });

  test.each([
    ['POST', MAPS],
    ['PUT', `${MAPS}/one`],
    ['DELETE', `${MAPS}/one`],
    ['DELETE', MAPS],
    ['POST', '/api/v1/namespaces/default/pods/p/eviction'],
    ['POST', '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews'],
  ])('%s %s with a body of another sort is refused', async (method, path) => {
    const answer = await client.ask(path, { method, body: 'x', headers: { 'content-type': 'text/plain' } });
    expect([answer.code, statusOf(answer)]).toEqual([
      415,
      expect.objectContaining({
        reason: 'UnsupportedMediaType',
        message: `the body of the request was in an unknown format - accepted media types include: application/json, ${YAML}, ${PROTOBUF}`,
      }),
    ]);
  });

  test('a patch says which sort it is', async () => {
    const answer = await client.ask(`${MAPS}/one`, { method: 'PATCH', body: '{}' });
    expect([answer.code, statusOf(answer).message]).toEqual([
      415,
      'the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json, application/apply-patch+yaml',
    ]);
  });

  test.each(['POST', 'PUT', 'PATCH', 'DELETE'])('%s of more than 3 MiB is refused', async (method) => {
    const body = JSON.stringify({ metadata: { name: 'one' }, data: { a: 'x'.repeat(3 * 1024 * 1024) } });
    const headers = { 'content-type': method === 'PATCH' ? MERGE : 'application/json' };
    const answer = await client.ask(method === 'POST' ? MAPS : `${MAPS}/one`, { method, body, headers });
    expect([answer.code, statusOf(answer).reason]).toEqual([413, 'RequestEntityTooLarge']);
  });
});

describe('a watch', () => {
  interface Event {
    type: string;
    object: { kind: string; metadata: object; [field: string]: unknown };
  }
  const watched = async (as: string) => {
    // Events that are there already: nothing has to happen while it lasts.
    const query = 'watch=1&timeoutSeconds=3&allowWatchBookmarks=true&sendInitialEvents=true';
    const selector = 'resourceVersionMatch=NotOlderThan&fieldSelector=metadata.name%3Dwatched';
    const answer = await accepting(`application/json;as=${as};v=v1;g=meta.k8s.io`, `${MAPS}?${query}&${selector}`);
    expect(answer.code, answer.text).toBe(200);
    const lines = answer.text.split('\n').filter(Boolean);
    return lines.map((line) => JSON.parse(line) as Event);
  };
  beforeAll(async () => {
    await client.ask(MAPS, { method: 'POST', body: '{"metadata":{"name":"watched"},"data":{"k":"v"}}' });
  });

  test('as a Table has one row an event, the columns with the first, and bookmarks', async () => {
    const [added, bookmark, ...rest] = await watched('Table');
    expect(added).toMatchObject({
      type: 'ADDED',
      object: {
        kind: 'Table',
        apiVersion: 'meta.k8s.io/v1',
        columnDefinitions: [{ name: 'Name' }, { name: 'Data' }, { name: 'Age' }],
        rows: [{ cells: ['watched', 1, expect.any(String)], object: { kind: 'PartialObjectMetadata' } }],
      },
    });
    expect(bookmark).toMatchObject({ type: 'BOOKMARK', object: { kind: 'Table' } });
    for (const { object } of [bookmark!, ...rest]) expect(object['columnDefinitions']).toBeUndefined();
  });

  test('as metadata has that, and bookmarks with a version and nothing else', async () => {
    const [added, bookmark] = await watched('PartialObjectMetadata');
    expect(added).toMatchObject({
      type: 'ADDED',
      object: { kind: 'PartialObjectMetadata', metadata: { name: 'watched' } },
    });
    expect(added!.object['data']).toBeUndefined();
    expect(bookmark).toEqual({
      type: 'BOOKMARK',
      object: {
        kind: 'PartialObjectMetadata',
        apiVersion: 'meta.k8s.io/v1',
        metadata: {
          resourceVersion: expect.stringMatching(/^\d+$/),
          annotations: { 'k8s.io/initial-events-end': 'true' },
        },
      },
    });
  });
});

describe('documents', () => {
  const AGGREGATED = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';
  const GNOSTIC = 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf';

  test.each([
    ['/api', AGGREGATED],
    ['/apis', AGGREGATED],
    ['/openapi/v2', 'application/json'],
    ['/openapi/v2', GNOSTIC],
    ['/openapi/v3', 'application/json'],
    ['/openapi/v3/apis/apps/v1', 'application/json'],
  ])('%s as %s has a tag, and is not sent again to who has it', async (path, accept) => {
    const whole = await accepting(accept, path);
    expect([whole.code, whole.headers['etag']]).toEqual([200, expect.stringMatching(/^"[0-9A-F]{128}"$/)]);
    const headers = { 'if-none-match': String(whole.headers['etag']) };
    const again = await accepting(accept, path, { headers });
    expect([again.code, again.text]).toEqual([304, '']);
    const other = await accepting(accept, path, { headers: { 'if-none-match': '"0"' } });
    expect(other.code).toBe(200);
  });

  test.each([
    ['/openapi/v2', 'application/xml'],
    ['/openapi/v3/apis/apps/v1', 'application/xml'],
    ['/api', 'application/xml'],
    ['/apis/apps/v1', 'application/xml'],
  ])('there is no %s as %s', async (path, accept) => {
    expect((await accepting(accept, path)).code).toBe(406);
  });

  test.each(['*/*', 'application/*', 'text/html, application/json;q=0.5'])('%s takes JSON', async (accept) => {
    const answer = await accepting(accept, '/openapi/v2');
    expect([answer.code, JSON.parse(answer.text).swagger]).toEqual([200, '2.0']);
  });
});
