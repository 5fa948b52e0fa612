/** The verbs on the memory store, the same over both transports: what every other part relies on. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { Deployment } from '#api/apps/v1/deployment.ts';
import { bodies, catalog } from '#api/catalog.ts';
import { ConfigMap } from '#api/core/v1/config-map.ts';
import { Event } from '#api/core/v1/event.ts';
import { Namespace } from '#api/core/v1/namespace.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { Service } from '#api/core/v1/service.ts';
import { createKindRegistry } from '#api/machinery/kind-registry.ts';
import { StatusError } from '#api/machinery/status.ts';
import { IPAddress } from '#api/networking/v1/ip-address.ts';
import { PodDisruptionBudget } from '#api/policy/v1/pod-disruption-budget.ts';
import { silentLog } from '#base/log.ts';
import { ManualClock } from '#base/manual-clock.ts';
import { seededRandom } from '#base/random.ts';
import { Client } from '#client/client.ts';
import { NodeTransport } from '#client/transport/node.ts';
import type { Transport, WatchEvent } from '#client/transport.ts';
import { adminIdentity, apiServerIdentity } from '#cmd/pki/cluster-identities.ts';
import { ensurePki, type Pki } from '#cmd/pki/pki.ts';
import { systemClock } from '#cmd/system-clock.ts';
import { type ApiServer, createApiServer } from '#control-plane/apiserver/apiserver.ts';
import { ClientCertificateAuthenticator } from '#control-plane/apiserver/authentication/client-certificate.ts';
import type { TokenIssuer } from '#control-plane/apiserver/authentication/token-issuer.ts';
import { allow } from '#control-plane/apiserver/authorization/authorizer.ts';
import { serveHttp } from '#control-plane/apiserver/http/serve.ts';
import type { HttpServer } from '#control-plane/apiserver/http/server.ts';
import { openMemoryStorage } from '#control-plane/storage/memory.ts';
import type { Storage } from '#control-plane/storage/storage.ts';

let storage: Storage;
let api: ApiServer;
let client: Client;
let clock: ManualClock;

let transport: Transport & { close?(): void };
let http: HttpServer | undefined;
let directory: string;
let pki: Pki;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'api-'));
  pki = ensurePki({ directory, clock: systemClock });
});

afterAll(() => rmSync(directory, { recursive: true, force: true }));

const tokenIssuer = { audiences: ['api'] } as unknown as TokenIssuer;

/** The clock of the API server is the test's, that of certificates the machine's. */
async function overTls(): Promise<NodeTransport> {
  const server = pki.issueServer('apiserver', apiServerIdentity({ addresses: ['127.0.0.1'] }));
  const admin = pki.issueClient('admin', adminIdentity);
  http = serveHttp({
    pipeline: api.requests,
    flowControl: api.flowControl,
    authenticator: new ClientCertificateAuthenticator({ authorities: [pki.caCertificate], clock: systemClock }),
    tokenIssuer,
    ...server,
    clientCaCertificate: pki.caCertificate,
    kubelet: { ...admin, ca: pki.caCertificate },
    checks: [],
    serverAddress: () => '127.0.0.1',
  });
  const { port } = await http.listen({ host: '127.0.0.1', port: 0 });
  return new NodeTransport({
    server: `https://127.0.0.1:${port}`,
    certificateAuthority: pki.caCertificate,
    credentials: { certificate: { cert: admin.certificate, key: admin.key } },
    clock: systemClock,
  });
}

/** O=dev, CN=bob; made with openssl req -new. */
const CERTIFICATE_REQUEST = `-----BEGIN CERTIFICATE REQUEST-----
MIHWMH4CAQAwHDEMMAoGA1UECgwDZGV2MQwwCgYDVQQDDANib2IwWTATBgcqhkjO
PQIBBggqhkjOPQMBBwNCAAR8NlSa8OAWTpsda8YySFuqLEstCewZK8IWGLrqrBGd
x+1Ki3UcPLjUtlLJ0bOj7GPsHFn26TjdhVAZJOn73m82oAAwCgYIKoZIzj0EAwID
SAAwRQIgdK1Oce+BHtWoeS3SGMLkSmm+8Os7bOar4fNr5DMu/w8CIQDVjwF5OsfO
cUU2K7XrF+E/ODRIIphY7+WgLH3INVTXbw==
-----END CERTIFICATE REQUEST-----
`;

