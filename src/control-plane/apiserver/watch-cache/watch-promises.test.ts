/**
 * What a watch promises, under histories that nobody thought of: changes come in order, each once, none is left out, and a client
 * that was cut off goes on where it was. Source: API concepts, "Efficient detection of changes"; etcd, "Watch APIs" guarantees.
 */
import { setImmediate } from 'node:timers/promises';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { KubeObject } from '#api/machinery/object.ts';
import { hasReason } from '#api/machinery/status.ts';
import { deepFreeze } from '#base/deep-freeze.ts';
import { silentLog } from '#base/log.ts';
import { ManualClock } from '#base/manual-clock.ts';
import { openMemoryStorage } from '#control-plane/storage/memory.ts';
import type { Revision, Storage } from '#control-plane/storage/storage.ts';
import { openWatchCache } from './open-watch-cache.ts';
import { encode } from './stored-object.ts';
import type { CacheEvent, Selection, WatchCache } from './watch-cache.ts';

const PREFIX = '/registry/things/';
const PATHS = ['a/1', 'a/2', 'b/1', 'b/2'] as const;

interface Thing extends KubeObject {
  spec: { node: string };
  /** Makes every write another one. */
  change: number;
}
const isLabelled = (object: KubeObject): boolean => object.metadata.labels?.['shown'] === 'yes';

const SELECTIONS: Readonly<Record<string, Selection>> = {
  everything: {},
  'a namespace': { namespace: 'a' },
  'a name': { name: '1' },
  'a field': { where: { field: 'spec.node', equals: 'x' } },
  labels: { match: (candidate) => isLabelled(candidate.object()) },
  'a field and labels in a namespace': {
    namespace: 'b',
    where: { field: 'spec.node', equals: 'x' },
    match: (candidate) => isLabelled(candidate.object()),
  },
};

type Step =
  | { do: 'put'; path: string; node: string; shown: string }
  | { do: 'delete' | 'elsewhere'; path: string }
  /** Clients go, and come back; the server starts again; history goes; time for clients to read. */
  | { do: 'leave' | 'return' | 'restart' | 'compact' | 'read' };

const path = fc.constantFrom(...PATHS);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('put' as const),
      path,
      node: fc.constantFrom('x', 'y'),
      shown: fc.constantFrom('yes', 'no'),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('delete' as const), path }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('elsewhere' as const), path }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('read' as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constantFrom('leave' as const, 'restart' as const, 'compact' as const) }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('return' as const) }) },
);

/** Keeps a copy, as an informer does, and finds fault with every event that does not fit it. */
class Follower {
  readonly copy = new Map<string, string>();
  readonly faults: string[] = [];
  relists = 0;
  #seen: Revision | undefined;
  #stop = ended();
  #following: Promise<void> = Promise.resolve();
  readonly #selection: Selection;

  constructor(selection: Selection) {
    this.#selection = selection;
  }

  follow(cache: WatchCache): void {
    if (!this.#stop.signal.aborted) return; // it is following
    this.#stop = new AbortController();
    this.#following = this.#follow(cache, this.#stop.signal);
  }

  async cutOff(): Promise<void> {
    this.#stop.abort();
    await this.#following;
  }

  async #follow(cache: WatchCache, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        this.#seen ??= await this.#list(cache);
        const batches = cache.watch({ ...this.#selection, after: this.#seen, signal });
        for await (const batch of batches) for (const event of batch) this.#take(event);
        return;
      } catch (error) {
        if (!hasReason(error, 'Expired')) throw error;
        this.#seen = undefined;
      }
    }
  }

  async #list(cache: WatchCache): Promise<Revision> {
    const { items, revision } = await cache.list({ ...this.#selection, freshness: 'newest' });
    this.relists += 1;
    this.copy.clear();
    for (const item of items) this.copy.set(item.key, textOf(item.object()));
    return revision;
  }

  #take({ type, revision, object }: CacheEvent): void {
    const { key } = object!;
    const isThere = this.copy.has(key);
    if (revision <= this.#seen!) this.faults.push(`${revision} after ${this.#seen}`);
    if (isThere === (type === 'ADDED'))
      this.faults.push(`${revision}: ${type} of ${key} that is ${isThere ? '' : 'not '}there`);
    if (object!.object().metadata.resourceVersion !== String(revision))
      this.faults.push(`${revision}: another version`);
    this.#seen = revision;
    if (type === 'DELETED') this.copy.delete(key);
    else this.copy.set(key, textOf(object!.object()));
  }
}

const textOf = (object: KubeObject): string => {
  const { metadata, spec, change } = object as Thing;
  return JSON.stringify([metadata.resourceVersion, metadata.labels, spec, change]);
};

class World {
  readonly storage: Storage = openMemoryStorage();
  readonly followers = Object.values(SELECTIONS).map((selection) => new Follower(selection));
  cache = this.#open();
  #changes = 0;

