/** Secrets through the API over a store that must not show them; keys that change; keys that are lost. */
import { afterEach, expect, test } from 'vitest';
import { catalog } from '#api/catalog.ts';
import { silentLog } from '#base/log.ts';
import { ciphersByKey, parseEncryption } from '#control-plane/apiserver/encryption/encryption-configuration.ts';
import { EncryptedStorage } from '#control-plane/storage/encryption/encrypted-storage.ts';
import { connectEtcdStorage } from '#control-plane/storage/etcd.ts';
import { openMemoryStorage } from '#control-plane/storage/memory.ts';
import type { Storage } from '#control-plane/storage/storage.ts';
import { type HttpsApiServer, startHttpsApiServer } from './https-api-server.ts';
import { etcdIsInstalled, startEtcd } from './storage/etcd-server.ts';
import { machineClock } from './storage/machine-clock.ts';

const secretOf = (fill: number) => Buffer.alloc(32, fill).toString('base64');
const provider = (kind: string, name: string, fill: number) => ({
  [kind]: { keys: [{ name, secret: secretOf(fill) }] },
});
const ciphersOf = (...providers: object[]) =>
  ciphersByKey(
    parseEncryption(
      JSON.stringify({
        apiVersion: 'apiserver.config.k8s.io/v1',
        kind: 'EncryptionConfiguration',
        resources: [{ resources: ['secrets', 'widgets.example.com'], providers }],
      }),
      () => expect.unreachable('no KMS provider is named'),
    ),
    catalog,
  );

let server: HttpsApiServer | undefined;
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  await server?.[Symbol.asyncDispose]();
  server = undefined;
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

const PASSWORD = Buffer.from('hunter2').toString('base64');
const SECRETS = '/api/v1/namespaces/default/secrets';
const admin = () => server!.transportFor({ name: 'root', groups: ['system:masters'] });
const KEY = '/registry/secrets/default/top';

const rawValue = async (base: Storage, key = KEY) => Buffer.from((await base.get(key))!.value).toString('latin1');

/** Everything that stands under /registry/, as text. */
async function rawStore(base: Storage): Promise<string> {
  const { items } = await base.range({ prefix: '/registry/' });
  return items.map(({ key, value }) => `${key} ${Buffer.from(value).toString('latin1')}`).join('\n');
}

async function createSecret(): Promise<void> {
  const object = { metadata: { name: 'top' }, data: { password: PASSWORD } };
  await admin().request({ method: 'POST', path: SECRETS, object });
}

const isSealed = async (base: Storage) => {
  server = await startHttpsApiServer({ storage: new EncryptedStorage(base, ciphersOf(provider('aescbc', 'key1', 1))) });
  await createSecret();
  const read = await admin().request({ method: 'GET', path: `${SECRETS}/top` });
  expect(read.object).toMatchObject({ kind: 'Secret', data: { password: PASSWORD } });
  expect(await rawValue(base)).toMatch(/^k8s:enc:aescbc:v1:key1:/);
  expect(await rawStore(base)).not.toContain(PASSWORD);
};

test('secrets are read and watched as ever, and the store holds none of them', async () => {
  const base = openMemoryStorage();
  await isSealed(base);
  await admin().request({
    method: 'PATCH',
    path: `${SECRETS}/top`,
    contentType: 'application/merge-patch+json',
    object: { metadata: { labels: { seen: 'yes' } } },
  });
  const list = await admin().request({ method: 'GET', path: `${SECRETS}?labelSelector=seen%3Dyes` });
  expect((list.object as { items: unknown[] }).items).toHaveLength(1);
  expect(await rawValue(base)).toMatch(/^k8s:enc:aescbc:v1:key1:/);
  await admin().request({ method: 'DELETE', path: `${SECRETS}/top` });
  expect(await base.get(KEY)).toBeUndefined();
});

test.runIf(etcdIsInstalled)('the same in an etcd', async () => {
  const etcd = await startEtcd();
  cleanups.push(() => etcd.stop());
  await isSealed(await connectEtcdStorage({ endpoints: [etcd.endpoint], clock: machineClock, log: silentLog }));
});

test('custom objects are sealed where the rule names them', async () => {
  const base = openMemoryStorage();
  server = await startHttpsApiServer({
    storage: new EncryptedStorage(base, ciphersOf(provider('secretbox', 'box', 3))),
  });
  const schema = {
    openAPIV3Schema: {
      type: 'object',
      properties: { spec: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
    },
  };
  await admin().request({
    method: 'POST',
    path: '/apis/apiextensions.k8s.io/v1/customresourcedefinitions',
    object: {
      metadata: { name: 'widgets.example.com' },
      spec: {
        group: 'example.com',
        scope: 'Namespaced',
        names: { plural: 'widgets', singular: 'widget', kind: 'Widget', listKind: 'WidgetList' },
        versions: [{ name: 'v1', served: true, storage: true, schema }],
      },
    },
  });
  const path = '/apis/example.com/v1/namespaces/default/widgets';
  const object = {
    apiVersion: 'example.com/v1',
    kind: 'Widget',
    metadata: { name: 'w' },
    spec: { word: 'abracadabra' },
  };
  await expect
    .poll(() =>
      admin()
        .request({ method: 'POST', path, object })
        .then(
          ({ code }) => code,
          () => 0,
        ),
    )
    .toBe(201);
  expect(await rawValue(base, '/registry/example.com/widgets/default/w')).toMatch(/^k8s:enc:secretbox:v1:box:/);
  expect(await rawStore(base)).not.toContain('abracadabra');
});

test('a new key writes, the old one still reads, and writing the same again brings it under the new one', async () => {
  const base = openMemoryStorage();
  const storage = new EncryptedStorage(base, ciphersOf({ identity: {} }));
  server = await startHttpsApiServer({ storage });
  await createSecret();
  expect(await rawStore(base)).toContain(PASSWORD);

  storage.configure(ciphersOf(provider('aesgcm', 'new', 7), { identity: {} }));
  const read = async () => (await admin().request({ method: 'GET', path: `${SECRETS}/top` })).object;
  await expect
    .poll(async () => {
      await admin().request({ method: 'PUT', path: `${SECRETS}/top`, object: await read() });
      return rawValue(base);
    })
    .toMatch(/^k8s:enc:aesgcm:v1:new:/);
  expect(await read()).toMatchObject({ data: { password: PASSWORD } });
  expect(await rawStore(base)).not.toContain(PASSWORD);
});

test('without the key who asks is told so at once, and the rest of the API answers', async () => {
  const base = openMemoryStorage();
  const sealed = new EncryptedStorage(base, ciphersOf(provider('aescbc', 'lost', 1)));
  await sealed.commit({ when: [], then: [{ put: KEY, value: Buffer.from('{"kind":"Secret"}') }] });
  server = await startHttpsApiServer({ storage: new EncryptedStorage(base, ciphersOf({ identity: {} })) });
  for (const path of [SECRETS, `${SECRETS}/top`])
    await expect(admin().request({ method: 'GET', path })).rejects.toMatchObject({
      code: 500,
      reason: 'InternalError',
      message: `Internal error occurred: unable to transform key "${KEY}": no matching prefix found`,
    });
  const others = await admin().request({ method: 'GET', path: '/api/v1/namespaces' });
  expect(others.code).toBe(200);
});
