import { expect, test } from 'vitest';
import { Node } from '#api/core/v1/node.ts';
import { deferred } from '#base/deferred.ts';
import { type Following, follow } from '#base/followable.ts';
import type { WatchEvent } from '#client/transport.ts';
import { startCluster } from '#testing/cluster.ts';
import { inProcessPipeline } from './in-process.ts';
import type { Pipeline } from './pipeline.ts';

const KIND = { kind: 'Pod', group: '', version: 'v1' };
const asked = {
  path: '/api/v1/pods?watch=true',
  user: { name: 'asker', groups: [] },
  signal: new AbortController().signal,
};

/** A watch of these batches; what is behind it, and its record, say how often they were ended. */
function watchOf(batches: unknown[][], opening: Promise<void> = Promise.resolve()) {
  const ended = { batches: 0, record: 0 };
  const left = [...batches];
  const waiting = deferred<IteratorResult<unknown>>();
  const over = { done: true, value: undefined } as const;
  const inner = {
    next: async () => (left.length > 0 ? { done: false, value: left.shift() } : await waiting.promise),
    return: async () => {
      ended.batches++;
      waiting.resolve(over);
      return over;
    },
  };
  const pipeline = {
    auditor: {
      begin: () => ({
        annotate: () => undefined,
        opening: (open: () => unknown) => open(),
        completed: () => void ended.record++,
      }),
    },
    watch: () => opening.then(() => ({ kind: KIND, batches: { [Symbol.asyncIterator]: () => inner } })),
  };
  const watch = inProcessPipeline(pipeline as unknown as Pipeline).watch(asked);
  return { watch, ended, events: watch[Symbol.asyncIterator]() };
}

const added = (name: string) => ({ type: 'ADDED', object: { object: () => ({ metadata: { name } }) } });
const broken = {
  type: 'ADDED',
  object: {
    object: () => {
      throw new Error('cannot be read');
    },
  },
};

test('the events of batches come one by one, empty ones left out', async () => {
  const { events, ended } = watchOf([[added('a'), added('b')], [], [added('c')]]);
  const names: string[] = [];
  for await (const { object } of { [Symbol.asyncIterator]: () => events }) {
    names.push(object.metadata.name ?? '');
    if (names.length === 3) break;
  }
  expect(names).toEqual(['a', 'b', 'c']);
  expect(ended).toEqual({ batches: 1, record: 1 });
  expect(await events.next()).toEqual({ done: true, value: undefined });
});

for (const { where, batches } of [
  { where: 'first', batches: [[broken, added('a')]] },
  { where: 'later', batches: [[added('a'), broken]] },
])
  test(`an event that cannot be read, ${where} in its batch, ends the watch and what is behind it`, async () => {
    const { events, ended } = watchOf(batches);
    const all = async () => {
      for await (const _ of { [Symbol.asyncIterator]: () => events });
    };
    await expect(all()).rejects.toThrow('cannot be read');
    expect(ended).toEqual({ batches: 1, record: 1 });
    expect(await events.next()).toEqual({ done: true, value: undefined });
  });

test('a watch that is ended while it waits for an event is over', async () => {
  const { events, ended } = watchOf([]);
  const next = events.next();
  await Promise.resolve();
  await events.return?.();
  expect(await next).toEqual({ done: true, value: undefined });
  expect(ended.record).toBe(1);
});

test('a watch that is ended while it is opened leaves nothing open', async () => {
  const opening = deferred<void>();
  const { events, ended } = watchOf([[added('a')]], opening.promise);
  const next = events.next();
  await events.return?.();
  opening.resolve();
  expect(await next).toEqual({ done: true, value: undefined });
  expect(ended).toEqual({ batches: 1, record: 1 });
});

/** Told as informers are. */
function followed(batches: unknown[][], opening?: Promise<void>) {
  const { watch, ended } = watchOf(batches, opening);
  const names: string[] = [];
  const told = { by: (_: WatchEvent): void => undefined };
  const following: Following = follow(watch, (event) => {
    names.push(event.object.metadata.name ?? '');
    told.by(event);
  });
  return { following, names, told, ended };
}

test('who is told of the events of a watch is told of none once it has stopped, not even of the same batch', async () => {
  const { following, names, told, ended } = followed([[added('a'), added('b')], [added('c')]]);
  told.by = following.stop;
  await following.ended;
  expect([names, ended.record]).toEqual([['a'], 1]);
});

test('who is told of the events of a watch hears why it has ended, and what is behind it is let go', async () => {
  const unreadable = followed([[added('a'), broken, added('b')]]);
  await expect(unreadable.following.ended).rejects.toThrow('cannot be read');
  expect([unreadable.names, unreadable.ended]).toEqual([['a'], { batches: 1, record: 1 }]);
  const refused = followed([], Promise.reject(new RangeError('refused')));
  await expect(refused.following.ended).rejects.toThrow('refused');
});

test('a watch that is followed and stopped while it is opened tells nothing, and leaves nothing open', async () => {
  const opening = deferred<void>();
  const { following, names, ended } = followed([[added('a')]], opening.promise);
  following.stop();
  opening.resolve();
  await following.ended;
  expect([names, ended.batches > 0, ended.record]).toEqual([[], true, 1]);
});

test('who follows a watch within the process gets a bookmark before its end, and none in between', async () => {
  await using cluster = await startCluster();
  const { signal } = new AbortController();
  const { resourceVersion = '' } = (await cluster.client.list(Node)).metadata;
  const seen: string[] = [];
  const watch = cluster.client.watch(Node, { resourceVersion, allowWatchBookmarks: true, signal });
  const { ended } = follow(watch, ({ type }) => seen.push(type));
  await cluster.passes('25m');
  expect(seen).toEqual([]);
  await cluster.passes('35m');
  await ended;
  expect(seen).toEqual(['BOOKMARK']);
});
