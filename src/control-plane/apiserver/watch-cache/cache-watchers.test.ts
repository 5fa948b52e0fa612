import { expect, test } from 'vitest';
import type { Change } from './cache-event.ts';
import type { CachedState } from './cached-state.ts';
import { CacheWatcher } from './cache-watchers.ts';
import type { ObjectSet } from './object-set.ts';
import type { CacheEvent, WatchOptions } from './watch-cache.ts';

/** Its selection cannot be evaluated of what is `unreadable`. */
function watcher() {
  const objects = {
    selects(_: WatchOptions, state: CachedState) {
      if ((state as unknown as string) === 'unreadable') throw new RangeError('cannot be read');
      return true;
    },
  } as unknown as ObjectSet;
  const made = new CacheWatcher({} as WatchOptions, { objects, limit: 3, after: 0 });
  let revision = 0;
  const change = (now: string) => {
    const event = { revision: ++revision };
    const asked = { ...event, before: undefined, now, eventFor: () => event };
    made.offer(asked as unknown as Change);
  };
  return { made, change };
}
const revisions = (events: readonly CacheEvent[]) => events.map(({ revision }) => revision);
/** All that is due by now has been done, and the process goes on. */
const turn = () => new Promise((resolve) => setImmediate(resolve));

test('what ended a watch whose events are handed over is told once, and that is the end of it', async () => {
  const { made, change } = watcher();
  const taken: number[][] = [];
  const ended = made.handTo((events) => taken.push(revisions(events)));
  change('a');
  await turn();
  change('unreadable');
  await expect(ended).rejects.toThrow('cannot be read');
  change('b');
  await turn();
  expect([taken, made.ended]).toEqual([[[1]], true]);
});

test('what ended it while it was handed something is told as well', async () => {
  const { made, change } = watcher();
  const ended = made.handTo(() => change('unreadable'));
  change('a');
  await expect(ended).rejects.toThrow('cannot be read');
  await turn();
});

test('a taker that writes is handed what came of it afterwards, in order, and nothing once it has ended the watch', async () => {
  const { made, change } = watcher();
  const told: string[] = [];
  const ended = made.handTo((events) => {
    const [revision] = revisions(events);
    told.push(`${revision} begins`);
    if (revision! < 3) change('next');
    else made.end();
    change('again');
    told.push(`${revision} is done with`);
  });
  change('first');
  await ended;
  await turn();
  const deliveries = ['1', '2', '4'].flatMap((first) => [`${first} begins`, `${first} is done with`]);
  expect(told).toEqual(deliveries);
});
