/** A group that another API server serves, as stock kubectl and raw clients meet it through this one. */

import { once } from 'node:events';
import { request as httpsRequest } from 'node:https';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { APIService } from '#api/apiregistration/v1/api-service.ts';
import { ConfigMap } from '#api/core/v1/config-map.ts';
import { type KeyPair, selfSigned } from '#cmd/pki/certificate.ts';
import { type AggregatedGroup, FLUNDERS, NAME, ROOT, startAggregatedGroup } from './aggregated-group.ts';
import { createServiceFor, eventually, OWN_ADDRESS, startExtensionServer } from './extension-server.ts';
import type { HttpsApiServer } from './https-api-server.ts';
import { apiService, GROUP, VERSION, type WardleServer } from './wardle-server.ts';

let group: AggregatedGroup;
let server: HttpsApiServer;
let wardle: WardleServer;
let admin: KeyPair;

const client = () => server.api.loopback.client;
const ask: AggregatedGroup['ask'] = (path, request) => group.ask(path, request);
const apply: AggregatedGroup['apply'] = (object) => group.apply(object);
const upgrade: AggregatedGroup['upgrade'] = (path) => group.upgrade(path);

beforeAll(async () => {
  group = await startAggregatedGroup();
  ({ server, wardle, admin } = group);
});

afterAll(async () => {
  await group?.[Symbol.asyncDispose]();
});

test('kubectl works with the group as with any other', async () => {
  const flunder = { apiVersion: `${GROUP}/${VERSION}`, kind: 'Flunder', metadata: { name: 'test-flunder' } };
  const { stdout: made } = await server.kubectl(['create', '--validate=false', '-f', '-'], JSON.stringify(flunder));
  expect(made).toBe('flunder.wardle.example.com/test-flunder created\n');
  expect((await server.kubectl(['get', 'fl', '-o', 'name'])).stdout).toBe('flunder.wardle.example.com/test-flunder\n');
  await server.kubectl(['label', 'flunders', 'test-flunder', 'a=b']);
  expect(wardle.flunders.get('default/test-flunder')?.metadata.labels).toEqual({ a: 'b' });
  expect((await server.kubectl(['api-resources', `--api-group=${GROUP}`])).stdout).toMatch(
    /flunders +fl +wardle.example.com\/v1alpha1 +true +Flunder/,
  );
  await server.kubectl(['delete', 'flunder', 'test-flunder']);
  expect(wardle.flunders.size).toBe(0);
});

/** Without the documents that the aggregator reads in its own time. */
const askedFor = () => wardle.seen.filter(({ url }) => !/^\/(openapi(\/.*)?|apis(\/[^/]+){0,2}\/?)(\?.*)?$/.test(url));

test('the other server is told who asks, and by nobody else', async () => {
  wardle.seen.length = 0;
  const lies = {
    'X-Remote-User': 'system:admin',
    'x-remote-group': 'system:masters',
    'X-Remote-Extra-Scopes': 'all',
    'X-Remote-Uid': '0',
    connection: 'keep-alive, x-hop',
    'x-hop': 'mine',
    'x-own': 'kept',
    'audit-id': 'one-for-all',
    authorization: 'Bearer secret',
    'impersonate-user': 'joe',
    'impersonate-group': 'crew',
    'impersonate-extra-scopes': 'view',
    'impersonate-uid': '7',
  };
  expect((await ask(`${FLUNDERS}?limit=5&a=%2F`, { headers: lies })).code).toBe(403); // joe may not
  await apply({
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRole',
    metadata: { name: 'flunders' },
    rules: [{ apiGroups: [GROUP], resources: ['flunders'], verbs: ['list'] }],
  });
  await server.kubectl(['create', 'clusterrolebinding', 'flunders', '--clusterrole=flunders', '--user=joe']);
  await eventually(async () => expect((await ask(`${FLUNDERS}?limit=5&a=%2F`, { headers: lies })).code).toBe(200));
  const seen = askedFor();
  expect(seen).toHaveLength(1);
  const [{ url, headers, raw }] = seen as [(typeof wardle.seen)[0]];
  expect(url).toBe(`${FLUNDERS}?limit=5&a=%2F`);
  expect(raw.filter(([name]) => /^x-remote-/i.test(name)).sort()).toEqual([
    ['X-Remote-Extra-scopes', 'view'],
    ['X-Remote-Group', 'crew'],
    ['X-Remote-Group', 'system:authenticated'],
    ['X-Remote-Uid', '7'],
    ['X-Remote-User', 'joe'],
  ]);
  expect(headers).toMatchObject({
    'x-own': 'kept',
    'x-forwarded-for': '127.0.0.1',
    'audit-id': 'one-for-all',
    host: `${OWN_ADDRESS}:${wardle.port}`,
  });
  for (const gone of ['authorization', 'impersonate-user', 'impersonate-uid', 'x-hop'])
    expect(headers).not.toHaveProperty(gone);
});

