/** Against a plugin of the tests' own, over gRPC and a Unix socket. */
import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ManualClock } from '#base/manual-clock.ts';
import { openMemoryStorage } from '../memory.ts';
import type { Storage } from '../storage.ts';
import { EncryptedStorage } from './encrypted-storage.ts';
import { kmsMethods } from './kms-api.ts';
import { connectKmsPlugin, type KmsPlugin } from './kms-plugin.ts';
import { KmsProvider } from './kms-provider.ts';
import { TestKmsPlugin } from './test-kms-plugin.ts';
import { aesGcm, identity } from './value-cipher.ts';
import { ValueCiphers } from './value-ciphers.ts';

const KEY = '/registry/secrets/default/a';

let plugin: TestKmsPlugin;
let clock: ManualClock;
const providers: KmsProvider[] = [];

beforeEach(async () => {
  plugin = await new TestKmsPlugin().start();
  clock = new ManualClock();
});
afterEach(() => {
  for (const provider of providers.splice(0)) provider.close();
  plugin.stop();
});

/** One server's. Deadlines of calls are real. */
function provider(): KmsProvider {
  const realTime = { ...clock, now: () => Date.now(), monotonicMs: () => 0, timer: clock.timer.bind(clock) };
  const made = new KmsProvider({
    name: 'vault',
    plugin: connectKmsPlugin({ endpoint: plugin.endpoint, timeoutMs: 30_000, clock: realTime }),
    clock,
  });
  providers.push(made);
  return made;
}

function sealing(base: Storage, kms: KmsProvider): EncryptedStorage {
  const ciphers = new ValueCiphers([kms.cipher(), identity]);
  const storage = new EncryptedStorage(base, () => ciphers);
  kms.onKeyChange = () => storage.configure(() => ciphers);
  return storage;
}

const put = (storage: Storage, value: string, key = KEY) =>
  storage.commit({ when: [], then: [{ put: key, value: Buffer.from(value) }] });
const read = async (storage: Storage, key = KEY) => {
  const stored = await storage.get(key);
  return [Buffer.from(stored!.value).toString(), stored!.isStale ?? false];
};
const later = (ms: number) => clock.advance(ms);

test('a value is sealed under a key of its own, and another server reads it with the help of the plugin, asking once', async () => {
  const base = openMemoryStorage();
  const kms = provider();
  await kms.check();
  const storage = sealing(base, kms);
  await put(storage, 'hunter2');
  await put(storage, 'hunter3', `${KEY}b`);
  const raw = Buffer.from((await base.get(KEY))!.value);
  expect(raw.toString('latin1')).toMatch(/^k8s:enc:kms:v2:vault:/);
  expect(raw.includes('hunter')).toBe(false);

  const stored = kmsMethods().stored.responseDeserialize(raw.subarray('k8s:enc:kms:v2:vault:'.length));
  expect(stored).toMatchObject({ keyID: 'key-1', encryptedDEKSourceType: 1, annotations: plugin.annotations });
  expect(stored.encryptedData).toHaveLength(32 + 12 + 'hunter2'.length + 16);

  const other = provider();
  await other.check();
  const again = sealing(base, other);
  const { items } = await again.range({ prefix: '/registry/' });
  expect(items.map(({ value }) => Buffer.from(value).toString())).toEqual(['hunter2', 'hunter3']);
  expect(plugin.decrypted).toBe(1);

  const watch = new AbortController();
  const watched = provider(); // knows no seed yet
  await watched.check();
  const events: string[] = [];
  for await (const batch of sealing(base, watched).watch({ prefix: '/registry/', signal: watch.signal })) {
    if (batch.events.length === 0 && events.length === 0) await put(storage, 'hunter4');
    for (const { now } of batch.events) events.push(Buffer.from(now!.value).toString());
    if (events.length > 0) break;
  }
  watch.abort();
  expect(events).toEqual(['hunter4']);
});

test('with a new key of the plugin there is a new seed, and what was written before is stale', async () => {
  const kms = provider();
  await kms.check();
  const base = openMemoryStorage();
  const storage = sealing(base, kms);
  await put(storage, 'value');
  plugin.keyId = 'key-2';
  await kms.check();
  expect(await read(storage)).toEqual(['value', false]); // asked a moment ago
  await later(60_000);
  await kms.check();
  expect(await read(storage)).toEqual(['value', true]);
  await put(storage, 'value');
  expect(await read(storage)).toEqual(['value', false]);
  expect(Buffer.from((await base.get(KEY))!.value).includes('key-2')).toBe(true);
});

test('what one key sealed for all values, as older servers did, is read and stale', async () => {
  const kms = provider();
  await kms.check();
  const dek = randomBytes(32);
  const helper = connectKmsPlugin({
    endpoint: plugin.endpoint,
    timeoutMs: 30_000,
    clock: { ...clock, now: Date.now } as never,
  });
  const { ciphertext, key_id: keyID, annotations } = await helper.encrypt(dek);
  helper.close();
  const encryptedData = Buffer.from(aesGcm({ name: '', secret: dek }).seal(Buffer.from('old'), KEY));
  const message = {
    encryptedData,
    keyID,
    annotations,
    encryptedDEKSource: ciphertext,
    encryptedDEKSourceType: 0 as const,
  };
  const base = openMemoryStorage();
  const value = Buffer.concat([Buffer.from('k8s:enc:kms:v2:vault:'), kmsMethods().stored.requestSerialize(message)]);
  await base.commit({ when: [], then: [{ put: KEY, value }] });
  expect(await read(sealing(base, kms))).toEqual(['old', true]);
});

