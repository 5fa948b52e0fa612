/** The API server as clients in other processes meet it: TLS, HTTP/1.1 and HTTP/2, media types, stock kubectl. */
import { connect as connectHttp2 } from 'node:http2';
import { request } from 'node:https';
import { connect as connectTls } from 'node:tls';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ConfigMap } from '#api/core/v1/config-map.ts';
import { facts } from '#api/generated/facts.ts';
import { decodeProtobuf, encodeProtobuf } from '#api/machinery/codec-protobuf.ts';
import { StatusError } from '#api/machinery/status.ts';
import { Client } from '#client/client.ts';
import { type HttpsApiServer, startHttpsApiServer } from './https-api-server.ts';

let server: HttpsApiServer;
let client: Client;

beforeAll(async () => {
  server = await startHttpsApiServer();
  client = new Client(server.transportFor({ name: 'kubernetes-admin', groups: ['system:masters'] }));
});

afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
});

interface Answer {
  code: number;
  headers: Record<string, string | string[] | undefined>;
  body: Buffer;
}

/** Over HTTP/1.1, as the admin or as nobody. */
function ask(path: string, { method = 'GET', headers = {}, body, anonymous = false }: Ask = {}): Promise<Answer> {
  const { certificate, key } = server.pki.issueClient('asker', { user: 'asker', groups: ['system:masters'] });
  return new Promise((resolve, reject) => {
    const sent = request(
      `${server.url}${path}`,
      { method, headers, ca: server.pki.caCertificate, agent: false, ...(!anonymous && { cert: certificate, key }) },
      (answer) => {
        const chunks: Buffer[] = [];
        answer.on('data', (chunk: Buffer) => chunks.push(chunk));
        answer.on('end', () =>
          resolve({ code: answer.statusCode ?? 0, headers: answer.headers, body: Buffer.concat(chunks) }),
        );
        answer.on('error', reject);
      },
    );
    sent.on('error', reject);
    sent.end(body);
  });
}
interface Ask {
  method?: string;
  headers?: Record<string, string>;
  body?: string | Uint8Array;
  anonymous?: boolean;
}

const json = ({ body }: Answer) => JSON.parse(body.toString());
const JSON_BODY = { 'content-type': 'application/json' };
const configMap = (name: string, data: Record<string, string> = {}) =>
  JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data });
const CONFIG_MAPS = '/api/v1/namespaces/default/configmaps';

test('health and version are for everybody, objects are not', async () => {
  expect((await ask('/livez', { anonymous: true })).body.toString()).toBe('ok');
  expect((await ask('/readyz?verbose', { anonymous: true })).body.toString()).toBe(
    '[+]ping ok\n[+]shutdown ok\nreadyz check passed\n',
  );
  expect(json(await ask('/version', { anonymous: true }))).toMatchObject({ major: '1', minor: '36' });
  const refused = await ask('/api/v1/namespaces/default/secrets', { anonymous: true });
  expect(refused.code).toBe(403);
  expect(json(refused)).toMatchObject({
    kind: 'Status',
    reason: 'Forbidden',
    message:
      'secrets is forbidden: User "system:anonymous" cannot list resource "secrets" in API group "" in the namespace "default"',
  });
  const badToken = await ask('/version', { anonymous: true, headers: { authorization: 'Bearer nonsense' } });
  expect(badToken.code).toBe(401);
});

test('objects go in as JSON, YAML and protobuf', async () => {
  const asJson = await ask(CONFIG_MAPS, { method: 'POST', headers: JSON_BODY, body: configMap('j', { a: '1' }) });
  expect(asJson.code).toBe(201);
  expect(json(asJson)).toMatchObject({ kind: 'ConfigMap', metadata: { name: 'j' }, data: { a: '1' } });
  const asYaml = await ask(CONFIG_MAPS, {
    method: 'POST',
    headers: { 'content-type': 'application/yaml' },
    body: 'metadata:\n  name: yaml\ndata:\n  key: "yes"\n',
  });
  expect(json(asYaml).data).toEqual({ key: 'yes' });
  const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'p' }, data: { b: '2' } };
  const asProtobuf = await ask(CONFIG_MAPS, {
    method: 'POST',
    headers: { 'content-type': 'application/vnd.kubernetes.protobuf', accept: 'application/vnd.kubernetes.protobuf' },
    body: encodeProtobuf(facts, object)!,
  });
  expect(asProtobuf.headers['content-type']).toBe('application/vnd.kubernetes.protobuf');
  expect(decodeProtobuf(facts, asProtobuf.body)).toMatchObject({ object: { data: { b: '2' } } });
});

