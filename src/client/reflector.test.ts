import { expect, test, vi } from 'vitest';
import type { Kind } from '#api/machinery/kind.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { expired, notFound } from '#api/machinery/status.ts';
import { ManualClock } from '#base/manual-clock.ts';
import { seededRandom } from '#base/random.ts';
import { Client } from './client.ts';
import { SharedInformers } from './informers.ts';
import { isAtLeast } from './object-cache.ts';
import type { Transport, WatchEvent } from './transport.ts';
import { Unreachable } from './transport.ts';

const Thing = { group: '', version: 'v1', kind: 'Thing', plural: 'things', scope: 'Namespaced' } as unknown as Kind;
const thing = (name: string, resourceVersion: string, uid = name): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Thing',
  metadata: { name, namespace: 'default', uid, resourceVersion, creationTimestamp: '' },
});

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** A server that does what the test says: listings in order, and a watch that the test feeds. */
class ScriptedServer implements Transport {
  streamsLists = false;
  readonly paths: string[] = [];
  listings: (() => KubeObject[])[] = [];
  listVersion = '10';
  #deliver: ((event: WatchEvent | Error | 'end') => void) | undefined;

  async request({ path }: { path: string }) {
    this.paths.push(path);
    const listing = this.listings.shift();
    if (!listing) throw new Unreachable('refused');
    const object = { kind: 'ThingList', metadata: { resourceVersion: this.listVersion }, items: listing() };
    return { code: 200, object, warnings: [] };
  }

  async *watch({ path, signal }: { path: string; signal: AbortSignal }): AsyncIterable<WatchEvent> {
    this.paths.push(path);
    while (!signal.aborted) {
      const next = await new Promise<WatchEvent | Error | 'end'>((resolve) => {
        this.#deliver = resolve;
        signal.addEventListener('abort', () => resolve('end'), { once: true });
      });
      if (next === 'end') return;
      if (next instanceof Error) throw next;
      yield next;
    }
  }

  async deliver(event: WatchEvent | Error | 'end'): Promise<void> {
    this.#deliver?.(event);
    await turn();
  }
}

function start(server: ScriptedServer) {
  const clock = new ManualClock();
  const stop = new AbortController();
  const informers = new SharedInformers({
    client: new Client(server),
    clock,
    random: seededRandom(1),
    signal: stop.signal,
  });
  return { clock, informers, informer: informers.for(Thing), stop };
}

test('an informer holds what was listed, then follows the watch from there', async () => {
  const server = new ScriptedServer();
  server.listings = [() => [thing('a', '3'), thing('b', '7')]];
  const { informer, informers, stop } = start(server);
  await informers.synced();
  const changes: string[] = [];
  informer.onChange(({ key, now, before }) => changes.push(`${key} ${before ? '' : 'new'}${now ? '' : 'gone'}`));
  await turn();

  await server.deliver({ type: 'ADDED', object: thing('c', '11') });
  await server.deliver({ type: 'MODIFIED', object: thing('a', '12') });
  await server.deliver({ type: 'DELETED', object: thing('b', '13') });

  expect(server.paths[1]).toContain('resourceVersion=10');
  expect(changes).toEqual(['default/c new', 'default/a ', 'default/b gone']);
  expect(informer.get('default/a')?.metadata.resourceVersion).toBe('12');
  expect(new Set(informer.inNamespace('default').map(({ metadata }) => metadata.name))).toEqual(new Set(['a', 'c']));
  expect(informer.resourceVersion).toBe('13');
  stop.abort();
});

test('a bookmark moves an informer on without a change', async () => {
  const server = new ScriptedServer();
  server.listings = [() => []];
  const { informer, informers, stop } = start(server);
  await informers.synced();
  await turn();
  await server.deliver({ type: 'BOOKMARK', object: thing('', '40') });
  expect(informer.resourceVersion).toBe('40');
  expect(informer.list()).toEqual([]);
  stop.abort();
});

