/** Creating pods by 1, 8 and 64 callers: TLS, authentication, admission, validation, and a write that is on disk when it is answered. */
import { join } from 'node:path';
import { open } from 'lmdb';
import type { Bench } from './bench.ts';
import { startControlPlane } from './control-plane-process.ts';
import { askOnce, load } from './http2-load.ts';
import { createPod, makeNamespace, podsPath } from './objects.ts';
import { cpuMicrosecondsEach } from './process-usage.ts';
import { median, type Row, rateRow, sizeRow } from './row.ts';
import { mergedLoad, ROUNDS, turnAbout } from './turns.ts';

const CALLERS = [
  { atOnce: 1, requests: 500 },
  { atOnce: 8, requests: 3_000 },
  { atOnce: 64, requests: 8_000 },
];
const WARM_UP = 3_000;

export async function run(bench: Bench): Promise<Row[]> {
  const { target, pid } = await startControlPlane(bench);
  await makeNamespace(target, 'create');
  const pods = (label: string) => (n: number) => createPod('create', `${label}-${n}`);
  await load(target, { ask: pods('warm-up'), requests: WARM_UP, atOnce: 64 });
  const stored = await askOnce(target, { path: `${podsPath('create')}/warm-up-0` });
  const commit = await rawCommits(bench, stored);
  const rows: Row[] = [];
  for (const { atOnce, requests } of CALLERS) {
    bench.say(`${requests} pods by ${atOnce}`);
    const count = requests / ROUNDS;
    const pieces = await turnAbout(
      ROUNDS,
      (round) =>
        cpuMicrosecondsEach(
          pid,
          () => load(target, { ask: pods(`by-${atOnce}-${round}`), requests: count, atOnce }),
          ({ times }) => times.length,
        ),
      (round) => commit(`by-${atOnce}-${round}`, { callers: atOnce, count }),
    );
    const own = mergedLoad(pieces.own);
    const floor = { value: median(pieces.floor), note: 'durable LMDB commits of the same bytes' };
    rows.push(rateRow(`api-create/${atOnce} callers`, { ...own, floor }));
    rows.push(sizeRow(`api-create/${atOnce} callers, CPU of the server`, 'µs', { value: own.cpu }));
  }
  return rows;
}

/** Commits a second of as many callers, each of which waits for its own to be on disk. */
async function rawCommits(
  bench: Bench,
  value: Buffer,
): Promise<(name: string, size: { callers: number; count: number }) => Promise<number>> {
  const path = join(await bench.folder(), 'floor.mdb');
  const table = open<Buffer, string>({ path, noSubdir: true, encoding: 'binary', cache: false });
  bench.atEnd(() => table.close());
  return async (name, { callers, count }) => {
    let next = 0;
    const caller = async () => {
      while (next < count) {
        await table.put(`/registry/pods/create/${name}-${next++}`, value);
        await table.flushed;
      }
    };
    const began = performance.now();
    await Promise.all(Array.from({ length: callers }, caller));
    return count / ((performance.now() - began) / 1000);
  };
}
