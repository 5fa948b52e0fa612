import { afterEach, beforeEach, expect, test } from 'vitest';
import { silentLog } from '#base/log.ts';
import { ManualClock } from '#base/manual-clock.ts';
import { type Retention, runCompaction } from './compaction.ts';
import { openMemoryStorage } from './memory.ts';
import type { Storage } from './storage.ts';

const MINUTE = 60_000;
let storage: Storage;
let clock: ManualClock;
let stop: AbortController;
let running: Promise<void>;

const run = (retention?: Retention[]) => {
  running = runCompaction({ storage, clock, log: silentLog, ...(retention && { retention }), signal: stop.signal });
};
const put = async (key: string, value: string) =>
  (await storage.commit({ when: [], then: [{ put: key, value: Buffer.from(value) }] })).revision;
/** Until it sleeps again: then the clock has its next timer. */
const asleep = async () => {
  while (clock.nextDueMs === undefined) await Promise.resolve();
};
const minutes = async (count: number) => {
  for (let minute = 0; minute < count; minute++) {
    await asleep();
    clock.advance(MINUTE);
  }
  await asleep();
};

beforeEach(() => {
  storage = openMemoryStorage();
  clock = new ManualClock();
  stop = new AbortController();
});
afterEach(async () => {
  stop.abort();
  await running;
  await storage.close();
});

test('history is kept for its time, and short-lived kinds have less', async () => {
  run([
    { prefix: '', historyMs: 10 * MINUTE },
    { prefix: '/registry/leases/', historyMs: 2 * MINUTE },
  ]);
  await minutes(1);
  await put('/registry/pods/a/1', 'x'); // 2
  await put('/registry/leases/a/1', 'x'); // 3
  await minutes(4);
  expect(await storage.compactedRevision('/registry/pods/')).toBe(0);
  expect(await storage.compactedRevision('/registry/leases/')).toBe(3);
  await minutes(8);
  expect(await storage.compactedRevision('/registry/pods/')).toBe(3);
});

test('nothing younger than its time is forgotten, though nobody looked when it was written', async () => {
  await put('/a/1', 'x');
  run([{ prefix: '', historyMs: 5 * MINUTE }]);
  await minutes(4);
  expect(await storage.compactedRevision('')).toBe(0);
  await minutes(1);
  expect(await storage.compactedRevision('')).toBe(2);
});

test('history is bounded by count, however young', async () => {
  run([{ prefix: '', historyMs: Number.POSITIVE_INFINITY, historyRevisions: 3 }]);
  for (let index = 0; index < 9; index++) await put('/a/1', `${index}`);
  await minutes(1);
  expect(await storage.compactedRevision('')).toBe(7);
});

test('unless told otherwise history lasts for minutes: who waits for the end of a list that it began need not wait for ten', async () => {
  run();
  const begun = await storage.currentRevision();
  await put('/registry/pods/a/1', 'x');
  await minutes(5);
  expect(await storage.compactedRevision('/registry/pods/')).toBeLessThanOrEqual(begun);
  await minutes(4);
  expect(await storage.compactedRevision('/registry/pods/')).toBeGreaterThan(begun);
});