describe.each(['inside the process', 'over TLS'] as const)('%s', (way) => {
  beforeEach(async () => {
    clock = new ManualClock();
    storage = await openMemoryStorage();
    api = createApiServer({
      storage,
      kinds: createKindRegistry(catalog, bodies),
      clock,
      random: seededRandom(1),
      log: silentLog,
      tokenIssuer,
      tokens: () => ({ authenticateToken: async () => undefined }),
      admission: () => [],
      authorizer: { authorize: () => allow() },
      serviceRanges: { clusterIps: ['10.96.0.0/24', 'fd00:96::/112'], nodePorts: { from: 30000, to: 30010 } },
    });
    transport = way === 'over TLS' ? await overTls() : api.loopback.client.transport;
    client = new Client(transport);
  });

  afterEach(async () => {
    transport.close?.();
    await http?.close(0);
    http = undefined;
    await api.close();
    await storage.close();
  });

  const configMap = (name: string, data: Record<string, string> = { a: '1' }, namespace = 'default') => ({
    metadata: { name, namespace },
    data,
  });

  async function refusal(attempt: Promise<unknown>): Promise<StatusError> {
    try {
      await attempt;
    } catch (error) {
      if (error instanceof StatusError) return error;
      throw error;
    }
    throw new Error('it was not refused');
  }

  test('what is created can be read at once, under the resourceVersion of the reply, and is frozen', async () => {
    const created = await client.create(ConfigMap, configMap('a'));
    expect(created.metadata).toMatchObject({
      name: 'a',
      namespace: 'default',
      creationTimestamp: '2026-01-01T00:00:00Z',
    });
    expect(created.metadata.uid).toMatch(/^[0-9a-f-]{36}$/);
    const read = await client.get(ConfigMap, { namespace: 'default', name: 'a' });
    expect(read).toEqual(created);
    expect(Object.isFrozen(read.data)).toBe(true);
  });

  test('a name can be had once', async () => {
    await client.create(ConfigMap, configMap('a'));
    const error = await refusal(client.create(ConfigMap, configMap('a')));
    expect(error.toStatus()).toMatchObject({
      code: 409,
      reason: 'AlreadyExists',
      message: 'configmaps "a" already exists',
      details: { name: 'a', kind: 'configmaps' },
    });
  });

  test('a name is generated behind a prefix, and another one when it is taken', async () => {
    const names = new Set<string>();
    for (let i = 0; i < 20; i++) {
      const created = await client.create(ConfigMap, {
        metadata: { generateName: 'web-', namespace: 'default' },
      });
      expect(created.metadata.name).toMatch(/^web-[a-z0-9]{5}$/);
      names.add(created.metadata.name);
    }
    expect(names.size).toBe(20);
  });

  test('what is invalid is refused with every field that is wrong', async () => {
    const error = await refusal(client.create(ConfigMap, configMap('Not_A_Name')));
    expect(error.code).toBe(422);
    expect(error.message).toContain('ConfigMap "Not_A_Name" is invalid: metadata.name: Invalid value: "Not_A_Name"');
    expect(error.details?.causes?.[0]).toMatchObject({ reason: 'FieldValueInvalid', field: 'metadata.name' });
  });

  test('an update with a version that somebody has overtaken is a conflict; without one it means the newest', async () => {
    const first = await client.create(ConfigMap, configMap('a'));
    const second = await client.update(ConfigMap, { ...first, data: { a: '2' } });
    expect(Number(second.metadata.resourceVersion)).toBeGreaterThan(Number(first.metadata.resourceVersion));
    const error = await refusal(client.update(ConfigMap, { ...first, data: { a: '3' } }));
    expect(error.message).toBe(
      'Operation cannot be fulfilled on configmaps "a": the object has been modified; please apply your changes to the latest version and try again',
    );
    const third = await client.update(ConfigMap, configMap('a', { a: '4' }));
    expect(third.data).toEqual({ a: '4' });
    expect(third.metadata.uid).toBe(first.metadata.uid);
  });

  test('an update that changes nothing is no write', async () => {
    const first = await client.create(ConfigMap, configMap('a'));
    const revision = await storage.currentRevision();
    const same = await client.update(ConfigMap, { ...first, data: { a: '1' } });
    expect(same.metadata.resourceVersion).toBe(first.metadata.resourceVersion);
    expect(await storage.currentRevision()).toBe(revision);
  });

  test('patches are applied to what is stored, also when many come at once', async () => {
    await client.create(ConfigMap, configMap('a', {}));
    const at = { namespace: 'default', name: 'a' };
    await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        client.patch(ConfigMap, at, { type: 'merge', patch: { data: { [`k${i}`]: String(i) } } }),
      ),
    );
    const { data } = await client.get(ConfigMap, at);
    expect(Object.keys(data ?? {})).toHaveLength(20);
    const patched = await client.patch(ConfigMap, at, {
      type: 'json',
      patch: [{ op: 'remove', path: '/data/k0' }],
    });
    expect(patched.data).not.toHaveProperty('k0');
  });

  test('server-side apply makes, changes, and is refused without a manager or over somebody else', async () => {
    const apply = (data: Record<string, string>, query: string) =>
      client.transport.request({
        method: 'PATCH',
        path: `/api/v1/namespaces/default/configmaps/a${query}`,
        contentType: 'application/apply-patch+yaml',
        object: { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' }, data },
      });
    const unnamed = await refusal(apply({ a: '1' }, ''));
    expect(unnamed.code).toBe(422);
    expect(unnamed.message).toBe(
      'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch',
    );
    expect((await apply({ a: '1', b: '1' }, '?fieldManager=one')).code).toBe(201);
    expect((await apply({ a: '1' }, '?fieldManager=one')).object).toMatchObject({ data: { a: '1' } });
    const conflict = await refusal(apply({ a: '2' }, '?fieldManager=two'));
    expect(conflict).toMatchObject({ code: 409, reason: 'Conflict' });
    expect(conflict.message).toBe('Apply failed with 1 conflict: conflict with "one": .data.a');
    expect((await apply({ a: '2' }, '?fieldManager=two&force=true')).code).toBe(200);
    const { data, metadata } = await client.get(ConfigMap, { namespace: 'default', name: 'a' });
    expect(data).toEqual({ a: '2' });
    expect(metadata.managedFields?.map(({ manager }) => manager)).toEqual(['two']);
  });

  test('a delete removes at once, and answers with what was deleted', async () => {
    const created = await client.create(ConfigMap, configMap('a'));
    const reply = await client.transport.request({ method: 'DELETE', path: '/api/v1/namespaces/default/configmaps/a' });
    expect(reply).toMatchObject({
      code: 200,
      object: {
        kind: 'Status',
        status: 'Success',
        details: { name: 'a', kind: 'configmaps', uid: created.metadata.uid },
      },
    });
    expect((await refusal(client.get(ConfigMap, { namespace: 'default', name: 'a' }))).reason).toBe('NotFound');
  });

  test('an update or a patch of an object that took the name of another is refused', async () => {
    const first = await client.create(ConfigMap, configMap('a'));
    await client.delete(ConfigMap, { namespace: 'default', name: 'a' });
    await client.create(ConfigMap, configMap('a'));
    const { resourceVersion: _, ...metadata } = first.metadata;
    const error = await refusal(client.update(ConfigMap, { ...first, metadata }));
    expect(error.reason).toBe('Conflict');
    expect(error.message).toContain(`Precondition failed: UID in precondition: ${first.metadata.uid}`);
  });

  test('an object stays where its URL says', async () => {
    await client.create(ConfigMap, configMap('a'));
    const put = (object: object) =>
      refusal(client.transport.request({ method: 'PUT', path: '/api/v1/namespaces/default/configmaps/a', object }));
    expect((await put(configMap('b'))).message).toBe(
      'the name of the object (b) does not match the name on the URL (a)',
    );
    expect((await put(configMap('a', {}, 'other'))).message).toBe(
      'the namespace of the provided object does not match the namespace sent on the request',
    );
    expect((await put({ ...configMap('a'), kind: 'Secret', apiVersion: 'v1' })).message).toContain(
      'Secret in version "v1" cannot be handled as a ConfigMap',
    );
    expect((await put({ ...configMap('a'), kind: 'ConfigMap', apiVersion: 'v2' })).message).toBe(
      'the API version in the data (v2) does not match the expected API version (v1)',
    );
    const renamed = { metadata: { name: 'b' } };
    const patched = await refusal(
      client.patch(ConfigMap, { namespace: 'default', name: 'a' }, { type: 'merge', patch: renamed }),
    );
    expect(patched.message).toContain('metadata.name: Invalid value: "b": field is immutable');
  });

  test('a delete with the wrong uid is refused', async () => {
    await client.create(ConfigMap, configMap('a'));
    const error = await refusal(
      client.delete(ConfigMap, { namespace: 'default', name: 'a' }, { preconditions: { uid: 'other' } }),
    );
    expect(error.code).toBe(409);
    expect(error.message).toContain('the UID in the precondition (other) does not match the UID in record (');
  });

  test('an object with finalizers is marked, and goes with the last of them', async () => {
    const at = { namespace: 'default', name: 'a' };
    await client.create(ConfigMap, { metadata: { ...at, finalizers: ['example.com/wait'] } });
    await client.delete(ConfigMap, at);
    const marked = await client.get(ConfigMap, at);
    expect(marked.metadata).toMatchObject({ deletionTimestamp: '2026-01-01T00:00:00Z', deletionGracePeriodSeconds: 0 });
    await client.update(ConfigMap, { ...marked, metadata: { ...marked.metadata, finalizers: [] } });
    expect((await refusal(client.get(ConfigMap, at))).reason).toBe('NotFound');
  });

  test('the policy of a delete becomes a finalizer', async () => {
    const at = { namespace: 'default', name: 'a' };
    await client.create(ConfigMap, configMap('a'));
    await client.delete(ConfigMap, at, { propagationPolicy: 'Foreground' });
    expect((await client.get(ConfigMap, at)).metadata.finalizers).toEqual(['foregroundDeletion']);
  });

  const pod = (name: string, more: object = {}) => ({
    metadata: { name, namespace: 'default', labels: { app: 'web' } },
    spec: { containers: [{ name: 'c', image: 'i' }], ...more },
  });

  test('a pod with a node gets its grace period; the second delete may shorten it, the one with 0 ends it', async () => {
    const at = { namespace: 'default', name: 'p' };
    await client.create(Pod, pod('p') as never);
    await client.createSubresource(
      Pod,
      { ...at, subresource: 'binding' },
      {
        metadata: { name: 'p' },
        target: { kind: 'Node', name: 'n1' },
      },
    );
    const bound = await client.get(Pod, at);
    expect(bound.spec.nodeName).toBe('n1');
    expect(bound.status?.conditions).toMatchObject([{ type: 'PodScheduled', status: 'True' }]);

    await client.delete(Pod, at);
    expect((await client.get(Pod, at)).metadata).toMatchObject({
      deletionGracePeriodSeconds: 30,
      deletionTimestamp: '2026-01-01T00:00:30Z',
    });
    await client.delete(Pod, at, { gracePeriodSeconds: 5 });
    expect((await client.get(Pod, at)).metadata).toMatchObject({
      deletionGracePeriodSeconds: 5,
      deletionTimestamp: '2026-01-01T00:00:05Z',
    });
    await client.delete(Pod, at, { gracePeriodSeconds: 0 });
    expect((await refusal(client.get(Pod, at))).reason).toBe('NotFound');
  });

  test('a pod is bound once', async () => {
    await client.create(Pod, pod('p', { nodeName: 'n1' }) as never);
    const error = await refusal(
      client.createSubresource(
        Pod,
        { namespace: 'default', name: 'p', subresource: 'binding' },
        {
          metadata: { name: 'p' },
          target: { name: 'n2' },
        },
      ),
    );
    expect(error.message).toBe(
      'Operation cannot be fulfilled on pods/binding "p": pod p is already assigned to node "n1"',
    );
  });

  test('a status update changes the status alone, a main update all else', async () => {
    const at = { namespace: 'default', name: 'p' };
    const created = await client.create(Pod, pod('p') as never);
    expect(created.metadata.generation).toBe(1);
    const updated = await client.updateStatus(Pod, {
      ...created,
      spec: { ...created.spec, nodeName: 'smuggled' },
      status: { ...created.status!, phase: 'Running' },
    });
    expect(updated.spec.nodeName).toBeUndefined();
    expect(updated.status?.phase).toBe('Running');
    const main = await client.update(Pod, { ...updated, status: { ...updated.status!, phase: 'Failed' } });
    expect(main.status?.phase).toBe('Running');
    expect((await client.get(Pod, at)).metadata.generation).toBe(1);
  });

  test('lists select by labels and fields, and come in pages of one version', async () => {
    for (const name of ['a', 'b', 'c', 'd']) await client.create(Pod, pod(name, { nodeName: `n-${name}` }) as never);
    await client.create(Pod, { ...pod('x'), metadata: { name: 'x', namespace: 'other' } } as never);
    const names = async (options: object) =>
      (await client.list(Pod, options)).items.map(({ metadata }) => metadata.name);
    expect(await names({})).toEqual(['a', 'b', 'c', 'd', 'x']);
    expect(await names({ namespace: 'other' })).toEqual(['x']);
    expect(await names({ labelSelector: 'app=web' })).toEqual(['a', 'b', 'c', 'd']);
    expect(await names({ labelSelector: '!app' })).toEqual(['x']);
    expect(await names({ fieldSelector: 'spec.nodeName=n-b' })).toEqual(['b']);
    expect(await names({ fieldSelector: 'metadata.name!=a,metadata.namespace=default' })).toEqual(['b', 'c', 'd']);
    expect((await refusal(client.list(Pod, { fieldSelector: 'spec.foo=x' }))).message).toBe(
      'field label not supported: spec.foo',
    );

    const first = await client.list(Pod, { limit: 2 });
    expect(first.items).toHaveLength(2);
    expect(first.metadata.remainingItemCount).toBe(3);
    await client.delete(Pod, { namespace: 'default', name: 'c' });
    const rest = await client.list(Pod, { limit: 10, continue: first.metadata.continue! });
    expect(rest.items.map(({ metadata }) => metadata.name)).toEqual(['c', 'd', 'x']);
    expect(rest.metadata.resourceVersion).toBe(first.metadata.resourceVersion);
  });

  test('a collection is deleted by its selector', async () => {
    await client.create(ConfigMap, { metadata: { name: 'a', namespace: 'default', labels: { go: 'yes' } } });
    await client.create(ConfigMap, { metadata: { name: 'b', namespace: 'default' } });
    await client.transport.request({
      method: 'DELETE',
      path: '/api/v1/namespaces/default/configmaps?labelSelector=go%3Dyes',
    });
    expect((await client.list(ConfigMap)).items.map(({ metadata }) => metadata.name)).toEqual(['b']);
  });

  async function take(events: AsyncIterable<WatchEvent>, count: number): Promise<string[]> {
    const seen: string[] = [];
    for await (const { type, object } of events) {
      const end = object.metadata.annotations?.['k8s.io/initial-events-end'] ? ' end' : '';
      seen.push(`${type}${object.metadata.name ? ` ${object.metadata.name}` : ''}${end}`);
      if (seen.length === count) break;
    }
    return seen;
  }

  test('a watch shows what is there, says where that ends, and goes on with what happens', async () => {
    await client.create(ConfigMap, configMap('a'));
    const signal = new AbortController().signal;
    const path =
      '/api/v1/configmaps?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true';
    const watching = take(client.transport.watch({ path, signal }), 5);
    await client.create(ConfigMap, configMap('b'));
    await client.patch(ConfigMap, { namespace: 'default', name: 'b' }, { type: 'merge', patch: { data: { x: 'y' } } });
    await client.delete(ConfigMap, { namespace: 'default', name: 'b' });
    const seen = await watching;
    expect(seen).toContain('BOOKMARK end');
    expect(seen.filter((event) => !event.startsWith('BOOKMARK'))).toContain('ADDED a');
    expect(seen).toContain('ADDED b');
  });

  test('a watch from a version on gets each change, also those that leave or enter its selector', async () => {
    const { metadata } = await client.list(ConfigMap);
    const signal = new AbortController().signal;
    const path = `/api/v1/configmaps?watch=1&labelSelector=in%3Dyes&resourceVersion=${metadata.resourceVersion}`;
    const watching = take(client.transport.watch({ path, signal }), 3);
    const at = { namespace: 'default', name: 'a' };
    await client.create(ConfigMap, configMap('a'));
    const label = (value: string) =>
      client.patch(ConfigMap, at, { type: 'merge', patch: { metadata: { labels: { in: value } } } });
    await label('yes');
    await client.patch(ConfigMap, at, { type: 'merge', patch: { data: { b: '2' } } });
    await label('no');
    expect(await watching).toEqual(['ADDED a', 'MODIFIED a', 'DELETED a']);
  });

  test('a dry run does all but store', async () => {
    const path = '/api/v1/namespaces/default/configmaps?dryRun=All';
    const reply = await client.transport.request({ method: 'POST', path, object: configMap('a') });
    expect(reply.code).toBe(201);
    expect((await client.list(ConfigMap)).items).toHaveLength(0);
  });

  test('unknown fields are dropped with a warning, or refused', async () => {
    const object = { ...configMap('a'), dada: {} };
    const post = (query: string) =>
      client.transport.request({ method: 'POST', path: `/api/v1/namespaces/default/configmaps${query}`, object });
    const error = await refusal(post('?fieldValidation=Strict'));
    expect(error.message).toBe(
      'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: unknown field "dada"',
    );
    expect((await post('')).warnings).toEqual(['unknown field "dada"']);
  });

  test('a Namespace goes when its finalizer is gone', async () => {
    await client.create(Namespace, { metadata: { name: 'room' } } as never);
    await client.delete(Namespace, { name: 'room' });
    const going = await client.get(Namespace, { name: 'room' });
    expect(going.status?.phase).toBe('Terminating');
    await client.update(Namespace, { ...going, spec: { finalizers: [] } }, 'finalize');
    expect((await refusal(client.get(Namespace, { name: 'room' }))).reason).toBe('NotFound');
  });

  const service = (name: string, spec: object = {}) =>
    ({ metadata: { name, namespace: 'default' }, spec: { ports: [{ port: 80 }], ...spec } }) as never;

  test('a Service gets an address and node ports, keeps them on update, and gives them back', async () => {
    const created = await client.create(Service, service('a', { type: 'NodePort' }));
    expect(created.spec.clusterIP).toMatch(/^10\.96\.0\.\d+$/);
    expect(created.spec).toMatchObject({ ipFamilies: ['IPv4'], ipFamilyPolicy: 'SingleStack' });
    const nodePort = created.spec.ports?.[0]?.nodePort;
    expect(nodePort).toBeGreaterThanOrEqual(30000);
    const updated = await client.update(Service, service('a', { type: 'NodePort', selector: { app: 'web' } }));
    expect(updated.spec).toMatchObject({ clusterIP: created.spec.clusterIP, ports: [{ nodePort }] });

    const taken = await refusal(client.create(Service, service('b', { clusterIP: created.spec.clusterIP })));
    expect(taken.code).toBe(422);
    expect(taken.message).toContain(
      `failed to allocate IP ${created.spec.clusterIP}: provided IP is already allocated`,
    );
    const port = await refusal(
      client.create(Service, service('b', { type: 'NodePort', ports: [{ port: 80, nodePort }] })),
    );
    expect(port.message).toBe(
      `Service "b" is invalid: spec.ports[0].nodePort: Invalid value: ${nodePort}: provided port is already allocated`,
    );
    await client.delete(Service, { namespace: 'default', name: 'a' });
    const again = await client.create(
      Service,
      service('b', { type: 'NodePort', clusterIP: created.spec.clusterIP, ports: [{ port: 80, nodePort }] }),
    );
    expect(again.spec.clusterIP).toBe(created.spec.clusterIP);
  });

  test('an IPv6 address is one, however it is written', async () => {
    const written = (name: string, ip: string) => service(name, { ipFamilies: ['IPv6'], clusterIP: ip });
    const created = await client.create(Service, written('a', 'FD00:96:0::20'));
    expect(created.spec.clusterIPs).toEqual(['FD00:96:0::20']);
    expect((await client.get(IPAddress, { name: 'fd00:96::20' })).spec?.parentRef?.name).toBe('a');
    expect((await refusal(client.create(Service, written('b', 'fd00:96::20')))).message).toContain(
      'failed to allocate IP fd00:96::20: provided IP is already allocated',
    );
    await client.delete(Service, { namespace: 'default', name: 'a' });
    await client.create(Service, written('b', 'fd00:96::20'));
  });

  test('of addresses that do not fit together everything is told; a health check port that nobody can have is an error of the server', async () => {
    const unfit = service('a', { clusterIPs: ['10.96.0.7', '10.96.0.8'], ipFamilies: ['IPv6'] });
    expect((await refusal(client.create(Service, unfit))).message).toBe(
      'Service "a" is invalid: [spec.clusterIPs: Invalid value: ["10.96.0.7","10.96.0.8"]: must be empty when `clusterIP` is not specified, ' +
        'spec.clusterIPs: Invalid value: ["10.96.0.7","10.96.0.8"]: may specify no more than one IP for each IP family, ' +
        'spec.clusterIPs[0]: Invalid value: "10.96.0.7": expected an IPv6 value as indicated by `ipFamilies[0]`]',
    );
    const local = { type: 'LoadBalancer', externalTrafficPolicy: 'Local', healthCheckNodePort: 70000 };
    expect((await refusal(client.create(Service, service('a', local)))).message).toBe(
      'Internal error occurred: failed to allocate requested HealthCheck NodePort 70000: provided port is not in the valid range. The range of valid ports is 30000-30010',
    );
  });

  test('a Service with a bad name is told so, also when it asks for a port that is taken', async () => {
    await client.create(Service, service('a', { type: 'NodePort', ports: [{ port: 80, nodePort: 30001 }] }));
    const again = service('myApp', { type: 'NodePort', ports: [{ port: 80, nodePort: 30001 }] });
    expect((await refusal(client.create(Service, again))).message).toContain(
      'Service "myApp" is invalid: metadata.name: Invalid value: "myApp": a lowercase RFC 1123 label must consist of',
    );
  });

  test('Services that are created at once never share an address or a node port', async () => {
    const created = await Promise.all(
      Array.from({ length: 11 }, (_, i) => client.create(Service, service(`s${i}`, { type: 'NodePort' }))),
    );
    expect(new Set(created.map(({ spec }) => spec.clusterIP)).size).toBe(11);
    expect(new Set(created.map(({ spec }) => spec.ports?.[0]?.nodePort)).size).toBe(11);
    const full = await refusal(client.create(Service, service('more', { type: 'NodePort' })));
    expect(full.message).toContain('failed to allocate a nodePort: range is full');
  });

  test('a Service that becomes an ExternalName gives its address back, and gets one when it turns back', async () => {
    const created = await client.create(Service, service('a'));
    const external = await client.update(Service, {
      ...created,
      spec: { ...created.spec, type: 'ExternalName', externalName: 'example.com' },
    });
    expect(external.spec.clusterIP ?? '').toBe('');
    const other = await client.create(Service, service('b', { clusterIP: created.spec.clusterIP }));
    expect(other.spec.clusterIP).toBe(created.spec.clusterIP);
    const back = await client.update(Service, service('a', { type: 'ClusterIP' }));
    expect(back.spec.clusterIP).toMatch(/^10\.96\.0\./);
    expect(back.spec.clusterIP).not.toBe(other.spec.clusterIP);
  });

  test('Events go an hour after they last happened', async () => {
    await api.ready();
    const event = (name: string) => ({
      metadata: { name, namespace: 'default' },
      involvedObject: { kind: 'Pod', namespace: 'default', name: 'p' },
    });
    const names = async () => (await client.list(Event)).items.map(({ metadata }) => metadata.name);
    await client.create(Event, event('old'));
    clock.advance(40 * 60_000);
    await client.create(Event, event('new'));
    clock.advance(21 * 60_000);
    await vi.waitFor(async () => expect(await names()).toEqual(['new']));
  });

  test('both groups serve the same Events', async () => {
    await client.create(Event, {
      metadata: { name: 'e', namespace: 'default' },
      involvedObject: { kind: 'Pod', namespace: 'default', name: 'p' },
      message: 'it happened',
    });
    const path = '/apis/events.k8s.io/v1/namespaces/default/events/e';
    const { object } = await client.transport.request({ method: 'GET', path });
    expect(object).toMatchObject({
      apiVersion: 'events.k8s.io/v1',
      regarding: { kind: 'Pod', name: 'p' },
      note: 'it happened',
    });
  });

  const budget = (disruptionsAllowed: number) => ({
    metadata: { name: 'b', namespace: 'default' },
    spec: { minAvailable: 1, selector: { matchLabels: { app: 'web' } } },
    status: { disruptionsAllowed, currentHealthy: 1 + disruptionsAllowed, desiredHealthy: 1, expectedPods: 2 },
  });
  const evict = (name: string) =>
    client.createSubresource(Pod, { namespace: 'default', name, subresource: 'eviction' }, { metadata: { name } });

  test('an eviction takes what the budget allows, and is refused when there is no more', async () => {
    for (const name of ['a', 'b']) {
      const created = await client.create(Pod, pod(name, { nodeName: 'n' }) as never);
      const conditions = [{ type: 'Ready', status: 'True' }];
      await client.updateStatus(Pod, {
        ...created,
        status: { ...created.status!, phase: 'Running', conditions } as never,
      });
    }
    const created = await client.create(PodDisruptionBudget, budget(1) as never);
    const status = { ...budget(1).status, observedGeneration: created.metadata.generation };
    await client.updateStatus(PodDisruptionBudget, { ...created, status } as never);

    await evict('a');
    const gone = await client.get(Pod, { namespace: 'default', name: 'a' });
    expect(gone.metadata.deletionGracePeriodSeconds).toBe(30);
    expect(gone.status?.conditions?.find(({ type }) => type === 'DisruptionTarget')?.reason).toBe(
      'EvictionByEvictionAPI',
    );
    const charged = await client.get(PodDisruptionBudget, { namespace: 'default', name: 'b' });
    expect(charged.status).toMatchObject({ disruptionsAllowed: 0, disruptedPods: { a: expect.any(String) } });

    const refused = await refusal(evict('b'));
    expect(refused.toStatus()).toMatchObject({
      code: 429,
      reason: 'TooManyRequests',
      message: "Cannot evict pod as it would violate the pod's disruption budget.",
      details: {
        causes: [
          {
            reason: 'DisruptionBudget',
            message: 'The disruption budget b needs 1 healthy pods and has 2 currently',
          },
        ],
      },
    });
  });

  test('who asks for a certificate is written by the server, and approving changes the conditions alone', async () => {
    const path = '/apis/certificates.k8s.io/v1/certificatesigningrequests';
    const { object } = await client.transport.request({
      method: 'POST',
      path,
      object: {
        metadata: { name: 'r' },
        spec: {
          request: Buffer.from(CERTIFICATE_REQUEST).toString('base64'),
          signerName: 'example.com/s',
          usages: ['client auth'],
          username: 'somebody else',
        },
      },
    });
    const me = way === 'over TLS' ? adminIdentity.user : 'system:apiserver';
    const request = object as { spec: { username: string } };
    expect(request.spec.username).toBe(me);
    const approved = await client.transport.request({
      method: 'PUT',
      path: `${path}/r/approval`,
      object: { ...request, spec: {}, status: { conditions: [{ type: 'Approved', status: 'True', reason: 'R' }] } },
    });
    expect(approved.object).toMatchObject({
      spec: { username: me, signerName: 'example.com/s' },
      status: { conditions: [{ type: 'Approved', lastTransitionTime: '2026-01-01T00:00:00Z' }] },
    });
  });

  test('a question about rights is answered and not stored', async () => {
    const { code, object } = await client.transport.request({
      method: 'POST',
      path: '/apis/authorization.k8s.io/v1/subjectaccessreviews',
      object: { spec: { user: 'u', resourceAttributes: { verb: 'get', resource: 'pods' } } },
    });
    expect(code).toBe(201);
    expect(object).toMatchObject({ kind: 'SubjectAccessReview', status: { allowed: true } });
  });

  test('the number of replicas is read and set through scale, under the version of the object', async () => {
    const template = { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'i' }] } };
    const at = { namespace: 'default', name: 'd' };
    const created = await client.create(Deployment, {
      metadata: at,
      spec: { replicas: 2, selector: { matchLabels: { a: 'b' } }, template },
    } as never);
    const path = '/apis/apps/v1/namespaces/default/deployments/d/scale';
    const { object } = await client.transport.request({ method: 'GET', path });
    expect(object).toMatchObject({
      kind: 'Scale',
      metadata: { resourceVersion: created.metadata.resourceVersion, uid: created.metadata.uid },
      spec: { replicas: 2 },
      status: { replicas: 0, selector: 'a=b' },
    });
    await client.transport.request({ method: 'PUT', path, object: { ...(object as object), spec: { replicas: 5 } } });
    const scaled = await client.get(Deployment, at);
    expect(scaled.spec.replicas).toBe(5);
    expect(scaled.metadata.generation).toBe(2);
    const stale = await refusal(client.transport.request({ method: 'PUT', path, object: { ...(object as object) } }));
    expect(stale.code).toBe(409);
  });
});
