import { expect, test } from 'vitest';
import { CachedState } from '../watch-cache/cached-state.ts';
import { initialEvents } from '../watch-cache/initial-events.ts';
import { encode } from '../watch-cache/stored-object.ts';
import type { CacheEvent, ServedForm } from '../watch-cache/watch-cache.ts';
import { jsonSlices, slicesOf } from './frame-slices.ts';

const FORM: ServedForm = { apiVersion: 'v1', kind: 'Thing' };
const LIMIT = 32 * 1024;

/** Initial events of objects, each with so many bytes of text. */
function eventsOf(sizes: readonly number[]): CacheEvent[] {
  const context = {
    prefix: '/registry/things/',
    namespaced: true,
    decode: (bytes: Uint8Array) => JSON.parse(`${bytes}`),
  };
  const states = sizes.map((size, index) => {
    const metadata = { name: `t${index}`, namespace: 'a', uid: 'u', resourceVersion: '', creationTimestamp: 't' };
    const value = encode({ kind: 'Thing', apiVersion: 'v1', metadata, text: 'é'.repeat(size / 2) } as never);
    const key = `/registry/things/a/t${index}`;
    return new CachedState({ key, value, createRevision: 1, modRevision: index + 1, version: 1 } as never, context);
  });
  return [...initialEvents(states, { revision: sizes.length, closed: true })].flat();
}

const ways = {
  'of the bytes of the cache': (events: readonly CacheEvent[]) => [...jsonSlices(events, FORM)],
  'of frames made for it': (events: readonly CacheEvent[]) => [...slicesOf(events, (event) => event.frame(FORM))],
};

test.each(Object.entries(ways))('slices %s are whole frames, and small', (_, slices) => {
  const events = eventsOf([10_000, 20_000, 10, 3_000, 40_000, 12, 14]);
  const cut = slices(events);
  expect(Buffer.concat(cut).toString()).toBe(events.map((event) => Buffer.from(event.frame(FORM)).toString()).join(''));
  const counts = cut.map((slice) => Buffer.from(slice).toString().trimEnd().split('\n').length);
  expect(counts).toEqual([3, 1, 1, 3]);
  expect(cut.filter(({ length }) => length > LIMIT)).toHaveLength(1);
});

test('nothing that is made of an initial event is kept', () => {
  const [event] = eventsOf([10]);
  expect(event!.frame(FORM)).not.toBe(event!.frame(FORM));
  expect(event!.memo(FORM, 'x', () => ({}))).not.toBe(event!.memo(FORM, 'x', () => ({})));
});