test('a body goes there as it comes, and the answer with its code and headers comes back', async () => {
  wardle.answer = (request, response) => {
    if (!request.url?.startsWith(FLUNDERS)) return false;
    response.writeHead(418, { 'x-flunder': 'yes', warning: '299 - "old"', 'content-type': 'text/strange' });
    response.end(`${request.method} ${request.text.length}`);
    return true;
  };
  const body = 'x'.repeat(4 << 20); // more than this server takes itself
  const { code, headers, text } = await ask(FLUNDERS, { method: 'POST', body });
  wardle.answer = undefined;
  expect([code, text]).toEqual([418, `POST ${4 << 20}`]);
  expect(headers).toMatchObject({ 'x-flunder': 'yes', warning: '299 - "old"', 'content-type': 'text/strange' });
});

test('a watch brings each event when it happens', async () => {
  const { port, pki } = server;
  const request = httpsRequest({
    host: '127.0.0.1',
    port,
    path: `${FLUNDERS}?watch=1`,
    ca: pki.caCertificate,
    cert: admin.certificate,
    key: admin.key,
  }).end();
  const [response] = (await once(request, 'response')) as [import('node:http').IncomingMessage];
  await eventually(() => expect(wardle.watches.size).toBe(1));
  for (const name of ['first', 'second']) {
    const came = once(response.setEncoding('utf8'), 'data') as Promise<[string]>;
    await ask(FLUNDERS, { method: 'POST', body: JSON.stringify({ metadata: { name } }) });
    const [line] = await came;
    expect(JSON.parse(line)).toMatchObject({ type: 'ADDED', object: { metadata: { name } } });
  }
  request.destroy();
  await eventually(() => expect(wardle.watches.size).toBe(0)); // who goes takes the other connection along
  wardle.flunders.clear();
});

test('an upgrade joins both sides, and says who asks', async () => {
  wardle.seen.length = 0;
  const { socket, head } = await upgrade(`${FLUNDERS}/x/exec`);
  expect(head).toMatch(/^HTTP\/1.1 101 /);
  expect(askedFor()[0]?.headers).toMatchObject({
    'x-remote-user': 'jane',
    upgrade: 'echo',
    'audit-id': expect.stringMatching(/^[0-9a-f-]{36}$/),
  });
  const came = once(socket, 'data');
  socket.write('hello');
  expect(String((await came)[0])).toBe('HELLO');
  socket.destroy();
});

test.each([
  ['refused', /^HTTP\/1.1 403 Forbidden[\s\S]*no$/],
  [
    'moved',
    /^HTTP\/1.1 503 [\s\S]*\r\n\r\nerror trying to reach service: invalid upgrade response: status code 302\n$/,
  ],
])('an upgrade that is %s is told', async (what, expected) => {
  const { socket, head } = await upgrade(`${FLUNDERS}/x/${what}`);
  const rest = new Promise<string>((resolve) => {
    let text = head;
    socket.on('data', (chunk) => {
      text += String(chunk);
    });
    socket.once('close', () => resolve(text));
  });
  expect(await rest).toMatch(expected);
});

test('redirects are not followed, and paths that lead elsewhere are not asked for', async () => {
  wardle.answer = (_, response) => {
    response.writeHead(302, { location: 'https://169.254.169.254/' }).end();
    return true;
  };
  const moved = await ask(FLUNDERS);
  wardle.answer = undefined;
  expect([moved.code, moved.text]).toEqual([
    502,
    'the backend attempted to redirect this request, which is not permitted\n',
  ]);
  expect(moved.headers).not.toHaveProperty('location');
  wardle.seen.length = 0;
  for (const path of [`${ROOT}/../../../metrics`, `${ROOT}/%2e%2e/x`, `${ROOT}/namespaces/./flunders`])
    expect((await ask(path)).code).toBe(404);
  expect(askedFor()).toEqual([]);
});

