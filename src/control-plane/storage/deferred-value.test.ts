import { expect, test } from 'vitest';
import { DeferredPut, DeferredValue } from './deferred-value.ts';
import { openMemoryStorage } from './memory.ts';

const bytesOf = (object: object) => new TextEncoder().encode(JSON.stringify(object));

function deferred(object: object) {
  const made: object[] = [];
  const encode = (of: object) => {
    made.push(of);
    return bytesOf(of);
  };
  return { value: new DeferredValue(object, { size: 10, encode }), made };
}

const put = (key: string, value: DeferredValue, modRevision = 0) => ({
  when: [{ key, modRevision }],
  then: [new DeferredPut(key, value)],
});

test('what nobody reads as bytes is stored, watched, read and replaced without being any', async () => {
  const storage = openMemoryStorage();
  const stop = new AbortController();
  const watch = storage.watch({ prefix: '/a/', signal: stop.signal })[Symbol.asyncIterator]();
  const [one, two] = [deferred({ is: 'one' }), deferred({ is: 'two' })];
  const { revision } = await storage.commit(put('/a/1', one.value));
  await storage.commit(put('/a/1', two.value, revision));

  expect((await storage.get('/a/1'))?.deferred?.object).toEqual({ is: 'two' });
  const { value: batch } = await watch.next();
  expect(batch.events.map(({ now }: { now?: { deferred?: DeferredValue } }) => now?.deferred?.object)).toEqual([
    { is: 'one' },
    { is: 'two' },
  ]);
  expect((await storage.get('/a/1', revision))?.deferred?.object).toEqual({ is: 'one' });
  expect([...one.made, ...two.made]).toEqual([]);
  stop.abort();
  await storage.close();
});

test('its bytes are made once, and are those of the value for whoever reads or compares them', async () => {
  const storage = openMemoryStorage();
  const { value, made } = deferred({ is: 'one' });
  const { revision } = await storage.commit(put('/a/1', value));
  const same = await storage.commit({ when: [], then: [{ put: '/a/1', value: bytesOf({ is: 'one' }) }] });
  expect(same.revision).toBe(revision); // a put of the same is none
  expect((await storage.get('/a/1'))?.value).toEqual(bytesOf({ is: 'one' }));
  expect(made).toHaveLength(1);
  await storage.close();
});

test('a copy with another value is not deferred', async () => {
  const storage = openMemoryStorage();
  await storage.commit(put('/a/1', deferred({ is: 'one' }).value));
  const copy = { ...(await storage.get('/a/1'))!, value: bytesOf({ is: 'other' }) };
  expect(copy).toEqual({ key: '/a/1', createRevision: 2, modRevision: 2, value: bytesOf({ is: 'other' }) });
  expect(copy.deferred).toBeUndefined();
  await storage.close();
});
