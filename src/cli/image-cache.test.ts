import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { BlobStore } from '#node/images/blob-store.ts';
import { systemClock } from '../cmd/system-clock.ts';
import { ImageCache } from './image-cache.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'image-cache-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const DAY_MS = 24 * 3_600_000;
const cache = () => new ImageCache(folder, systemClock);
const make = (text: string) => () => Readable.from([Buffer.from(text)]);
const remember = (store: BlobStore, text: string) => store.remember(`key of ${text}`, make(text));
const blobs = () => readdirSync(join(folder, 'blobs/sha256'));
const keys = () => readdirSync(join(folder, 'keys'));

/** As if it had been used so long ago. */
function age(path: string, days: number): void {
  const then = new Date(Date.now() - days * DAY_MS);
  utimesSync(path, then, then);
}

/** Three layers of ten bytes, the first of which was used last but one … */
async function filled(): Promise<string[]> {
  const names: string[] = [];
  await cache().use(async (store) => {
    for (const [text, days] of [
      ['first 10 b', 2],
      ['second 10b', 3],
      ['third  10b', 1],
    ] as const) {
      const { path, digest } = await remember(store, text);
      age(path, days);
      names.push(digest.slice('sha256:'.length));
    }
  });
  return names;
}

test('what was not used for the longest time goes, until the rest fits; with it what is said of it', async () => {
  const [first = '', , third = ''] = await filled();
  expect(await cache().prune({ keepBytes: 20, justUsedMs: 0 })).toEqual({ removedBytes: 10, keptBytes: 20 });
  expect(blobs().sort()).toEqual([first, third].sort());
  expect(keys()).toHaveLength(2);
  expect(await cache().prune({ keepBytes: 0, justUsedMs: 0 })).toEqual({ removedBytes: 20, keptBytes: 0 });
  expect([blobs(), keys()]).toEqual([[], []]);
});

test('what is used again is not old any more', async () => {
  const [, second = ''] = await filled();
  await cache().use(async (store) => {
    const { path } = await remember(store, 'second 10b');
    expect(Date.now() - statSync(path).mtimeMs).toBeLessThan(DAY_MS);
  });
  await cache().prune({ keepBytes: 10, justUsedMs: 0 });
  expect(blobs()).toEqual([second]);
});

test('a build leaves no more than it may, and nothing that another uses meanwhile is removed', async () => {
  await filled();
  const [kept = ''] = await cache().use(async (store) => {
    const { digest } = await remember(store, 'first 10 b');
    await cache().use(async () => undefined, 0); // another that begins and ends meanwhile
    expect(await store.find(digest)).toBeDefined();
    expect(blobs()).toHaveLength(1);
    await cache().prune({ keepBytes: 0, justUsedMs: 0 });
    return blobs();
  });
  expect(blobs()).toEqual([kept]);
  expect(readdirSync(join(folder, 'users'))).toEqual([]);
});

test('users that were killed and drafts that they have left hold nothing', async () => {
  await filled();
  mkdirSync(join(folder, 'users'), { recursive: true });
  writeFileSync(join(folder, 'users/dead'), JSON.stringify({ pid: 999_999_999, startTicks: 1, bootId: 'x' }));
  age(join(folder, 'users/dead'), 30);
  writeFileSync(join(folder, 'users/killed-while-writing'), '');
  writeFileSync(join(folder, 'blobs/sha256/.draft'), 'half');
  age(join(folder, 'blobs/sha256/.draft'), 1);
  const { removedBytes } = await cache().prune({ keepBytes: 1000, justUsedMs: 60_000 });
  expect([removedBytes, readdirSync(join(folder, 'users')), blobs().length]).toEqual([4, [], 3]);
});

test('two builds of the same at once have both what they need', async () => {
  const build = () => cache().use((store) => remember(store, 'same layer'), 0);
  const [one, other] = await Promise.all([build(), build()]);
  expect(one?.digest).toBe(other?.digest);
  expect(readdirSync(join(folder, 'users'))).toEqual([]);
});

test('why a build has failed is told, whatever becomes of tidying after it', async () => {
  const broken = cache().use(async () => {
    rmSync(join(folder, 'users'), { recursive: true });
    writeFileSync(join(folder, 'users'), 'no folder');
    throw new Error('exit code 1');
  });
  await expect(broken).rejects.toThrow('exit code 1');
});
