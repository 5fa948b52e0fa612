/**
 * Creating ConfigMaps of 2 KB by 1, 8 and 64 callers: TLS, authentication, admission, validation, and a write that is on disk
 * when it is answered; and how that changes when 1,000, 10,000 and 100,000 are there already.
 */
import { join } from 'node:path';
import { open } from 'lmdb';
import { silentLog } from '#base/log.ts';
import { systemClock } from '#cmd/system-clock.ts';
import { connectEtcdStorage } from '#control-plane/storage/etcd.ts';
import { etcdIsInstalled, startEtcd } from '../test/integration/storage/etcd-server.ts';
import type { Bench } from './bench.ts';
import { type ControlPlaneProcess, startControlPlane } from './control-plane-process.ts';
import { frameLoad } from './frame-load.ts';
import { askOnce } from './http2-load.ts';
import { configMapsPath, createConfigMap, makeConfigMaps, makeNamespace } from './objects.ts';
import { cpuMicrosecondsEach } from './process-usage.ts';
import { median, type Row, rateRow, sizeRow } from './row.ts';
import { mergedLoad, ROUNDS, turnAbout } from './turns.ts';

const CALLERS = [
  { atOnce: 1, requests: 400 },
  { atOnce: 8, requests: 3_000 },
  { atOnce: 64, requests: 10_000 },
];
const WARM_UP = 4_000;
const GROWTH = [1_000, 10_000, 100_000];
const GROWN_REQUESTS = 4_000;
const NAMESPACE = 'create';
const LIMIT =
  'one thread: decoding, validation, the account of managed fields, HTTP/2 and collecting garbage share it in about equal parts; the disk does ten times as much, and 100,000 objects there cost nothing more';

export async function run(bench: Bench): Promise<Row[]> {
  const server = await startControlPlane(bench);
  const { target } = server;
  await makeNamespace(target, NAMESPACE);
  await makeConfigMaps(target, NAMESPACE, { name: 'warm-up', from: 0, count: WARM_UP });
  const stored = await askOnce(target, { path: `${configMapsPath(NAMESPACE)}/warm-up-0` });
  const commit = await rawCommits(bench, stored);
  const rows: Row[] = [];
  for (const size of CALLERS) {
    bench.say(`${size.requests} ConfigMaps by ${size.atOnce}`);
    rows.push(...(await byCallers(server, commit, size)));
  }
  rows.push(...(await etcdPuts(bench, stored)));
  let there = WARM_UP + CALLERS.reduce((sum, { requests }) => sum + requests, 0);
  for (const size of GROWTH) {
    bench.say(`with ${size} there`);
    if (size > there) await makeConfigMaps(target, NAMESPACE, { name: 'more', from: there, count: size - there });
    there = Math.max(there, size);
    if (size < WARM_UP) continue; // the rates above are of so few
    const ask = (n: number) => createConfigMap(NAMESPACE, `at-${size}-${n}`);
    const load = await frameLoad(target, { ask, requests: GROWN_REQUESTS, atOnce: 64 });
    rows.push(rateRow(`api-create/64 callers, ${size} objects there`, load));
  }
  return rows;
}

type RawCommit = (name: string, size: { callers: number; count: number }) => Promise<number>;

async function byCallers(
  { target, pid }: ControlPlaneProcess,
  commit: RawCommit,
  { atOnce, requests }: (typeof CALLERS)[number],
): Promise<Row[]> {
  const count = requests / ROUNDS;
  const pieces = await turnAbout(
    ROUNDS,
    (round) => {
      const ask = (n: number) => createConfigMap(NAMESPACE, `by-${atOnce}-${round}-${n}`);
      const act = () => frameLoad(target, { ask, requests: count, atOnce });
      return cpuMicrosecondsEach(pid, act, ({ times }) => times.length);
    },
    (round) => commit(`by-${atOnce}-${round}`, { callers: atOnce, count }),
  );
  const own = mergedLoad(pieces.own);
  const floor = { value: median(pieces.floor), note: 'durable LMDB commits of the same bytes' };
  const wanted = atOnce === 64 ? { target: 4_000, limit: LIMIT } : {};
  return [
    { ...rateRow(`api-create/${atOnce} callers`, { ...own, floor }), ...wanted },
    sizeRow(`api-create/${atOnce} callers, CPU of the server`, 'µs', { value: own.cpu }),
  ];
}

/** Commits a second of as many callers, each of which waits for its own to be on disk. */
async function rawCommits(bench: Bench, value: Buffer): Promise<RawCommit> {
  const path = join(await bench.folder(), 'floor.mdb');
  const table = open<Buffer, string>({ path, noSubdir: true, encoding: 'binary', cache: false });
  bench.atEnd(() => table.close());
  return async (name, { callers, count }) =>
    perSecondOf(callers, count, async (n) => {
      await table.put(`/registry/configmaps/create/${name}-${n}`, value);
      await table.flushed;
    });
}

/** What etcd itself does with the same bytes and as many callers; nothing where there is no etcd. */
async function etcdPuts(bench: Bench, value: Buffer): Promise<Row[]> {
  if (!etcdIsInstalled) return [];
  bench.say('puts into etcd');
  const server = await startEtcd();
  bench.atEnd(() => server.stop());
  const storage = await connectEtcdStorage({ endpoints: [server.endpoint], clock: systemClock, log: silentLog });
  const put = (name: string) => (n: number) =>
    storage.commit({ when: [], then: [{ put: `/registry/configmaps/create/${name}-${n}`, value }] });
  await perSecondOf(64, 2_000, put('warm-up'));
  const perSecond = await perSecondOf(64, 8_000, put('put'));
  await storage.close();
  return [rateRow('api-create/64 callers, etcd alone', { perSecond })];
}

async function perSecondOf(callers: number, count: number, one: (n: number) => Promise<unknown>): Promise<number> {
  let next = 0;
  const caller = async () => {
    while (next < count) await one(next++);
  };
  const began = performance.now();
  await Promise.all(Array.from({ length: callers }, caller));
  return count / ((performance.now() - began) / 1000);
}
