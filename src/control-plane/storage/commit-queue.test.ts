import { expect, test } from 'vitest';
import type { Backend } from './backend.ts';
import { EmbeddedStorage } from './embedded-storage.ts';
import type { EventBatch } from './storage.ts';

/** A disk that writes when it is told to. */
class SlowDisk implements Backend {
  readonly writes: { batch: EventBatch; done(): void; fail(error: Error): void }[] = [];
  load() {
    return { revision: 1, items: [], floors: new Map() };
  }
  write(batch: EventBatch): Promise<void> {
    return new Promise((done, fail) => this.writes.push({ batch, done, fail }));
  }
  records() {
    return { records: [], next: undefined };
  }
  async forget() {
    throw new Error('not asked for');
  }
  async close() {
    this.writes.length = 0;
  }
  async nextWrite(count: number) {
    while (this.writes.length < count) await Promise.resolve();
    return this.writes[count - 1]!;
  }
}

const value = Buffer.from('x');
const store = () => {
  const disk = new SlowDisk();
  const failures: Error[] = [];
  const storage = new EmbeddedStorage(disk, (error) => failures.push(error));
  const put = (key: string, modRevision = 0) =>
    storage.commit({ when: [{ key, modRevision }], then: [{ put: key, value }] });
  return { disk, storage, put, failures };
};

test('what arrives while a batch is on its way to disk goes together in the next', async () => {
  const { disk, put } = store();
  const first = put('/a/0');
  (await disk.nextWrite(1)).batch;
  const others = Array.from({ length: 64 }, (_, index) => put(`/b/${index}`));
  disk.writes[0]!.done();
  const second = await disk.nextWrite(2);
  expect(second.batch.events).toHaveLength(64);
  second.done();
  expect((await first).revision).toBe(2);
  expect((await Promise.all(others)).map(({ revision }) => revision)).toEqual(
    Array.from({ length: 64 }, (_, index) => index + 3),
  );
  expect(disk.writes).toHaveLength(2);
});

test('nobody sees a revision that is not on disk', async () => {
  const { disk, storage, put } = store();
  const stop = new AbortController();
  const watched = storage.watch({ prefix: '/', after: 1, signal: stop.signal })[Symbol.asyncIterator]();
  const committed = put('/a/1');
  const { done } = await disk.nextWrite(1);
  expect(await storage.get('/a/1')).toBeUndefined();
  expect((await storage.range({ prefix: '/' })).items).toEqual([]);
  expect(await storage.currentRevision()).toBe(1);
  let seen = false;
  const next = watched.next().then((result) => {
    seen = true;
    return result;
  });
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
  expect(seen).toBe(false);
  done();
  await committed;
  expect((await next).value.revision).toBe(2);
  expect(await storage.currentRevision()).toBe(2);
  stop.abort();
});

test('a transaction is compared with what was accepted, and its refusal is not told before that is on disk', async () => {
  const { disk, put } = store();
  const winner = put('/a/1');
  let told = false;
  const loser = put('/a/1').then((result) => {
    told = true;
    return result;
  });
  const { done } = await disk.nextWrite(1);
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
  expect(told).toBe(false);
  done();
  expect((await winner).succeeded).toBe(true);
  expect(await loser).toMatchObject({ succeeded: false, revision: 2, found: [{ modRevision: 2 }] });
});

test('when the disk fails every waiting and every later transaction fails', async () => {
  const { disk, storage, put, failures } = store();
  const first = put('/a/1');
  const { fail } = await disk.nextWrite(1);
  const second = put('/a/2');
  fail(new Error('no space'));
  await expect(first).rejects.toMatchObject({ code: 'StorageFailed' });
  await expect(second).rejects.toMatchObject({ code: 'StorageFailed' });
  await expect(put('/a/3')).rejects.toMatchObject({ code: 'StorageFailed' });
  expect(await storage.currentRevision()).toBe(1);
  expect(failures).toMatchObject([{ code: 'StorageFailed', cause: { message: 'no space' } }]);
});
