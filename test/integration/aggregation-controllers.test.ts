/** Namespaces and garbage collection with objects that another API server has, and when that one does not answer. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { APIService } from '#api/apiregistration/v1/api-service.ts';
import { ConfigMap } from '#api/core/v1/config-map.ts';
import { Namespace } from '#api/core/v1/namespace.ts';
import { EndpointSlice } from '#api/discovery/v1/endpoint-slice.ts';
import { silentLog } from '#base/log.ts';
import { seededRandom } from '#base/random.ts';
import { InProcessTransport } from '#client/transport/in-process.ts';
import { systemClock } from '#cmd/system-clock.ts';
import { garbageCollector } from '#control-plane/controllers/garbage-collector/garbage-collector.ts';
import { namespaceController } from '#control-plane/controllers/namespace.ts';
import { type RunningControllers, startControllers } from '#control-plane/controllers/start-controllers.ts';
import { createServiceFor, eventually, OWN_ADDRESS } from './extension-server.ts';
import { type HttpsApiServer, startHttpsApiServer } from './https-api-server.ts';
import { apiService, GROUP, startWardleServer, VERSION, type WardleServer } from './wardle-server.ts';

let server: HttpsApiServer;
let wardle: WardleServer;
let controllers: RunningControllers;
const ROOT = `/apis/${GROUP}/${VERSION}`;
const client = () => server.api.loopback.client;
const condition = async () =>
  (await client().get(APIService, { name: `${VERSION}.${GROUP}` })).status?.conditions?.[0]?.reason;

beforeAll(async () => {
  server = await startHttpsApiServer();
  wardle = await startWardleServer(server);
  await createServiceFor(server, { namespace: 'wardle', name: 'api', port: wardle.port });
  await server.kubectl(['apply', '-f', '-'], JSON.stringify(apiService({ caBundle: wardle.caBundle })));
  await eventually(() => expect(server.api.kinds.byResource(GROUP, VERSION, 'flunders')).toBeDefined());
  const masters = ['system:masters'];
  controllers = startControllers({
    controllers: [namespaceController, garbageCollector],
    transportFor: ({ name }) => new InProcessTransport(server.api.pipeline, { name, groups: masters }),
    kinds: server.api.kinds,
    clock: systemClock,
    random: seededRandom(1),
    log: silentLog,
  });
});

afterAll(async () => {
  controllers?.stop();
  await wardle?.[Symbol.asyncDispose]();
  await server?.[Symbol.asyncDispose]();
});

const flunder = (namespace: string, name: string, metadata: object = {}) =>
  client().transport.request({
    method: 'POST',
    path: `${ROOT}/namespaces/${namespace}/flunders`,
    object: { apiVersion: `${GROUP}/${VERSION}`, kind: 'Flunder', metadata: { name, ...metadata } },
  });

test('a namespace that goes takes along what other API servers have in it', async () => {
  await client().create(Namespace, { metadata: { name: 'gone' } } as never);
  await flunder('gone', 'a');
  await flunder('default', 'kept');
  await client().delete(Namespace, { name: 'gone' });
  await eventually(() =>
    expect(client().get(Namespace, { name: 'gone' })).rejects.toMatchObject({ reason: 'NotFound' }),
  );
  expect([...wardle.flunders.keys()]).toEqual(['default/kept']);
});

test('dependents are collected when the owner is an object of another API server, and the other way round', async () => {
  const { object } = await flunder('default', 'owner');
  const { uid } = (object as { metadata: { uid: string } }).metadata;
  const owner = { apiVersion: `${GROUP}/${VERSION}`, kind: 'Flunder', name: 'owner', uid };
  const map = await client().create(ConfigMap, {
    metadata: { namespace: 'default', name: 'owned', ownerReferences: [owner] },
  } as never);
  const back = { apiVersion: 'v1', kind: 'ConfigMap', name: 'owned', uid: map.metadata.uid };
  await flunder('default', 'owned-flunder', { ownerReferences: [back] });
  await eventually(() => expect(wardle.watches.size).toBeGreaterThan(0));
  await client().transport.request({ method: 'DELETE', path: `${ROOT}/namespaces/default/flunders/owner` });
  await eventually(async () => {
    await expect(client().get(ConfigMap, { namespace: 'default', name: 'owned' })).rejects.toMatchObject({ code: 404 });
    expect([...wardle.flunders.keys()]).toEqual(['default/kept']);
  });
});

test('while another API server does not answer, collection goes on and namespaces wait and say why', async () => {
  await client().delete(EndpointSlice, { namespace: 'wardle', name: 'api' });
  await eventually(async () => expect(await condition()).toBe('EndpointsNotFound'));
  await eventually(() => expect(server.api.kinds.unavailable?.()).toHaveLength(1));

  const owner = await client().create(ConfigMap, { metadata: { namespace: 'default', name: 'o' } } as never);
  const reference = { apiVersion: 'v1', kind: 'ConfigMap', name: 'o', uid: owner.metadata.uid };
  await client().create(ConfigMap, {
    metadata: { namespace: 'default', name: 'd', ownerReferences: [reference] },
  } as never);
  await client().delete(ConfigMap, { namespace: 'default', name: 'o' });
  await eventually(() =>
    expect(client().get(ConfigMap, { namespace: 'default', name: 'd' })).rejects.toMatchObject({ code: 404 }),
  );

  await client().create(Namespace, { metadata: { name: 'waits' } } as never);
  await client().delete(Namespace, { name: 'waits' });
  await eventually(async () => {
    const { status } = await client().get(Namespace, { name: 'waits' });
    expect(status?.conditions?.find(({ type }) => type === 'NamespaceDeletionDiscoveryFailure')).toMatchObject({
      status: 'True',
      reason: 'DiscoveryFailed',
      message: `Discovery failed for some groups, 1 failing: unable to retrieve the complete list of server APIs: ${GROUP}/${VERSION}: stale GroupVersion discovery: ${GROUP}/${VERSION}`,
    });
  });
  await client().create(EndpointSlice, {
    metadata: { namespace: 'wardle', name: 'api', labels: { 'kubernetes.io/service-name': 'api' } },
    addressType: 'IPv4',
    endpoints: [{ addresses: [OWN_ADDRESS], conditions: { ready: true } }],
    ports: [{ name: '', port: wardle.port, protocol: 'TCP' }],
  } as never);
  await eventually(() =>
    expect(client().get(Namespace, { name: 'waits' })).rejects.toMatchObject({ reason: 'NotFound' }),
  );
});
