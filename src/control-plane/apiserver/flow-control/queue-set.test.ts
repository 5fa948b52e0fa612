import { describe, expect, test } from 'vitest';
import { ManualClock } from '#base/manual-clock.ts';
import { requestInfoOf } from '../request-info.ts';
import { FlowStatistics } from './flow-statistics.ts';
import { QueueSet, type QueuingMode } from './queue-set.ts';
import type { Work } from './work.ts';

const info = requestInfoOf('GET', '/api/v1/namespaces/a/pods/b');

function fixture({ mode, limit }: { mode: QueuingMode; limit: number }) {
  const clock = new ManualClock();
  const set = new QueueSet(clock, { mode, limit });
  const statistics = new FlowStatistics('level', 'schema');
  const start = (
    distinguisher: string,
    { seats = 1, finalSeats = 0, lingerMs = 0, signal = undefined as AbortSignal | undefined } = {},
  ) =>
    set.start(
      {
        distinguisher,
        statistics,
        estimate: { initialSeats: seats, finalSeats, lingerMs },
        info,
        user: { name: distinguisher, groups: [] },
      },
      () => ({ limitMs: 15_000, ...(signal && { signal }) }),
    );
  return { clock, set, statistics, start };
}

const QUEUES = { queues: 16, handSize: 2, queueLengthLimit: 3 };

test('a request that finds a seat begins without a promise', () => {
  const { start, set } = fixture({ mode: QUEUES, limit: 2 });
  const work = start('a') as Work;
  expect(work).not.toBeInstanceOf(Promise);
  expect(work.startedMs).toBeDefined();
  expect(set.seatsInUse).toBe(1);
  work.finish();
  work.finish();
  expect([set.seatsInUse, set.executing, set.isIdle]).toEqual([0, 0, true]);
});

test('who finds no seat waits, and begins when one is free', async () => {
  const { start, set } = fixture({ mode: QUEUES, limit: 1 });
  const first = start('a') as Work;
  const second = start('b');
  expect(second).toBeInstanceOf(Promise);
  expect([set.waiting, set.waitingSeats]).toEqual([1, 1]);
  first.finish();
  expect((await second)?.startedMs).toBeDefined();
  expect([set.waiting, set.executing]).toEqual([0, 1]);
});

test('a queue takes so many and no more', () => {
  const { start, set, statistics } = fixture({ mode: { queues: 1, handSize: 1, queueLengthLimit: 3 }, limit: 1 });
  const all = Array.from({ length: 5 }, () => start('a'));
  expect(all[4]).toBeUndefined();
  expect([set.waiting, set.rejected]).toEqual([3, 1]);
  expect(statistics.rejected.get('queue-full')).toBe(1);
});

test('a level without queues turns away at once', () => {
  const { start, statistics } = fixture({ mode: 'reject', limit: 1 });
  expect(start('a')).toBeDefined();
  expect(start('a')).toBeUndefined();
  expect(statistics.rejected.get('concurrency-limit')).toBe(1);
});

test('nobody waits in the exempt level, whatever its seats', () => {
  const { start, set } = fixture({ mode: 'exempt', limit: 0 });
  for (let i = 0; i < 1000; i++) expect((start('a') as Work).startedMs).toBeDefined();
  expect(set.executing).toBe(1000);
});

test('who has waited for too long, or has gone, leaves the queue', async () => {
  const { start, set, clock, statistics } = fixture({ mode: QUEUES, limit: 1 });
  start('a');
  const gone = new AbortController();
  const impatient = start('b', { signal: gone.signal });
  const patient = start('c');
  gone.abort();
  expect(await impatient).toBeUndefined();
  clock.advance(15_000);
  expect(await patient).toBeUndefined();
  expect([...statistics.rejected]).toEqual([
    ['cancelled', 1],
    ['time-out', 1],
  ]);
  expect([set.waiting, set.waitingSeats, set.executing]).toEqual([0, 0, 1]);
});

test('seats are held after the answer for as long as the work of others goes on', async () => {
  const { start, set, clock } = fixture({ mode: QUEUES, limit: 3 });
  const wide = start('a', { finalSeats: 3, lingerMs: 50 }) as Work;
  const next = start('b');
  wide.finish();
  expect([set.executing, set.seatsInUse, set.waiting]).toEqual([0, 3, 1]);
  clock.advance(50);
  expect((await next)?.seats).toBe(1);
  expect(set.seatsInUse).toBe(1);
});

test('what wants more seats than there are begins when it is alone', async () => {
  const { start } = fixture({ mode: QUEUES, limit: 2 });
  const small = start('a') as Work;
  const huge = start('b', { seats: 10 });
  expect(huge).toBeInstanceOf(Promise);
  small.finish();
  expect((await huge)?.seats).toBe(10);
});

describe('fairness', () => {
  test('a flow that floods the level leaves the other its share', async () => {
    const { start, clock } = fixture({ mode: { queues: 64, handSize: 6, queueLengthLimit: 500 }, limit: 4 });
    const done = { elephant: 0, mouse: 0 };
    const served = async (name: keyof typeof done) => {
      const work = await start(name);
      if (!work) return;
      clock.timer(10, () => {
        done[name]++;
        work.finish();
      });
    };
    for (let i = 0; i < 400; i++) void served('elephant');
    for (let i = 0; i < 40; i++) void served('mouse');
    for (let i = 0; i < 60; i++) {
      for (let turn = 0; turn < 4; turn++) await Promise.resolve();
      clock.advance(5);
    }
    expect(done.mouse).toBe(40);
    expect(done.elephant).toBeLessThan(400);
  });

  test('flows with equal claims are served in turn, though one of them came first with all of its requests', async () => {
    const { start } = fixture({ mode: { queues: 64, handSize: 1, queueLengthLimit: 50 }, limit: 1 });
    const order: string[] = [];
    const running = start('blocker') as Work;
    const all = [...'aaaa', ...'bbbb'].map(async (name) => {
      const work = await start(name);
      order.push(name);
      work?.finish();
    });
    running.finish();
    await Promise.all(all);
    expect(order.join('')).toMatch(/^(ab|ba){4}$/);
  });
});

test('queues that are too many after a change serve out what they hold', async () => {
  const { start, set } = fixture({ mode: { queues: 8, handSize: 1, queueLengthLimit: 10 }, limit: 1 });
  const running = start('x') as Work;
  const waiting = [...'abcdefgh'].map((name) => start(name) as Promise<Work>);
  set.configure({ queues: 2, handSize: 1, queueLengthLimit: 10 }, 20);
  for (const work of await Promise.all(waiting)) work.finish();
  running.finish();
  expect(set.queues.length).toBe(2);
  expect([set.isIdle, set.seatsInUse, set.waitingSeats]).toEqual([true, 0, 0]);
});

test('the demand of a period is what was used and wanted', () => {
  const { start, set, clock } = fixture({ mode: QUEUES, limit: 1 });
  const running = start('a') as Work;
  void start('b');
  clock.advance(5_000);
  running.finish();
  clock.advance(5_000);
  const { highWatermark, average } = set.demand.close(clock.monotonicMs());
  expect([highWatermark, average]).toEqual([2, 1.5]);
});
