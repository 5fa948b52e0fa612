/**
 * What every backend of the store promises. Run by the test of each of them; the test framework is an argument, so that this
 * file is part of the layer and of no test run by itself.
 */
import type { EventBatch, Revision, Storage, StoreEvent } from './storage.ts';

export interface ConformanceStore {
  storage: Storage;
  /** Opens it again on the same data, after it was closed. Asked for of durable backends only. */
  reopen?: () => Promise<Storage>;
  /** Called after each test, with whatever is open still open. */
  dispose?: () => Promise<void>;
}

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
export const text = (value: Uint8Array | undefined): string | undefined => value && new TextDecoder().decode(value);

/** As much of vitest as is used here. */
export interface TestFramework {
  describe(name: string, body: () => void): void;
  test(name: string, run: () => Promise<void>): void;
  beforeEach(run: () => Promise<void>): void;
  afterEach(run: () => Promise<void>): void;
  expect(
    actual: unknown,
  ): Matchers & { rejects: { toMatchObject(part: object): Promise<void>; toThrow(): Promise<void> } };
}

interface Matchers {
  toBe(expected: unknown): void;
  toEqual(expected: unknown): void;
  toMatchObject(part: object): void;
  toBeUndefined(): void;
  toHaveLength(length: number): void;
  toBeGreaterThanOrEqual(least: number): void;
  toBeLessThanOrEqual(most: number): void;
}

export interface ConformanceOptions {
  name: string;
  /** A fresh, empty store for each test. */
  makeStorage: () => Promise<ConformanceStore>;
  /** What was written is there when it is opened again. */
  durable: boolean;
  framework: TestFramework;
}

