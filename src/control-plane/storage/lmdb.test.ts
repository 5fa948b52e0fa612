import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { open } from 'lmdb';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openLmdbStorage } from './lmdb.ts';
import { bytes, storageConformance } from './storage-conformance.ts';

const makeDirectory = () => mkdtempSync(join(tmpdir(), 'kedge-lmdb-'));

storageConformance({
  name: 'LMDB',
  makeStorage: async () => {
    const directory = makeDirectory();
    return {
      storage: await openLmdbStorage({ directory }),
      reopen: () => openLmdbStorage({ directory }),
      dispose: async () => rmSync(directory, { recursive: true }),
    };
  },
  durable: true,
  framework: { describe, test, beforeEach, afterEach, expect },
});

describe('the data directory', () => {
  let directory: string;
  beforeEach(() => {
    directory = makeDirectory();
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  test('can be read by its owner only', async () => {
    const storage = await openLmdbStorage({ directory: join(directory, 'new') });
    expect(statSync(join(directory, 'new')).mode & 0o777).toBe(0o700);
    for (const file of ['store.mdb', 'store.mdb-lock', 'owner']) {
      expect(statSync(join(directory, 'new', file)).mode & 0o777).toBe(0o600);
    }
    await storage.close();
  });

  test('belongs to one opener at a time', async () => {
    const storage = await openLmdbStorage({ directory });
    await expect(openLmdbStorage({ directory })).rejects.toMatchObject({
      code: 'DataDirectoryRefused',
      message: expect.stringContaining(`in use by process ${process.pid}`),
    });
    await storage.close();
    await (await openLmdbStorage({ directory })).close();
  });

  test('of an owner that died is taken over', async () => {
    writeFileSync(join(directory, 'owner'), `${process.pid} 1`); // this pid, but of a process that started long ago
    await (await openLmdbStorage({ directory })).close();
  });

  test('of a newer format is refused with the next step, and left as it is', async () => {
    const root = open({ path: join(directory, 'store.mdb'), noSubdir: true, maxDbs: 4 });
    await root.openDB('meta', { encoding: 'json' }).put('format', 2);
    await root.close();
    await expect(openLmdbStorage({ directory })).rejects.toMatchObject({
      code: 'DataDirectoryRefused',
      message: `the data directory ${directory} has format 2, this version reads up to 1; start the newer version that wrote it, or name another directory`,
    });
  });

  test('keeps compacted revisions and drops what was compacted', async () => {
    let storage = await openLmdbStorage({ directory });
    const signal = new AbortController().signal;
    for (let index = 0; index < 2500; index++) {
      void storage.commit({ when: [], then: [{ put: index % 2 ? '/a/1' : '/b/1', value: bytes(`${index}`) }] });
    }
    await storage.commit({ when: [], then: [{ put: '/a/1', value: bytes('last') }] });
    await storage.compact('/a/', await storage.currentRevision());
    await storage.close();
    storage = await openLmdbStorage({ directory });
    expect(await storage.compactedRevision('/a/')).toBe(2502);
    await expect(
      storage.watch({ prefix: '/a/', after: 2501, signal })[Symbol.asyncIterator]().next(),
    ).rejects.toThrow();
    const others = await storage.watch({ prefix: '/b/', after: 1, signal })[Symbol.asyncIterator]().next();
    expect(others.value?.events).toHaveLength(1250);
    await storage.close();
    const log = open({ path: join(directory, 'store.mdb'), noSubdir: true, maxDbs: 4 }).openDB('log', {});
    expect(log.getKeysCount()).toBe(1250);
    await log.close();
  });

  /** Writes until there is no room, then goes on; who does not look after what fails ends by it. */
  const FILLING = `
    import { openLmdbStorage } from ${JSON.stringify(new URL('./lmdb.ts', import.meta.url).href)};
    const told = (what) => process._rawDebug(String(what.code ?? what));
    const onFailure = (error) => { told('told'); told(error); };
    const storage = await openLmdbStorage({ directory: process.argv[2], onFailure });
    let written = 0;
    const write = () => {
      const value = Buffer.alloc(20_000, ++written);
      return storage.commit({ when: [], then: [{ put: '/kept/' + written, value }] });
    };
    let failed;
    for (let round = 0; !failed && round < 1_000; round++) {
      const answers = await Promise.allSettled([write(), write(), write()]);
      failed = answers.find(({ status }) => status === 'rejected');
    }
    told(failed.reason);
    const pause = () => new Promise((resolve) => setTimeout(resolve, 50));
    await pause();
    await write().catch(told);
    await storage.compact('/', 5).catch((error) => told('not compacted'));
    await pause();
    await storage.close();
    process.exit();
  `;

  test('that has no room left is not written any more, and everybody who wants to is told', {
    timeout: 60_000,
  }, async () => {
    const program = join(directory, 'filling.mjs');
    writeFileSync(program, FILLING);
    const argv = ['--fsize=2000000', process.execPath, '--import', import.meta.resolve('tsx'), program];
    const { stderr } = await promisify(execFile)('prlimit', [...argv, join(directory, 'store')]);
    const lines = stderr.split('\n').filter((line) => /^[\w ]+$/.test(line));
    expect(lines).toEqual(['told', 'StorageFailed', 'StorageFailed', 'StorageFailed', 'not compacted']);
    const storage = await openLmdbStorage({ directory: join(directory, 'store') });
    expect((await storage.range({ prefix: '/kept/' })).items.length).toBeGreaterThan(9);
    await storage.close();
  });
});
