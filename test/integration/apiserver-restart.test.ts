/** What an API server knows after it was stopped and started again on the same store. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { CustomResourceDefinition } from '#api/apiextensions/v1/custom-resource-definition.ts';
import { bodies, catalog } from '#api/catalog.ts';
import { ConfigMap } from '#api/core/v1/config-map.ts';
import { Service } from '#api/core/v1/service.ts';
import { createKindRegistry } from '#api/machinery/kind-registry.ts';
import { IPAddress } from '#api/networking/v1/ip-address.ts';
import { silentLog } from '#base/log.ts';
import { ManualClock } from '#base/manual-clock.ts';
import { seededRandom } from '#base/random.ts';
import { createApiServer } from '#control-plane/apiserver/apiserver.ts';
import type { TokenIssuer } from '#control-plane/apiserver/authentication/token-issuer.ts';
import { allow } from '#control-plane/apiserver/authorization/authorizer.ts';
import { openLmdbStorage } from '#control-plane/storage/lmdb.ts';
import type { Storage } from '#control-plane/storage/storage.ts';

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'restart-'));
});

afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** Runs one life of the server. */
async function live<T>(
  seed: number,
  life: (server: ReturnType<typeof createApiServer>, storage: Storage) => Promise<T>,
) {
  const storage = await openLmdbStorage({ directory });
  const api = createApiServer({
    storage,
    kinds: createKindRegistry(catalog, bodies),
    clock: new ManualClock(),
    random: seededRandom(seed),
    log: silentLog,
    tokenIssuer: { audiences: [] } as unknown as TokenIssuer,
    tokens: () => ({ authenticateToken: async () => undefined }),
    admission: () => [],
    authorizer: { authorize: () => allow() },
    serviceRanges: { clusterIps: ['10.96.0.0/24'], nodePorts: { from: 30000, to: 30010 } },
  });
  try {
    await api.ready();
    return await life(api, storage);
  } finally {
    await api.close();
    await storage.close();
  }
}

const configMap = (name: string) => ({ metadata: { name, namespace: 'default' } });

test('objects are there under their versions, and a watch goes on where it was', async () => {
  const seen = await live(1, async ({ loopback: { client } }) => {
    const { metadata } = await client.create(ConfigMap, configMap('a'));
    await client.create(ConfigMap, configMap('b'));
    return metadata;
  });
  await live(2, async ({ loopback: { client } }) => {
    expect((await client.get(ConfigMap, { namespace: 'default', name: 'a' })).metadata).toEqual(seen);
    const stop = new AbortController();
    const names: string[] = [];
    const after = { resourceVersion: seen.resourceVersion, signal: stop.signal };
    await client.create(ConfigMap, configMap('c'));
    for await (const { type, object } of client.watch(ConfigMap, after)) {
      names.push(`${type} ${object.metadata.name}`);
      if (names.length === 2) break;
    }
    stop.abort();
    expect(names).toEqual(['ADDED b', 'ADDED c']);
  });
});

test('a kind that was defined is served as soon as the server is ready', async () => {
  await live(1, ({ loopback: { client } }) =>
    client.create(CustomResourceDefinition, {
      metadata: { name: 'foos.example.com' },
      spec: {
        group: 'example.com',
        scope: 'Namespaced',
        names: { plural: 'foos', kind: 'Foo' },
        versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object' } } }],
      },
    } as never),
  );
  await live(2, async ({ requests }) => {
    expect(requests.services.kinds.byResource('example.com', 'v1', 'foos')?.kind).toBe('Foo');
  });
});

test('what Services hold is repaired: claims without a Service go, and those that are missing come', async () => {
  const held = await live(1, async ({ loopback: { client } }, storage) => {
    const spec = { type: 'NodePort', ports: [{ port: 80 }] };
    const { spec: kept } = await client.create(Service, {
      metadata: { name: 'a', namespace: 'default' },
      spec,
    } as never);
    const other = await client.create(Service, { metadata: { name: 'b', namespace: 'default' }, spec } as never);
    const [ip, port] = [kept.clusterIP, kept.ports![0]!.nodePort];
    await storage.commit({
      when: [],
      then: [
        { delete: `/registry/ipaddresses/${ip}` },
        { delete: `/registry/ranges/servicenodeports/${port}` },
        { delete: '/registry/services/specs/default/b' },
      ],
    });
    return { ip: ip!, port, orphan: other.spec.clusterIP };
  });
  await live(2, async ({ loopback: { client } }) => {
    const addresses = (await client.list(IPAddress)).items;
    expect(addresses.map(({ metadata }) => metadata.name)).toEqual([held.ip]);
    expect(addresses[0]?.spec.parentRef).toMatchObject({ resource: 'services', namespace: 'default', name: 'a' });
    const again = { type: 'NodePort', clusterIP: held.orphan, ports: [{ port: 80, nodePort: held.port }] };
    await expect(
      client.create(Service, { metadata: { name: 'c', namespace: 'default' }, spec: again } as never),
    ).rejects.toThrow('spec.ports[0].nodePort: Invalid value');
  });
});
