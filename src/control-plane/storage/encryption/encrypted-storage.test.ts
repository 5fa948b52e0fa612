import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openLmdbStorage } from '../lmdb.ts';
import { openMemoryStorage } from '../memory.ts';
import type { Storage } from '../storage.ts';
import { bytes, storageConformance, text } from '../storage-conformance.ts';
import { EncryptedStorage } from './encrypted-storage.ts';
import { aesCbc, aesGcm, identity, secretbox, type ValueCipher } from './value-cipher.ts';
import { ValueCiphers } from './value-ciphers.ts';

const key = (name: string, fill: number, length = 32) => ({ name, secret: Buffer.alloc(length, fill) });
const hex = (digits: string) => Buffer.from(digits.replace(/\s/g, ''), 'hex');
const KEY = '/registry/secrets/default/a';

const ALL: readonly [string, ValueCipher][] = [
  ['aescbc', aesCbc(key('k', 1))],
  ['aescbc of 16 bytes', aesCbc(key('k', 1, 16))],
  ['aesgcm', aesGcm(key('k', 2))],
  ['aesgcm of 24 bytes', aesGcm(key('k', 2, 24))],
  ['secretbox', secretbox(key('k', 3))],
];

describe.each(ALL)('%s', (_, cipher) => {
  test('opens what it has sealed, and seals nothing twice alike', () => {
    void fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (value) => {
        const sealed = cipher.seal(value, KEY);
        expect(Buffer.from(cipher.open(sealed, KEY))).toEqual(Buffer.from(value));
        expect(Buffer.from(cipher.seal(value, KEY)).equals(sealed)).toBe(false);
      }),
    );
  });

  test('does not open what is too short, cut off, or of another key', () => {
    const sealed = cipher.seal(bytes('the quick brown fox jumps over'), KEY);
    for (const broken of [sealed.subarray(0, 3), sealed.subarray(0, -1)])
      expect(() => cipher.open(broken, KEY)).toThrow();
  });
});

test('authenticated ciphers do not open what was changed; GCM not even under another key of the store', () => {
  for (const cipher of [aesGcm(key('k', 2)), secretbox(key('k', 3))]) {
    const sealed = Buffer.from(cipher.seal(bytes('value'), KEY));
    sealed[sealed.length - 1]! ^= 1;
    expect(() => cipher.open(sealed, KEY)).toThrow();
  }
  const moved = aesGcm(key('k', 2)).seal(bytes('value'), KEY);
  expect(() => aesGcm(key('k', 2)).open(moved, '/registry/secrets/default/b')).toThrow(
    'cipher: message authentication failed',
  );
});

test('secretbox is NaCl’s: the message of its own test', () => {
  const secret = hex('1b27556473e985d462cd51197a9a46c76009549eac6474f206c4ee0844f68389');
  const nonce = hex('69696ee955b62b73cd62bda875fc73d68219e0036b7a0b37');
  const sealed = hex(`
    f3ffc7703f9400e52a7dfb4b3d3305d98e993b9f48681273c29650ba32fc76ce48332ea7164d96a4476fb8c531a1186ac0dfc17c98dce87b4da7f0
    11ec48c97271d2c20f9b928fe2270d6fb863d51738b48eeee314a7cc8ab932164548e526ae90224368517acfeabd6bb3732bc0e9da99832b61ca01
    b6de56244a9e88d5f9b37973f622a43d14a6599b1f654cb45a74e355a5`);
  const message = `be075fc53c81f2d5cf141316ebeb0c7b5228c52a4c62cbd44b66849b64244ffce5ecbaaf33bd751a1ac728d45e6c61296cdc3c01233561
    f41db66cce314adb310e3be8250c46f06dceea3a7fa1348057e2f6556ad6b1318a024a838f21af1fde048977eb48f59ffd4924ca1c60902e52f0a089bc
    76897040e082f937763848645e0705`;
  const opened = secretbox({ name: 'k', secret }).open(Buffer.concat([nonce, sealed]), KEY);
  expect(Buffer.from(opened)).toEqual(hex(message));
});

const rotated = [aesCbc(key('new', 9)), aesCbc(key('old', 1)), secretbox(key('box', 3)), identity];