test('what cannot be read or is too large is refused by its own code', async () => {
  const wrongType = await ask(CONFIG_MAPS, { method: 'POST', headers: { 'content-type': 'text/x' }, body: '{}' });
  expect(wrongType.code).toBe(415);
  const noJson = await ask(CONFIG_MAPS, { method: 'POST', headers: JSON_BODY, body: '{nonsense' });
  expect(noJson.code).toBe(400);
  const unacceptable = await ask(CONFIG_MAPS, { headers: { accept: 'text/html' } });
  expect(unacceptable.code).toBe(406);
  expect(json(unacceptable).message).toMatch(/^only the following media types are accepted: application\/json, /);
  const large = await ask(CONFIG_MAPS, { method: 'POST', headers: JSON_BODY, body: Buffer.alloc(3 * 1024 * 1024 + 1) });
  expect(large.code).toBe(413);
  expect((await ask('/api/v1/nonsense')).code).toBe(404);
  expect((await ask('/nonsense')).code).toBe(404);
  expect((await ask('/api/v1/configmaps', { method: 'POST', headers: JSON_BODY, body: '{}' })).code).toBe(405);
});

test('unknown fields are told in a Warning header', async () => {
  const body = JSON.stringify({ metadata: { name: 'w' }, dada: 'x "y"' });
  const { headers } = await ask(CONFIG_MAPS, { method: 'POST', headers: JSON_BODY, body });
  expect(headers['warning']).toBe('299 - "unknown field \\"dada\\""');
  expect(headers['audit-id']).toMatch(/^[0-9a-f-]{36}$/);
});

test('a key that stands twice is refused or warned of, as the client asks', async () => {
  const body = '{"metadata":{"name":"twice"},"data":{"a":"1","a":"2"}}';
  const strict = await ask(`${CONFIG_MAPS}?fieldValidation=Strict`, { method: 'POST', headers: JSON_BODY, body });
  expect(json(strict).message).toBe(
    'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: duplicate field "data.a"',
  );
  const warned = await ask(CONFIG_MAPS, { method: 'POST', headers: JSON_BODY, body });
  expect(warned.headers['warning']).toBe('299 - "duplicate field \\"data.a\\""');
  expect(json(warned).data).toEqual({ a: '2' });
});

