import { expect, test } from 'vitest';
import { silentLog } from '#base/log.ts';
import { ManualClock } from '#base/manual-clock.ts';
import { openMemoryStorage } from '#control-plane/storage/memory.ts';
import { keepHistoryShort } from './history-retention.ts';

test('each prefix forgets what is older than its time, and nothing younger', async () => {
  const storage = openMemoryStorage();
  const clock = new ManualClock();
  const stop = new AbortController();
  const rules = [
    { prefix: '/registry/leases/', keepMs: 60_000 },
    { prefix: '/registry/', keepMs: 180_000 },
  ];
  keepHistoryShort({ storage, rules, clock, log: silentLog, signal: stop.signal, everyMs: 60_000 });
  const minute = async () => {
    await storage.commit({ when: [], then: [{ put: '/registry/leases/a', value: Buffer.from(String(clock.now())) }] });
    clock.advance(60_000);
    for (let turn = 0; turn < 20; turn++) await new Promise((done) => setImmediate(done));
  };
  await minute();
  const first = await storage.currentRevision();
  await minute();
  expect(await storage.compactedRevision('/registry/leases/')).toBe(first);
  expect(await storage.compactedRevision('/registry/pods/')).toBeLessThan(first);
  for (let i = 0; i < 2; i++) await minute();
  expect(await storage.compactedRevision('/registry/pods/')).toBe(first);
  stop.abort();
  await storage.close();
});