test('a watch that ends is resumed where it ended, without a listing', async () => {
  const server = new ScriptedServer();
  server.listings = [() => [thing('a', '3')]];
  const { clock, informers, stop } = start(server);
  await informers.synced();
  await turn();
  await server.deliver({ type: 'MODIFIED', object: thing('a', '15') });
  clock.advance(5_000);
  await server.deliver('end');
  expect(server.paths.at(-1)).toContain('watch=true');
  expect(server.paths.at(-1)).toContain('resourceVersion=15');
  stop.abort();
});

test('when the server has forgotten the place (410), everything is listed again and the differences are told', async () => {
  const server = new ScriptedServer();
  server.listings = [() => [thing('a', '3'), thing('b', '4')], () => [thing('b', '20', 'another b'), thing('c', '19')]];
  const { informer, informers, stop } = start(server);
  await informers.synced();
  await turn();
  const changes: string[] = [];
  informer.onChange(({ key, now, before }) => changes.push(`${key} ${before ? '' : 'new'}${now ? '' : 'gone'}`));
  server.listVersion = '20';
  await server.deliver(expired('too old resource version: 10 (15)'));
  await turn();
  expect(changes).toEqual(['default/b gone', 'default/b new', 'default/c new', 'default/a gone']);
  expect(informer.resourceVersion).toBe('20');
  stop.abort();
});

test('a server that cannot be reached is tried again after a while, longer each time', async () => {
  const server = new ScriptedServer();
  const { clock, informer, stop } = start(server);
  const waits: number[] = [];
  for (let tries = 0; tries < 10; tries++) {
    await turn();
    waits.push((clock.nextDueMs ?? 0) - clock.now());
    if (tries === 9) server.listings = [() => [thing('a', '3')]];
    clock.advance(waits.at(-1) ?? 0);
  }
  await turn();
  const [first = 0] = waits;
  expect(first).toBeGreaterThanOrEqual(100);
  expect(first).toBeLessThanOrEqual(200);
  expect(waits.at(-1)).toBeGreaterThanOrEqual(30_000);
  expect(informer.hasSynced).toBe(true);
  stop.abort();
});

test('everybody who asks for a kind shares one listing and one watch', async () => {
  const server = new ScriptedServer();
  server.listings = [() => [thing('a', '3')]];
  const { informers, stop } = start(server);
  const byUid = ({ metadata }: KubeObject) => metadata.uid;
  const indexed = informers.indexed(Thing, byUid);
  informers.for(Thing);
  await informers.synced();
  await turn();
  expect(server.paths).toHaveLength(2);
  expect(indexed.under('a')).toHaveLength(1);
  await server.deliver({ type: 'MODIFIED', object: thing('a', '12', 'other') });
  expect(indexed.under('a')).toHaveLength(0);
  expect(indexed.under('other')).toHaveLength(1);
  stop.abort();
});

test('resource versions compare as numbers', () => {
  expect(isAtLeast('10', '9')).toBe(true);
  expect(isAtLeast('9', '10')).toBe(false);
  expect(isAtLeast('10', '10')).toBe(true);
});

test('who waits for many informers listens to its signal once, and lets go of it', async () => {
  const server = new ScriptedServer();
  server.listings = [() => [], () => [], () => []];
  const { informers, stop } = start(server);
  for (const plural of ['apples', 'pears']) informers.for({ ...Thing, plural } as Kind);
  const { signal } = new AbortController();
  const added = vi.spyOn(signal, 'addEventListener');
  const removed = vi.spyOn(signal, 'removeEventListener');
  await informers.synced(signal);
  expect(informers.behind(() => 0).kinds).toEqual([]);
  expect(added).toHaveBeenCalledTimes(1);
  expect(removed.mock.calls[0]?.slice(0, 2)).toEqual(added.mock.calls[0]?.slice(0, 2));
  stop.abort();
});