test('a list comes as objects, as a table and as metadata', async () => {
  await client.create(ConfigMap, { metadata: { name: 'l', namespace: 'default' }, data: { k: 'v' } });
  const path = `${CONFIG_MAPS}?fieldSelector=metadata.name%3Dl`;
  expect(json(await ask(path))).toMatchObject({
    kind: 'ConfigMapList',
    apiVersion: 'v1',
    items: [{ data: { k: 'v' } }],
  });
  const table = json(
    await ask(path, { headers: { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json' } }),
  );
  expect(table).toMatchObject({
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    columnDefinitions: [{ name: 'Name' }, { name: 'Data' }, { name: 'Age' }],
    rows: [{ cells: ['l', 1, expect.any(String)], object: { kind: 'PartialObjectMetadata', metadata: { name: 'l' } } }],
  });
  const metadata = json(
    await ask(path, { headers: { accept: 'application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io' } }),
  );
  expect(metadata).toMatchObject({ kind: 'PartialObjectMetadataList', items: [{ metadata: { name: 'l' } }] });
  expect(metadata.items[0].data).toBeUndefined();
});

test('a large answer is squeezed for those who accept it, and is the same', async () => {
  const big = 'x'.repeat(100_000);
  for (let i = 0; i < 8; i++)
    await client.create(ConfigMap, { metadata: { name: `big${i}`, namespace: 'default' }, data: { big } });
  const plain = await ask(CONFIG_MAPS);
  const squeezed = await ask(CONFIG_MAPS, { headers: { 'accept-encoding': 'gzip' } });
  expect(squeezed.headers['content-encoding']).toBe('gzip');
  expect(squeezed.body.length).toBeLessThan(plain.body.length / 10);
  expect(JSON.parse(gunzipSync(squeezed.body).toString()).items).toEqual(json(plain).items);
});

test('the transport over TLS has the same verbs, errors and watches', async () => {
  const at = { name: 't', namespace: 'default' };
  const signal = new AbortController();
  const created = await client.create(ConfigMap, { metadata: at });
  const seen: string[] = [];
  const path = `${CONFIG_MAPS}?watch=1&resourceVersion=${created.metadata.resourceVersion}&fieldSelector=metadata.name%3Dt`;
  const watching = (async () => {
    for await (const { type } of client.transport.watch({ path, signal: signal.signal })) {
      seen.push(type);
      if (type === 'DELETED') break;
    }
  })();
  await client.patch(ConfigMap, at, { type: 'strategic', patch: { data: { a: 'b' } } });
  await client.delete(ConfigMap, at);
  await watching;
  expect(seen).toEqual(['MODIFIED', 'DELETED']);
  const gone = await client.get(ConfigMap, at).catch((error: unknown) => error);
  expect(gone).toBeInstanceOf(StatusError);
  expect((gone as StatusError).toStatus()).toMatchObject({ code: 404, details: { name: 't', kind: 'configmaps' } });
});

test('a list of 33 MB that nobody reads and 50 watches leave room for others on one HTTP/2 connection', async () => {
  const local = server.api.loopback.client;
  const big = 'x'.repeat(100_000);
  const metadata = (i: number) => ({ name: `huge${i}`, namespace: 'kube-public' });
  await Promise.all(
    Array.from({ length: 330 }, (_, i) => local.create(ConfigMap, { metadata: metadata(i), data: { big } })),
  );
  const { certificate, key } = server.pki.issueClient('watcher', { user: 'watcher', groups: ['system:masters'] });
  const session = connectHttp2(server.url, { ca: server.pki.caCertificate, cert: certificate, key });
  const open = (path: string) => {
    const stream = session.request({ ':path': path });
    return new Promise<typeof stream>((opened, failed) => {
      stream.once('response', () => opened(stream));
      stream.once('error', failed);
    });
  };
  const read = async (stream: AsyncIterable<Buffer>) => {
    let length = 0;
    for await (const chunk of stream) length += chunk.length;
    return length;
  };
  try {
    await Promise.all(Array.from({ length: 50 }, () => open(`${CONFIG_MAPS}?watch=1`)));
    const unread = await open('/api/v1/namespaces/kube-public/configmaps');
    for (let i = 0; i < 20; i++) expect(await read(await open('/version'))).toBeGreaterThan(100);
    expect(await read(unread)).toBeGreaterThan(33_000_000);
  } finally {
    session.destroy();
    await local.transport.request({ method: 'DELETE', path: '/api/v1/namespaces/kube-public/configmaps' });
  }
});

test('clients that break off at any point do no harm to others', async () => {
  const { certificate, key } = server.pki.issueClient('breaker', { user: 'breaker', groups: ['system:masters'] });
  for (const [code, said] of [
    [8, ''],
    [2, '{"metadata":'],
    [0, '{"metadata":{"name":"half"'],
  ] as const) {
    const session = connectHttp2(server.url, { ca: server.pki.caCertificate, cert: certificate, key });
    session.on('error', () => undefined);
    const streams = Array.from({ length: 20 }, (_, i) =>
      session.request({ ':method': i % 2 ? 'POST' : 'GET', ':path': `${CONFIG_MAPS}${i % 2 ? '' : '?watch=1'}` }),
    );
    for (const stream of streams) stream.on('error', () => undefined);
    if (said) for (const stream of streams.filter((_, i) => i % 2)) stream.write(said);
    await new Promise((sent) => setImmediate(sent));
    for (const stream of streams) stream.close(code);
    session.destroy();
    const socket = connectTls(
      { host: '127.0.0.1', port: server.port, ca: server.pki.caCertificate, cert: certificate, key },
      () => {
        socket.write(`POST ${CONFIG_MAPS} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n${said}`, () =>
          socket.destroy(),
        );
      },
    );
    await new Promise((closed) => socket.once('close', closed));
  }
  expect((await ask('/livez')).code).toBe(200);
  expect((await ask(`${CONFIG_MAPS}/half`)).code).toBe(404);
});

test('stock kubectl works with it', async () => {
  const { kubectl } = server;
  const manifest = 'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: k\ndata:\n  a: "1"\n';
  expect((await kubectl(['apply', '-f', '-'], manifest)).stdout).toBe('configmap/k created\n');
  expect((await kubectl(['apply', '-f', '-'], manifest.replace('"1"', '"2"'))).stdout).toBe('configmap/k configured\n');
  expect((await kubectl(['get', 'cm', 'k', '-o', 'jsonpath={.data.a}'])).stdout).toBe('2');
  expect((await kubectl(['get', 'configmaps', 'k'])).stdout).toMatch(/^NAME +DATA +AGE\nk +1 +\S+\n$/);
  expect((await kubectl(['label', 'cm/k', 'x=y'])).stdout).toBe('configmap/k labeled\n');
  expect((await kubectl(['create', 'deployment', 'web', '--image=i'])).stdout).toBe('deployment.apps/web created\n');
  expect((await kubectl(['scale', 'deployment/web', '--replicas=3'])).stdout).toBe('deployment.apps/web scaled\n');
  expect((await kubectl(['get', 'deploy', 'web', '-o', 'jsonpath={.spec.replicas}'])).stdout).toBe('3');
  expect((await kubectl(['expose', 'deployment/web', '--port=80'])).stdout).toBe('service/web exposed\n');
  expect((await kubectl(['delete', 'cm/k', 'deploy/web', 'svc/web', '--wait=false'])).stdout).toContain(
    'configmap "k" deleted',
  );
  expect((await kubectl(['auth', 'can-i', 'create', 'pods'])).stdout).toBe('yes\n');
  expect((await kubectl(['auth', 'whoami', '-o', 'jsonpath={.status.userInfo.username}'])).stdout).toBe(
    'kubernetes-admin',
  );
  expect((await kubectl(['api-resources', '--no-headers'])).stdout).toContain('configmaps');
  expect((await kubectl(['create', 'token', 'default'])).stdout).toMatch(/^ey/);
  await expect(kubectl(['get', 'pod', 'nope'])).rejects.toThrow('Error from server (NotFound): pods "nope" not found');
});

test('a ServiceAccount is known by its token', async () => {
  const { stdout } = await server.kubectl(['create', 'token', 'default']);
  const headers = { authorization: `Bearer ${stdout.trim()}` };
  const refused = await ask(CONFIG_MAPS, { anonymous: true, headers });
  expect(json(refused).message).toContain('User "system:serviceaccount:default:default" cannot list resource');
  expect((await ask('/api', { anonymous: true, headers })).code).toBe(200);
});

const definition = (version = 'v1') => `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: crontabs.stable.example.com
spec:
  group: stable.example.com
  scope: Namespaced
  names: { plural: crontabs, singular: crontab, kind: CronTab, shortNames: [ct] }
  versions:
  - name: ${version}
    served: true
    storage: true
    schema:
      openAPIV3Schema: { type: object, x-kubernetes-preserve-unknown-fields: true }
    subresources:
      status: {}
      scale: { specReplicasPath: .spec.replicas, statusReplicasPath: .status.replicas }
    additionalPrinterColumns:
    - { name: Spec, type: string, jsonPath: .spec.cronSpec }
`;
const cronTab = `
apiVersion: stable.example.com/v1
kind: CronTab
metadata: { name: mine }
spec: { cronSpec: "* * * * */5", replicas: 1 }
`;

test('a kind that is defined while running is served like any other, and goes with its objects', async () => {
  const { kubectl } = server;
  await kubectl(['apply', '-f', '-'], definition());
  await kubectl(['wait', '--for=condition=Established', 'crd/crontabs.stable.example.com', '--timeout=90s']);
  expect((await kubectl(['api-resources', '--api-group=stable.example.com', '--no-headers'])).stdout).toMatch(
    /^crontabs +ct +stable.example.com\/v1 +true +CronTab\n$/,
  );
  const signal = new AbortController().signal;
  const path = '/apis/stable.example.com/v1/crontabs?watch=1';
  const watching = (async () => {
    const seen: string[] = [];
    for await (const { type, object } of client.transport.watch({ path, signal })) {
      seen.push(`${type} ${object.metadata.name}`);
      if (type === 'DELETED') break;
    }
    return seen;
  })();
  expect((await kubectl(['apply', '-f', '-'], cronTab)).stdout).toBe('crontab.stable.example.com/mine created\n');
  expect((await kubectl(['apply', '-f', '-'], cronTab.replace('*/5', '*/6'))).stdout).toContain('configured');
  expect((await kubectl(['get', 'ct'])).stdout).toMatch(/^NAME +SPEC\nmine +\* \* \* \* \*\/6\n$/);
  await kubectl(['scale', 'ct/mine', '--replicas=4']);
  expect((await kubectl(['get', 'ct/mine', '-o', 'jsonpath={.spec.replicas} {.metadata.generation}'])).stdout).toBe(
    '4 3',
  );
  await kubectl(['delete', 'crd', 'crontabs.stable.example.com', '--timeout=90s']);
  expect(await watching).toEqual(['ADDED mine', 'MODIFIED mine', 'MODIFIED mine', 'DELETED mine']);
  expect((await ask('/apis/stable.example.com/v1/crontabs')).code).toBe(404);
});

test('names that another kind has are not accepted, and nothing is served under them', async () => {
  const { kubectl } = server;
  await kubectl(['apply', '-f', '-'], definition());
  const other = definition().replaceAll('crontabs', 'others').replace('crontab,', 'other,').replace('[ct]', '[]');
  await kubectl(['apply', '-f', '-'], other);
  await kubectl(['wait', '--for=condition=NamesAccepted=False', 'crd/others.stable.example.com', '--timeout=90s']);
  const path = '{.status.conditions[?(@.type=="NamesAccepted")].message}';
  expect((await kubectl(['get', 'crd', 'others.stable.example.com', '-o', `jsonpath=${path}`])).stdout).toBe(
    '"CronTabList" is already in use',
  );
  expect((await ask('/apis/stable.example.com/v1/others')).code).toBe(404);
  await kubectl(['delete', 'crd', '--all', '--timeout=90s']);
});