export function storageConformance({ name, makeStorage, durable, framework }: ConformanceOptions): void {
  const { describe, test, beforeEach, afterEach, expect } = framework;
  describe(`${name} storage`, () => {
    let made: ConformanceStore;
    let storage: Storage;
    let stop: AbortController;
    beforeEach(async () => {
      stop = new AbortController();
      made = await makeStorage();
      storage = made.storage;
    });
    afterEach(async () => {
      stop.abort();
      await storage.close();
      await made.dispose?.();
    });

    const put = async (key: string, value: string): Promise<Revision> =>
      (await storage.commit({ when: [], then: [{ put: key, value: bytes(value) }] })).revision;
    const remove = async (key: string): Promise<Revision> =>
      (await storage.commit({ when: [], then: [{ delete: key }] })).revision;
    const keysIn = async (prefix: string, revision?: Revision): Promise<string[]> =>
      (await storage.range({ prefix, revision })).items.map(({ key, value }) => `${key}=${text(value)}`);
    const watch = (prefix: string, after?: Revision) =>
      new Collected(storage.watch({ prefix, after, signal: stop.signal }));

    test('what it takes on disk is told, where it is on one', async () => {
      await put('/a', 'x'.repeat(1000));
      const size = await storage.sizeBytes();
      if (durable) expect(size).toBeGreaterThanOrEqual(1000);
      else expect(size).toBeUndefined();
    });

    describe('transactions', () => {
      test('an empty store is at revision 1 and the first write makes 2', async () => {
        expect(await storage.currentRevision()).toBe(1);
        expect(await put('/a/1', 'x')).toBe(2);
        expect(await storage.currentRevision()).toBe(2);
      });

      test('a put keeps the create revision and moves the mod revision', async () => {
        await put('/a/1', 'x');
        await put('/a/1', 'y');
        expect(await storage.get('/a/1')).toMatchObject({ key: '/a/1', createRevision: 2, modRevision: 3 });
        await remove('/a/1');
        await put('/a/1', 'z');
        expect(await storage.get('/a/1')).toMatchObject({ createRevision: 5, modRevision: 5 });
      });

      test('a key that is not there is undefined', async () => {
        expect(await storage.get('/a/none')).toBeUndefined();
      });

      test('a comparison that does not hold writes nothing and tells what stands there', async () => {
        await put('/a/1', 'x');
        const refused = await storage.commit({
          when: [
            { key: '/a/1', modRevision: 0 },
            { key: '/a/2', modRevision: 0 },
          ],
          then: [{ put: '/a/1', value: bytes('y') }],
        });
        expect(refused).toMatchObject({ succeeded: false, revision: 2 });
        expect(text(refused.found[0]?.value)).toBe('x');
        expect(refused.found[0]).toMatchObject({ key: '/a/1', createRevision: 2, modRevision: 2 });
        expect(refused.found[1]).toBeUndefined();
        expect(await keysIn('/a/')).toEqual(['/a/1=x']);
      });

      test('several writes take effect together under one revision', async () => {
        await put('/a/old', 'x');
        const done = await storage.commit({
          when: [
            { key: '/a/old', modRevision: 2 },
            { key: '/a/new', modRevision: 0 },
          ],
          then: [{ delete: '/a/old' }, { put: '/a/new', value: bytes('y') }, { put: '/b/1', value: bytes('z') }],
        });
        expect(done).toMatchObject({ succeeded: true, revision: 3 });
        expect(await keysIn('/a/')).toEqual(['/a/new=y']);
        expect(await storage.get('/b/1')).toMatchObject({ modRevision: 3 });
      });

      test('what changes nothing uses no revision', async () => {
        await put('/a/1', 'x');
        expect(await put('/a/1', 'x')).toBe(2);
        expect(await remove('/a/none')).toBe(2);
        expect(await storage.commit({ when: [{ key: '/a/1', modRevision: 2 }], then: [] })).toMatchObject({
          succeeded: true,
          revision: 2,
        });
        expect(await storage.currentRevision()).toBe(2);
      });

      test('of writers that compare with the same state one wins', async () => {
        await put('/a/1', 'start');
        const results = await Promise.all(
          Array.from({ length: 20 }, (_, index) =>
            storage.commit({
              when: [{ key: '/a/1', modRevision: 2 }],
              then: [{ put: '/a/1', value: bytes(`writer ${index}`) }],
            }),
          ),
        );
        const winners = results.flatMap(({ succeeded }, index) => (succeeded ? [index] : []));
        expect(winners).toHaveLength(1);
        expect(text((await storage.get('/a/1'))?.value)).toBe(`writer ${winners[0]}`);
        expect(await storage.currentRevision()).toBe(3);
      });

      test('concurrent writes get revisions of their own, each visible when it is acknowledged', async () => {
        const revisions = await Promise.all(
          Array.from({ length: 100 }, async (_, index) => {
            const revision = await put(`/a/${index}`, 'x');
            expect((await storage.get(`/a/${index}`))?.modRevision).toBe(revision);
            expect(await storage.currentRevision()).toBeGreaterThanOrEqual(revision);
            return revision;
          }),
        );
        expect(revisions.sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, index) => index + 2));
      });

      test('a transaction that writes a key twice is refused as a whole', async () => {
        const twice = { when: [], then: [{ put: '/a/1', value: bytes('x') }, { delete: '/a/1' }] };
        await expect(storage.commit(twice)).rejects.toThrow();
        expect(await storage.currentRevision()).toBe(1);
      });
    });

    describe('ranges', () => {
      beforeEach(async () => {
        for (const key of ['/a/3', '/a/1', '/a/2', '/a', '/a-b', '/b/1']) await put(key, 'x');
      });

      test('give the keys under a prefix in order', async () => {
        expect(await keysIn('/a/')).toEqual(['/a/1=x', '/a/2=x', '/a/3=x']);
        expect(await keysIn('')).toHaveLength(6);
        expect(await keysIn('/none/')).toEqual([]);
      });

      test('come in pages that say how much is left', async () => {
        const first = await storage.range({ prefix: '/a/', limit: 2 });
        expect(first.items.map(({ key }) => key)).toEqual(['/a/1', '/a/2']);
        expect(first).toMatchObject({ more: true, count: 3, revision: 7 });
        const second = await storage.range({ prefix: '/a/', limit: 2, after: '/a/2' });
        expect(second.items.map(({ key }) => key)).toEqual(['/a/3']);
        expect(second).toMatchObject({ more: false, count: 1 });
      });

      test('of an earlier revision show what stood there then', async () => {
        await put('/a/1', 'y');
        await remove('/a/2');
        await put('/a/4', 'new');
        await put('/a/2', 'again');
        expect(await keysIn('/a/', 7)).toEqual(['/a/1=x', '/a/2=x', '/a/3=x']);
        expect(await keysIn('/a/', 9)).toEqual(['/a/1=y', '/a/3=x']);
        expect(await keysIn('/a/', 11)).toEqual(['/a/1=y', '/a/2=again', '/a/3=x', '/a/4=new']);
        const page = await storage.range({ prefix: '/a/', limit: 1, after: '/a/1', revision: 7 });
        expect(page.items.map(({ key }) => key)).toEqual(['/a/2']);
        expect(page).toMatchObject({ more: true, count: 2 });
        expect(text((await storage.get('/a/2', 7))?.value)).toBe('x');
        expect(await storage.get('/a/2', 9)).toBeUndefined();
        expect(await storage.get('/a/4', 9)).toBeUndefined();
      });

      test('of a revision to come are refused', async () => {
        await expect(storage.range({ prefix: '/a/', revision: 99 })).rejects.toMatchObject({ code: 'FutureRevision' });
        await expect(storage.get('/a/1', 99)).rejects.toMatchObject({ code: 'FutureRevision' });
      });
    });

    describe('watches', () => {
      test('from now on: the first batch is empty and names where it starts', async () => {
        await put('/a/1', 'x');
        const watched = watch('/a/');
        expect(await watched.next()).toEqual({ events: [], revision: 2 });
        await put('/b/1', 'elsewhere');
        await put('/a/2', 'y');
        expect((await watched.upTo(4)).map(shown)).toEqual(['4 /a/2: - → y']);
      });

      test('tell what stood there before, for puts and deletions', async () => {
        const watched = watch('/a/', 1);
        await put('/a/1', 'x');
        await put('/a/1', 'y');
        await remove('/a/1');
        const events = await watched.upTo(4);
        expect(events.map(shown)).toEqual(['2 /a/1: - → x', '3 /a/1: x → y', '4 /a/1: y → -']);
        expect(events[1]?.now).toMatchObject({ key: '/a/1', createRevision: 2, modRevision: 3 });
        expect(events[2]?.before).toMatchObject({ key: '/a/1', createRevision: 2, modRevision: 3 });
      });

      test('from the past: history and what comes after it, each event once', async () => {
        for (let index = 2; index <= 20; index++) await put(`/a/${index % 3}`, `v${index}`);
        const watched = watch('/a/', 5);
        const writes = Promise.all(Array.from({ length: 20 }, (_, index) => put(`/a/new${index}`, 'x')));
        const events = await watched.upTo(40);
        await writes;
        expect(events.map(({ revision }) => revision)).toEqual(Array.from({ length: 35 }, (_, index) => index + 6));
        expect(shown(events[0]!)).toBe('6 /a/0: v3 → v6');
      });

      test('from long ago come complete and in order, while writes go on', async () => {
        const value = (index: number) => ({ put: `/a/${index % 10}`, value: bytes(`${index}`) });
        for (let index = 0; index < 5000; index += 100) {
          await Promise.all(
            Array.from({ length: 100 }, (_, offset) => storage.commit({ when: [], then: [value(index + offset)] })),
          );
        }
        const watched = watch('/a/', 1);
        const more = Promise.all(
          Array.from({ length: 200 }, (_, offset) => storage.commit({ when: [], then: [value(5000 + offset)] })),
        );
        const past = storage.range({ prefix: '/a/', revision: 3001 });
        const events = await watched.upTo(5201);
        await more;
        expect(events.map(({ revision }) => revision)).toEqual(Array.from({ length: 5200 }, (_, index) => index + 2));
        const last = new Map<string, string | undefined>();
        for (const { key, before, now } of events) {
          expect(text(before?.value)).toBe(last.get(key));
          last.set(key, text(now?.value));
        }
        const then = new Map(
          events.filter(({ revision }) => revision <= 3001).map(({ key, now }) => [key, text(now?.value)]),
        );
        expect(new Map((await past).items.map((item) => [item.key, text(item.value)]))).toEqual(
          new Map([...then].sort()),
        );
      });

      test('of several keys in one transaction come together', async () => {
        const watched = watch('/a/', 1);
        const then = ['/a/1', '/b/1', '/a/2'].map((key) => ({ put: key, value: bytes('x') }));
        await storage.commit({ when: [], then });
        const batch = await watched.next();
        expect(batch?.events.map(({ key }) => key).sort()).toEqual(['/a/1', '/a/2']);
      });

      test('say how far they have come when asked, though nothing happened to their keys', async () => {
        const watched = watch('/a/');
        expect((await watched.next())?.revision).toBe(1);
        await put('/b/1', 'x');
        expect(await storage.requestProgress('/a/')).toBe(2);
        expect(await watched.next()).toEqual({ events: [], revision: 2 });
        expect(await storage.requestProgress('/a/', 4)).toBe(2);
        await put('/b/1', 'y');
        await put('/b/1', 'z');
        expect(await watched.upTo(4)).toEqual([]);
      });

      test('tell of what is acknowledged as soon as it is, where that is known without asking', async () => {
        watch('/a/');
        const write = await storage.commit({ when: [], then: [{ put: '/a/1', value: bytes('x') }] });
        expect(storage.newestUnder('/a/') ?? write.revision).toBeGreaterThanOrEqual(write.revision);
        expect(storage.newestUnder('/nobody/watches/this/')).toBeUndefined();
      });

      test('end without an error when they are aborted', async () => {
        const watched = watch('/a/');
        await watched.next();
        stop.abort();
        expect(await watched.next()).toBeUndefined();
      });

      test('do not see a write that was refused', async () => {
        const watched = watch('/a/', 1);
        await put('/a/1', 'x');
        await storage.commit({ when: [{ key: '/a/1', modRevision: 9 }], then: [{ put: '/a/1', value: bytes('no') }] });
        await put('/a/1', 'yes');
        expect((await watched.upTo(3)).map(shown)).toEqual(['2 /a/1: - → x', '3 /a/1: x → yes']);
      });
    });

    describe('compaction', () => {
      beforeEach(async () => {
        for (const value of ['v2', 'v3', 'v4', 'v5']) await put('/a/1', value);
        await put('/b/1', 'v6');
      });

      test('keeps objects and everything from its revision on', async () => {
        await storage.compact('/a/', 4);
        expect(await storage.compactedRevision('/a/')).toBe(4);
        expect(await keysIn('/a/')).toEqual(['/a/1=v5']);
        expect(await keysIn('/a/', 4)).toEqual(['/a/1=v4']);
        expect((await watch('/a/', 4).upTo(5)).map(shown)).toEqual(['5 /a/1: v4 → v5']);
      });

      test('makes what is older unreadable and unwatchable', async () => {
        await storage.compact('/a/', 4);
        const compacted = { code: 'Compacted', compactedRevision: 4 };
        await expect(storage.range({ prefix: '/a/', revision: 3 })).rejects.toMatchObject(compacted);
        await expect(storage.get('/a/1', 3)).rejects.toMatchObject(compacted);
        await expect(watch('/a/', 3).next()).rejects.toMatchObject(compacted);
      });

      test('leaves other prefixes alone, and wider ones know as much as their shortest part', async () => {
        await storage.compact('/a/', 6);
        expect(await storage.compactedRevision('/b/')).toBeLessThanOrEqual(1);
        expect((await watch('/b/', 1).upTo(6)).map(shown)).toEqual(['6 /b/1: - → v6']);
        expect(await storage.compactedRevision('/')).toBe(6);
        await expect(storage.range({ prefix: '/', revision: 5 })).rejects.toMatchObject({ code: 'Compacted' });
      });

      test('of everything bounds every prefix', async () => {
        await storage.compact('', 5);
        expect(await storage.compactedRevision('/b/')).toBe(5);
        await expect(storage.get('/a/1', 4)).rejects.toMatchObject({ code: 'Compacted' });
        expect(await keysIn('/a/', 5)).toEqual(['/a/1=v5']);
      });

      test('never goes back and never into the future', async () => {
        await storage.compact('/a/', 4);
        await storage.compact('/a/', 2);
        expect(await storage.compactedRevision('/a/')).toBe(4);
        await expect(storage.compact('/a/', 99)).rejects.toMatchObject({ code: 'FutureRevision' });
      });
    });

    test('after close nothing is accepted any more', async () => {
      await storage.close();
      await expect(put('/a/1', 'x')).rejects.toMatchObject({ code: 'StorageClosed' });
    });

    if (durable)
      test('opened again it has all: objects, revision, history to resume watches from', async () => {
        await put('/a/1', 'x');
        await put('/a/1', 'y');
        await put('/a/2', 'z');
        await remove('/a/2');
        await storage.close();
        storage = await made.reopen!();
        expect(await storage.currentRevision()).toBe(5);
        expect(await keysIn('/a/')).toEqual(['/a/1=y']);
        expect(await storage.get('/a/1')).toMatchObject({ createRevision: 2, modRevision: 3 });
        expect(await keysIn('/a/', 4)).toEqual(['/a/1=y', '/a/2=z']);
        const watched = watch('/a/', 2);
        await put('/a/3', 'new');
        expect((await watched.upTo(6)).map(shown)).toEqual([
          '3 /a/1: x → y',
          '4 /a/2: - → z',
          '5 /a/2: z → -',
          '6 /a/3: - → new',
        ]);
      });
  });
}

const shown = ({ revision, key, before, now }: StoreEvent): string =>
  `${revision} ${key}: ${text(before?.value) ?? '-'} → ${text(now?.value) ?? '-'}`;

/** A watch that is read batch by batch. */
class Collected {
  readonly #iterator: AsyncIterator<EventBatch>;

  constructor(batches: AsyncIterable<EventBatch>) {
    this.#iterator = batches[Symbol.asyncIterator]();
  }

  /** undefined: it has ended. */
  async next(): Promise<EventBatch | undefined> {
    const { done, value } = await this.#iterator.next();
    return done ? undefined : value;
  }

  /** Everything up to this revision. */
  async upTo(revision: Revision): Promise<StoreEvent[]> {
    const events: StoreEvent[] = [];
    for (;;) {
      const batch = await this.next();
      if (!batch) throw new Error(`the watch ended before revision ${revision}`);
      events.push(...batch.events);
      if (batch.revision >= revision) return events;
    }
  }
}