test('of a kind that may be missing there are none until it is served; any other is waited for', async () => {
  const server = new ScriptedServer();
  const missing = () => {
    throw notFound({ group: '', plural: 'things' }, '');
  };
  server.listings = [missing, missing, () => [thing('a', '3')]];
  const { clock, informers, informer, stop } = start(server);
  const optional = informers.for({ ...Thing, plural: 'options', mayBeMissing: true } as Kind);
  await turn();
  expect([informer.hasSynced, optional.hasSynced]).toEqual([false, true]);
  server.listings = [() => [], () => [thing('b', '4')]];
  clock.advance(1_000);
  await turn();
  await turn();
  expect(informer.hasSynced).toBe(true);
  expect([...informer.list(), ...optional.list()].map(({ metadata }) => metadata.name)).toEqual(['b']);
  stop.abort();
});

test('waiting for informers ends with the signal', async () => {
  const { informers, stop } = start(new ScriptedServer());
  const waiting = new AbortController();
  const refused = informers.synced(waiting.signal);
  waiting.abort(new Error('enough'));
  await expect(refused).rejects.toThrow('enough');
  await expect(informers.synced(waiting.signal)).rejects.toThrow('enough');
  stop.abort();
});

const streaming = () => Object.assign(new ScriptedServer(), { streamsLists: true });
const bookmark = (resourceVersion: string): WatchEvent => ({ type: 'BOOKMARK', object: thing('', resourceVersion) });
const endAt = (resourceVersion: string): WatchEvent => {
  const { type, object } = bookmark(resourceVersion);
  const annotations = { 'k8s.io/initial-events-end': 'true' };
  return { type, object: { ...object, metadata: { ...object.metadata, annotations } } };
};
const END = endAt('10');

test('where a watch begins with what there is, nothing is listed, and nothing shown before all has come', async () => {
  const server = streaming();
  const { informer, informers, stop } = start(server);
  await turn();
  await server.deliver({ type: 'ADDED', object: thing('a', '3') });
  await server.deliver(bookmark('5'));
  await server.deliver({ type: 'ADDED', object: thing('b', '7') });
  expect([informer.hasSynced, informer.list()]).toEqual([false, []]);
  await server.deliver(END);
  await informers.synced();
  await server.deliver({ type: 'DELETED', object: thing('b', '13') });
  expect(informer.list().map(({ metadata }) => metadata.name)).toEqual(['a']);
  expect(informer.resourceVersion).toBe('13');
  expect(server.paths).toEqual([
    '/api/v1/things?sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&watch=true',
  ]);
  stop.abort();
});

test('such a watch that is lost is resumed where it was, and one that breaks before all has come begins anew', async () => {
  const server = streaming();
  const { clock, informer, stop } = start(server);
  await turn();
  await server.deliver({ type: 'ADDED', object: thing('a', '3') });
  await server.deliver(new Unreachable('lost'));
  clock.advance(60_000);
  await turn();
  expect(server.paths[1]).toBe(server.paths[0]);
  await server.deliver({ type: 'ADDED', object: thing('b', '7') });
  await server.deliver(END);
  await server.deliver(new Unreachable('lost'));
  clock.advance(60_000);
  await turn();
  expect(server.paths[2]).toContain('?resourceVersion=10&');
  expect(informer.list().map(({ metadata }) => metadata.name)).toEqual(['b']);
  stop.abort();
});

test('such a watch that has expired begins anew, and what went meanwhile is told of', async () => {
  const server = streaming();
  const { informer, stop } = start(server);
  await turn();
  await server.deliver({ type: 'ADDED', object: thing('a', '3') });
  await server.deliver(END);
  const gone: string[] = [];
  informer.onChange(({ key, now }) => void (now ?? gone.push(key)));
  await server.deliver(expired('too old resource version'));
  expect(server.paths[1]).toBe(server.paths[0]);
  await server.deliver(endAt('20'));
  expect([gone, informer.resourceVersion]).toEqual([['default/a'], '20']);
  stop.abort();
});