  #open(): WatchCache {
    return openWatchCache({
      storage: this.storage,
      prefix: PREFIX,
      namespaced: true,
      fields: { 'spec.node': (object) => (object as Thing).spec.node },
      clock: new ManualClock(),
      log: silentLog,
      limits: { eventBytes: 2_000 }, // little, so that history is asked too
    });
  }

  followAll(): void {
    for (const follower of this.followers) follower.follow(this.cache);
  }

  async leaveAll(): Promise<void> {
    for (const follower of this.followers) await follower.cutOff();
  }

  async take(step: Step): Promise<void> {
    switch (step.do) {
      case 'put':
        return this.#write({ put: PREFIX + step.path, value: encode(this.#thing(step)) });
      case 'delete':
        return this.#write({ delete: PREFIX + step.path });
      case 'elsewhere':
        return this.#write({ put: `/registry/others/${step.path}`, value: Buffer.from(String(this.#changes++)) });
      case 'compact':
        return this.storage.compact(PREFIX, await this.storage.currentRevision());
      case 'read':
        for (let turn = 0; turn < 3; turn++) await setImmediate();
        return;
      case 'return':
        return this.followAll();
      case 'leave':
        return this.leaveAll();
      case 'restart':
        await this.leaveAll();
        await this.cache.close();
        this.cache = this.#open();
    }
  }

  async #write(write: { put: string; value: Uint8Array } | { delete: string }): Promise<void> {
    await this.storage.commit({ when: [], then: [write] });
  }

  #thing({ path, node, shown }: Extract<Step, { do: 'put' }>): Thing {
    const [namespace = '', name = ''] = path.split('/');
    const metadata = { name, namespace, uid: path, creationTimestamp: 't', resourceVersion: '', labels: { shown } };
    return deepFreeze({ apiVersion: 'v1', kind: 'Thing', metadata, spec: { node }, change: this.#changes++ });
  }

  async listed(selection: Selection): Promise<Map<string, string>> {
    const { items } = await this.cache.list({ ...selection, freshness: 'newest' });
    return new Map(items.map((item) => [item.key, textOf(item.object())]));
  }

  async close(): Promise<void> {
    await this.leaveAll();
    await this.cache.close();
    await this.storage.close();
  }
}

test('whatever happens, who watches ends with what is there, and was told each change once and in order', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const world = new World();
      try {
        world.followAll();
        for (const each of steps) await world.take(each);
        world.followAll();
        const wanted = await Promise.all(Object.values(SELECTIONS).map((selection) => world.listed(selection)));
        const isThere = () => world.followers.every(({ copy }, at) => isSame(copy, wanted[at]!));
        for (let turn = 0; turn < 200 && !isThere(); turn++) await setImmediate();
        for (const [at, { copy, faults }] of world.followers.entries()) {
          expect(faults).toEqual([]);
          expect(sorted(copy)).toEqual(sorted(wanted[at]!));
        }
      } finally {
        await world.close();
      }
    }),
    { numRuns: 150 },
  );
});

test('a watch that ends is resumed without a new listing as long as history reaches back', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const world = new World();
      try {
        world.followAll();
        await world.take({ do: 'read' });
        for (const each of steps.filter((one) => one.do !== 'compact')) await world.take(each);
        for (const { relists } of world.followers) expect(relists).toBe(1);
      } finally {
        await world.close();
      }
    }),
    { numRuns: 60 },
  );
});

const ended = (): AbortController => {
  const controller = new AbortController();
  controller.abort();
  return controller;
};

const sorted = (copy: ReadonlyMap<string, string>) => [...copy].sort(([a], [b]) => (a < b ? -1 : 1));
const isSame = (a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean =>
  a.size === b.size && [...a].every(([key, text]) => b.get(key) === text);