test('the first writes, all read, and what the others have written is stale', () => {
  const ciphers = new ValueCiphers(rotated);
  const written = Buffer.from(ciphers.seal(bytes('value'), KEY));
  expect(written.toString('latin1')).toMatch(/^k8s:enc:aescbc:v1:new:/);
  const read = (stored: Uint8Array) => {
    const { value, isStale } = ciphers.open(stored, KEY);
    return [text(value), isStale];
  };
  expect(read(written)).toEqual(['value', false]);
  for (const cipher of rotated.slice(1)) {
    const stored = Buffer.concat([Buffer.from(cipher.prefix), cipher.seal(bytes('value'), KEY)]);
    expect(read(stored)).toEqual(['value', true]);
  }
});

test.each([
  [[identity], 'k8s:enc:aescbc:v1:k:xxxx', 'no matching prefix found'],
  [[aesCbc(key('k', 1))], '{"kind":"Secret"}', 'no matching prefix found'],
  [[aesCbc(key('k', 1))], 'k8s:enc:aescbc:v1:k:short', 'the stored data was shorter than the required size'],
  [
    [aesCbc(key('k', 1))],
    'k8s:enc:aescbc:v1:k:0123456789abcdefg',
    'the stored data is not a multiple of the block size',
  ],
  [
    [secretbox(key('k', 1))],
    `k8s:enc:secretbox:v1:k:${'x'.repeat(50)}`,
    'output array was not large enough for encryption',
  ],
])('what cannot be read says why', (ciphers, stored, why) => {
  expect(() => new ValueCiphers(ciphers).open(Buffer.from(stored), KEY)).toThrow(why);
});

const sealing = (base: Storage, ciphers: readonly ValueCipher[] = [secretbox(key('k', 3))]) =>
  new EncryptedStorage(base, () => new ValueCiphers(ciphers));

storageConformance({
  name: 'encrypted memory',
  makeStorage: async () => ({ storage: sealing(openMemoryStorage()) }),
  durable: false,
  framework: { describe, test, beforeEach, afterEach, expect },
});

const put = (storage: Storage, value: string, modRevision?: number) =>
  storage.commit({
    when: modRevision === undefined ? [] : [{ key: KEY, modRevision }],
    then: [{ put: KEY, value: bytes(value) }],
  });

test('below it nothing is to be read: not in what stands, not in what is gone', async () => {
  const base = openMemoryStorage();
  const storage = sealing(base);
  await put(storage, 'the password is hunter2');
  const { revision } = await put(storage, 'the password is hunter3');
  const now = await base.get(KEY);
  const before = await base.get(KEY, revision - 1);
  for (const stored of [now, before]) {
    expect(Buffer.from(stored!.value).toString('latin1')).toMatch(/^k8s:enc:secretbox:v1:k:/);
    expect(Buffer.from(stored!.value).includes('hunter')).toBe(false);
  }
  expect(text((await storage.get(KEY))?.value)).toBe('the password is hunter3');
  expect(text((await storage.get(KEY, revision - 1))?.value)).toBe('the password is hunter2');
  await storage.close();
});

test('on disk nothing is to be read', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'kedge-sealed-'));
  const storage = sealing(await openLmdbStorage({ directory }));
  await put(storage, 'the password is hunter2');
  await put(storage, 'the password is hunter3');
  await storage.close();
  for (const file of readdirSync(directory)) expect(readFileSync(join(directory, file)).includes('hunter')).toBe(false);
  const again = sealing(await openLmdbStorage({ directory }));
  expect(text((await again.get(KEY))?.value)).toBe('the password is hunter3');
  await again.close();
  rmSync(directory, { recursive: true });
});

test('after a change of keys watches end, and what was written before is stale', async () => {
  const storage = sealing(openMemoryStorage(), [aesGcm(key('old', 1))]);
  await put(storage, 'value');
  const watched = storage.watch({ prefix: '/', signal: new AbortController().signal })[Symbol.asyncIterator]();
  await watched.next();
  const ended = watched.next();
  const ciphers = new ValueCiphers([aesGcm(key('new', 2)), aesGcm(key('old', 1))]);
  storage.configure(() => ciphers);
  expect((await ended).done).toBe(true);
  const stale = await storage.get(KEY);
  expect([text(stale?.value), stale?.isStale]).toEqual(['value', true]);
  await put(storage, 'value', stale!.modRevision);
  expect((await storage.get(KEY))?.isStale).toBeUndefined();
  await storage.close();
});

test('what none of the keys opens is named with its reason', async () => {
  const base = openMemoryStorage();
  await put(sealing(base, [aesCbc(key('lost', 1))]), 'value');
  await expect(sealing(base, [identity]).get(KEY)).rejects.toMatchObject({
    code: 'Unreadable',
    message: `unable to transform key "${KEY}": no matching prefix found`,
  });
  await base.close();
});