test('a server that goes away in the middle of its answer is told of as far as that can be', async () => {
  wardle.answer = (request) => {
    if (!request.url?.startsWith(FLUNDERS)) return false;
    request.socket.destroy();
    return true;
  };
  const { code, text } = await ask(FLUNDERS);
  expect([code, text]).toEqual([503, 'error trying to reach service: EOF\n']);
  wardle.answer = (request, response) => {
    if (!request.url?.startsWith(FLUNDERS)) return false;
    response.writeHead(200, { 'content-length': '100' }).write('some', () => request.socket.destroy());
    return true;
  };
  await expect(ask(FLUNDERS)).rejects.toThrow();
  wardle.answer = undefined;
});

test('a kept connection that the other server closed in the moment of its use costs a read nothing, and a write is not sent twice', async () => {
  const used = new WeakSet<object>();
  const refused: string[] = [];
  wardle.answer = (request) => {
    if (!request.url?.startsWith(FLUNDERS) || !used.has(request.socket)) {
      used.add(request.socket);
      return false;
    }
    refused.push(request.method ?? '');
    request.socket.destroy();
    return true;
  };
  while (!refused.includes('GET')) expect((await ask(FLUNDERS)).code).toBe(200);
  let answer = { code: 0, text: '' };
  while (answer.code !== 503) answer = await ask(FLUNDERS, { method: 'POST', body: '{}' });
  expect(answer.text).toBe('error trying to reach service: EOF\n');
  expect(refused.filter((method) => method === 'POST')).toHaveLength(1);
  wardle.answer = undefined;
});

test('what other servers need to believe this one is in kube-system, and stays there', async () => {
  const at = { namespace: 'kube-system', name: 'extension-apiserver-authentication' };
  const own = {
    'client-ca-file': server.pki.caCertificate,
    'requestheader-allowed-names': '["front-proxy-client"]',
    'requestheader-client-ca-file': server.pki.frontProxyCaCertificate,
    'requestheader-extra-headers-prefix': '["X-Remote-Extra-"]',
    'requestheader-group-headers': '["X-Remote-Group"]',
    'requestheader-uid-headers': '["X-Remote-Uid"]',
    'requestheader-username-headers': '["X-Remote-User"]',
  };
  expect((await client().get(ConfigMap, at)).data).toEqual(own);
  await client().delete(ConfigMap, at);
  const made = await eventually(() => client().get(ConfigMap, at));
  expect(made.data).toEqual(own);

  // Of another API server of the cluster, and of one that was long ago.
  const authority = (commonName: string, notAfterMs: number) =>
    selfSigned({ commonName, usage: 'ca', notBeforeMs: 0, notAfterMs }).certificate;
  const other = authority('other', Date.now() + 3_600_000);
  const gone = authority('gone', Date.now() - 3_600_000);
  await client().update(ConfigMap, {
    ...made,
    data: {
      'client-ca-file': `${gone}${other}`,
      'requestheader-allowed-names': '["other"]',
      'requestheader-group-headers': 'nonsense',
      more: '',
    },
  });
  await eventually(async () =>
    expect((await client().get(ConfigMap, at)).data).toEqual({
      ...own,
      'client-ca-file': `${other}${server.pki.caCertificate}`,
      'requestheader-allowed-names': '["other","front-proxy-client"]',
    }),
  );
});