test('a plugin that is not well is told, and after three minutes nothing is written any more; reading goes on', async () => {
  const kms = provider();
  await kms.check();
  const storage = sealing(openMemoryStorage(), kms);
  await put(storage, 'value');
  plugin.healthz = 'sealed';
  plugin.version = 'v3';
  await later(60_000);
  await expect(kms.check()).rejects.toThrow(
    'kmsv2 Provider vault is not healthy, error: [got unexpected healthz status: sealed, expected KMSv2 API version v2, got v3]',
  );
  plugin.stop();
  await later(60_000);
  await expect(kms.check()).rejects.toThrow(
    'failed to perform status section of the healthz check for KMS Provider vault, error: rpc error: code = ',
  );
  await later(3 * 60_000);
  await expect(put(storage, 'more')).rejects.toThrow(
    /^encryptedDEKSource with keyID hash "sha256:[0-9a-f]{64}" expired at /,
  );
  expect(await read(storage)).toEqual(['value', false]);
});

test.each<[string, Partial<TestKmsPlugin>, string]>([
  ['no key', { keyId: '' }, 'got invalid KMSv2 KeyID hash "": keyID is empty'],
  ['a key that is too long', { keyId: 'x'.repeat(1025) }, 'keyID is 1025 bytes, which exceeds the max size of 1024'],
  [
    'annotations that are none',
    { annotations: { plain: Buffer.from('x') } },
    'should be a domain with at least two segments separated by dots',
  ],
  [
    'annotations that are too large',
    { annotations: { 'a.b': Buffer.alloc(40_000) } },
    'total size of annotations is 40003, which exceeds the max size of 32768',
  ],
])('a plugin that answers with %s is not used', async (_what, answers, problem) => {
  Object.assign(plugin, answers);
  const kms = provider();
  await expect(kms.check()).rejects.toThrow(problem);
  await expect(put(sealing(openMemoryStorage(), kms), 'x')).rejects.toThrow('got unexpected nil transformer');
});

test('a seed that the plugin does not give out leaves the value unreadable, until it does', async () => {
  const base = openMemoryStorage();
  const kms = provider();
  await kms.check();
  await put(sealing(base, kms), 'value');
  const raw = Buffer.from((await base.get(KEY))!.value);
  const message = kmsMethods().stored.responseDeserialize(raw.subarray('k8s:enc:kms:v2:vault:'.length));
  const moved = { ...message, annotations: { 'kms.example.com': Buffer.from('other') } };
  const value = Buffer.concat([Buffer.from('k8s:enc:kms:v2:vault:'), kmsMethods().stored.requestSerialize(moved)]);
  await base.commit({ when: [], then: [{ put: `${KEY}c`, value }] });
  const storage = sealing(base, kms);
  await expect(storage.get(`${KEY}c`)).rejects.toMatchObject({
    code: 'Unreadable',
    message: `unable to transform key "${KEY}c": failed to decrypt DEK, error: rpc error: code = InvalidArgument desc = not mine`,
  });
  expect(await read(storage)).toEqual(['value', false]);
});

test('whoever waits for a seed hears of the same failure, and the plugin is asked once', async () => {
  const base = openMemoryStorage();
  const kms = provider();
  await kms.check();
  await put(sealing(base, kms), 'value');
  const other = provider();
  await other.check();
  const storage = sealing(base, other);
  plugin.refusesToOpen = true;
  const reads = [storage.get(KEY), storage.range({ prefix: '/registry/' }), storage.get(KEY)];
  for (const { status } of await Promise.allSettled(reads)) expect(status).toBe('rejected');
  expect(plugin.decrypted).toBe(1);
});

test('a listing under more seeds than are kept comes to its end', async () => {
  const seeds = 1_002;
  const fake: KmsPlugin = {
    status: () => Promise.resolve({ version: 'v2', healthz: 'ok', key_id: 'key-1' }),
    encrypt: (plaintext) => Promise.resolve({ ciphertext: Buffer.from(plaintext), key_id: 'key-1', annotations: {} }),
    decrypt(ciphertext) {
      if (++decrypted > 2 * seeds) throw new Error('asked again and again');
      return Promise.resolve(ciphertext);
    },
    close: () => undefined,
  };
  let decrypted = 0;
  const made = () => new KmsProvider({ name: 'vault', plugin: fake, clock });
  const base = openMemoryStorage();
  for (let i = 0; i < seeds; i++) {
    const kms = made();
    await kms.check();
    await put(sealing(base, kms), `value ${i}`, `${KEY}/${i}`);
  }
  const { items } = await sealing(base, made()).range({ prefix: '/registry/' });
  expect(items).toHaveLength(seeds);
  expect(decrypted).toBe(seeds);
});
