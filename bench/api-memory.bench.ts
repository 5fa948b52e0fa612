/** What 1,000, 10,000 and 100,000 ConfigMaps of 2 KB take of memory, and how long collecting garbage stops everything meanwhile. */
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { Bench } from './bench.ts';
import { startControlPlane } from './control-plane-process.ts';
import { makeConfigMaps, makeNamespace } from './objects.ts';
import { memoryOf } from './process-usage.ts';
import { quantile, type Row, sizeRow } from './row.ts';

const NAMESPACE = 'memory';
const GROWTH = [1_000, 10_000, 100_000];
const OBJECT_BYTES = 2_100;
const SETTLE_MS = 1_000;
const LIMIT =
  'the bytes of each object, 0.7 KB for its entries in the store, the cache and the graph of owners, and a third of it all garbage of the writes that is not collected yet; parsed forms are kept of 10,000 at most';

export async function run(bench: Bench): Promise<Row[]> {
  const { target, pid, logFile } = await startControlPlane(bench, undefined, ['--trace-gc']);
  await makeNamespace(target, NAMESPACE);
  const rows: Row[] = [];
  let there = 0;
  for (const size of GROWTH) {
    bench.say(`${size} ConfigMaps`);
    const before = pausesIn(logFile).length;
    await makeConfigMaps(target, NAMESPACE, { name: 'one', from: there, count: size - there });
    there = size;
    await delay(SETTLE_MS);
    const { anonymous, file } = memoryOf(pid);
    const floor = { value: (size * OBJECT_BYTES) / 1e6, note: 'the bytes of the objects' };
    const wanted = size === 100_000 ? { target: 500, limit: LIMIT } : {};
    rows.push({ ...sizeRow(`api-memory/${size} objects, RssAnon`, 'MB', { value: anonymous, floor }), ...wanted });
    rows.push(sizeRow(`api-memory/${size} objects, RssFile`, 'MB', { value: file, floor }));
    const pauses = pausesIn(logFile).slice(before);
    const spread = { p50: quantile(pauses, 0.5), p99: quantile(pauses, 0.99) };
    const longest = sizeRow(`api-memory/${size} objects, longest GC pause`, 'ms', {
      value: Math.max(...pauses),
      ...spread,
    });
    rows.push(longest);
  }
  return rows;
}

/** ms, one a collection. */
const pausesIn = (logFile: string): number[] =>
  [...readFileSync(logFile, 'utf8').matchAll(/ MB, (?:pooled: [\d.]+ MB, )?([\d.]+) \/ /g)].map(([, ms]) => Number(ms));