test('a server that says nonsense of itself costs nobody else anything', async () => {
  const nonsense: Record<string, string> = {
    '/openapi/v2': `{"paths":{"/apis/odd.example.com/v1/x":{"get":null}},"definitions":{"a":${'{"items":'.repeat(20_000)}1${'}'.repeat(20_000)}}}`,
    '/openapi/v3': '{"paths":{"apis/odd.example.com/v1":{"serverRelativeURL":"https://elsewhere/"}}}',
    '/apis/odd.example.com/v1':
      '{"resources":[{"name":"../../api/v1/secrets","kind":"Secret","namespaced":1,"verbs":["list","watch"]},7,{"name":"fine","kind":"Fine","verbs":["get",5]}]}',
  };
  const asked = new Set<string>();
  await using odd = await startExtensionServer(
    server,
    (request, response) => {
      asked.add(request.url ?? '');
      const text = nonsense[request.url ?? ''];
      response.writeHead(text ? 200 : 404, { 'content-type': 'application/json' }).end(text);
    },
    { names: ['api.odd.svc'] },
  );
  await createServiceFor(server, { namespace: 'odd', name: 'api', port: odd.port });
  const { spec } = apiService({ caBundle: odd.caBundle });
  const name = 'v1.odd.example.com';
  const service = { namespace: 'odd', name: 'api', port: 443 };
  await apply({
    ...apiService(),
    metadata: { name },
    spec: { ...spec, group: 'odd.example.com', version: 'v1', service },
  });
  await eventually(async () => {
    const { stdout } = await server.kubectl(['api-resources', '--api-group=odd.example.com', '--no-headers']);
    expect(stdout).toMatch(/^fine +odd.example.com\/v1 +false +Fine\n$/);
  });
  for (const accept of ['application/json', 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf'])
    expect((await ask('/openapi/v2', { headers: { accept } })).code).toBe(200);
  expect((await ask('/openapi/v3')).text).toContain('apis/apps/v1?hash=');
  expect((await ask('/openapi/v3/apis/odd.example.com/v1')).code).toBe(404);
  await eventually(() => expect(asked).toContain('/openapi/v2'));
  expect((await server.kubectl(['explain', 'deployment.spec.replicas'])).stdout).toContain('<integer>');
  await client().delete(APIService, { name });
});

// Source: the conformance test of this name, the part after the other server is there.
test('Aggregator Should be able to support the 1.17 Sample API Server using the current Aggregator', async () => {
  const at = `/apis/apiregistration.k8s.io/v1/apiservices/${NAME}`;
  const json = async (path: string, method = 'GET', body?: object, type = 'application/json') => {
    const headers = { 'content-type': type, accept: 'application/json' };
    const answer = await ask(path, { method, headers, body: body ? JSON.stringify(body) : '' });
    expect(answer.code).toBeLessThan(300);
    return { code: answer.code, object: JSON.parse(answer.text) as APIService & { items: object[] } };
  };
  const MERGE = 'application/merge-patch+json';
  const STRATEGIC = 'application/strategic-merge-patch+json';
  const fromTest = (type: string) => ({
    type,
    status: 'True',
    lastTransitionTime: null,
    reason: 'E2E',
    message: 'test',
  });
  const conditions = async () => (await json(`${at}/status`)).object.status?.conditions ?? [];
  const types = async () => (await conditions()).map(({ type }) => type);

  const flunder = { apiVersion: `${GROUP}/${VERSION}`, kind: 'Flunder', metadata: { name: 'rest-flunder' } };
  expect((await json(FLUNDERS, 'POST', flunder)).code).toBe(201);
  expect((await json(FLUNDERS)).object.items).toHaveLength(1);
  await json(`${FLUNDERS}/rest-flunder`, 'DELETE');
  expect((await json(FLUNDERS)).object.items).toHaveLength(0);

  expect((await json(at, 'PATCH', { spec: { versionPriority: 400 } }, MERGE)).object.spec.versionPriority).toBe(400);
  const { items } = (await json('/apis/apiregistration.k8s.io/v1/apiservices')).object as unknown as {
    items: APIService[];
  };
  expect(items.map(({ metadata }) => metadata.name)).toContain(NAME);
  const label = { metadata: { labels: { 'e2e-apiservice': 'patched' } } };
  expect((await json(at, 'PATCH', label, STRATEGIC)).object.metadata.labels).toEqual(label.metadata.labels);

  // Who looks whether it is available may write beside us.
  await eventually(async () => {
    const { object: shown } = await json(`${at}/status`);
    await json(`${at}/status`, 'PUT', {
      ...shown,
      status: { conditions: [...(shown.status?.conditions ?? []), fromTest('StatusUpdated')] },
    });
  });
  expect(await types()).toEqual(['Available', 'StatusUpdated']);
  await eventually(async () => {
    const { object: before } = await json(at);
    const replacing = { ...before, metadata: { ...before.metadata, labels: { [NAME]: 'updated' } } };
    const { object: after } = await json(at, 'PUT', replacing);
    expect([after.metadata.labels, after.status]).toEqual([{ [NAME]: 'updated' }, before.status]);
  });

  const patch = { status: { conditions: [...(await conditions()), fromTest('StatusPatched')] } };
  await json(`${at}/status`, 'PATCH', patch, MERGE);
  expect(await types()).toEqual(['Available', 'StatusUpdated', 'StatusPatched']);
  expect((await json(FLUNDERS)).code).toBe(200);

  const all = `/apis/apiregistration.k8s.io/v1/apiservices?labelSelector=${NAME}%3Dupdated`;
  await json(all, 'DELETE');
  await eventually(async () => expect((await json(all)).object.items).toEqual([]));
  await eventually(async () => expect((await ask(ROOT)).code).toBe(404));
  await eventually(async () => expect((await ask(FLUNDERS)).code).toBe(404));
});
