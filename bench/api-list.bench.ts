/**
 * Lists of 100 to 100,000 pods, consistently, one after the other: whole, until the first byte, squeezed, and what others wait
 * for meanwhile.
 */
import { Pod } from '#api/core/v1/pod.ts';
import { silentLog } from '#base/log.ts';
import { systemClock } from '#cmd/system-clock.ts';
import { listChunks } from '#control-plane/apiserver/http/body-chunks.ts';
import { openWatchCache } from '#control-plane/apiserver/watch-cache/open-watch-cache.ts';
import { encode, storageKey } from '#control-plane/apiserver/watch-cache/stored-object.ts';
import { openMemoryStorage } from '#control-plane/storage/memory.ts';
import type { Bench } from './bench.ts';
import { benchPki } from './bench-pki.ts';
import { startBusyLister } from './busy-lister.ts';
import { type ControlPlaneProcess, startControlPlane } from './control-plane-process.ts';
import { type FloorServer, startFloorServer } from './floor-server.ts';
import { askOnce, exchange, type Load, load, open, request, type Target } from './http2-load.ts';
import { makePods, podBody, podsPath } from './objects.ts';
import { cpuMicrosecondsEach } from './process-usage.ts';
import { median, type Row, sizeRow, timesRow } from './row.ts';
import { mergedLoad, ROUNDS, turnAbout } from './turns.ts';

const SIZES = [
  { pods: 100, lists: 200 },
  { pods: 1_000, lists: 100 },
  { pods: 10_000, lists: 32 },
];
const LARGE = 10_000;
const GROWTH = [1_000, 10_000, 100_000];
const WARM_UP = 10;
const FIRST_BYTES = 20;
const SQUEEZED = 8;
const MEANWHILE_MS = 1_000;
const NOTE = 'node:http2 over TLS sending the same bytes';
/** What the design allows, in ms; of the whole: so many times the floor. */
const TARGETS = { javaScript: 15, firstByte: 10, others: 20, floors: 1.5 };
const LIMIT =
  'copying and encrypting 30 MB on one thread; the bytes are there already, in 256 KB pieces that let others in between';

export async function run(bench: Bench): Promise<Row[]> {
  const rows: Row[] = [];
  for (const size of GROWTH) rows.push(await javaScriptBeforeFirst(size));
  const server = await startControlPlane(bench);
  const floor = await startFloorServer(bench, await benchPki(bench));
  for (const size of SIZES) {
    bench.say(`${size.lists} lists of ${size.pods} pods`);
    await makePods(server.target, namespaceOf(size.pods), size.pods);
    rows.push(...(await whole(server, floor, size)));
  }
  bench.say('first bytes, squeezed lists, and others meanwhile');
  const path = podsPath(namespaceOf(LARGE));
  const first = await timesOf(FIRST_BYTES, () => firstByte(server.target, path));
  rows.push({ ...timesRow(`api-list/${LARGE} pods, first byte`, first), target: TARGETS.firstByte });
  const squeezed = await timesOf(SQUEEZED, () => squeezedList(server.target, path));
  rows.push(timesRow(`api-list/${LARGE} pods, gzip`, squeezed));
  rows.push(await othersMeanwhile(bench, server.target, path));
  return rows;
}

const namespaceOf = (pods: number): string => `list-${pods}`;

async function whole(
  { target, pid }: ControlPlaneProcess,
  floor: FloorServer,
  { pods, lists }: (typeof SIZES)[number],
): Promise<Row[]> {
  const ask = () => ({ path: podsPath(namespaceOf(pods)) });
  const fixed = () => ({ path: '/fixed' });
  await floor.sends(await askOnce(target, ask()));
  await load(target, { ask, requests: WARM_UP, atOnce: 1 });
  await load(floor.target, { ask: fixed, requests: WARM_UP, atOnce: 1 });
  const piece = { requests: lists / ROUNDS, atOnce: 1 };
  const asked = ({ times }: Load) => times.length;
  const pieces = await turnAbout(
    ROUNDS,
    () => cpuMicrosecondsEach(pid, () => load(target, { ask, ...piece }), asked),
    () => cpuMicrosecondsEach(floor.pid, () => load(floor.target, { ask: fixed, ...piece }), asked),
  );
  const own = mergedLoad(pieces.own);
  const least = mergedLoad(pieces.floor);
  const name = `api-list/${pods} pods`;
  const value = median(least.times);
  const wanted = pods === LARGE ? { target: TARGETS.floors * value, limit: LIMIT } : {};
  return [
    { ...timesRow(name, own.times, { value, note: NOTE }), ...wanted },
    sizeRow(`${name}, CPU of the server`, 'µs', { value: own.cpu, floor: { value: least.cpu, note: NOTE } }),
  ];
}

/** In this process, without HTTP: what the event loop is held for until the first two pieces of an answer are there. */
async function javaScriptBeforeFirst(size: number): Promise<Row> {
  const storage = openMemoryStorage();
  for (let n = 0; n < size; n++) {
    const pod = JSON.parse(podBody(`pod-${n}`));
    const value = encode({ ...pod, metadata: { ...pod.metadata, namespace: 'list' } });
    await storage.commit({
      when: [],
      then: [{ put: storageKey(Pod, { namespace: 'list', name: `pod-${n}` }), value }],
    });
  }
  const prefix = '/registry/pods/';
  const cache = openWatchCache({ storage, prefix, namespaced: true, clock: systemClock, log: silentLog });
  await cache.ready();
  const times = await timesOf(FIRST_BYTES, async () => {
    const began = performance.now();
    const chunks = listChunks(Pod, await cache.list({ freshness: 'any' }));
    chunks.next();
    chunks.next();
    return performance.now() - began;
  });
  await cache.close();
  await storage.close();
  const row = timesRow(`api-list/${size} pods, JavaScript before the first chunk`, times);
  return size === LARGE ? { ...row, target: TARGETS.javaScript } : row;
}

/** ms until the first byte of the body; the rest is read as well, so that the next one finds the server idle. */
async function firstByte(target: Target, path: string): Promise<number> {
  const session = await open(target);
  try {
    return await new Promise<number>((resolve, reject) => {
      const began = performance.now();
      let firstMs = 0;
      const stream = request(session, { path });
      stream.once('data', () => {
        firstMs = performance.now() - began;
      });
      stream.resume();
      stream.once('error', reject);
      stream.once('end', () => resolve(firstMs));
    });
  } finally {
    session.destroy();
  }
}

async function squeezedList(target: Target, path: string): Promise<number> {
  const session = await open(target);
  try {
    return await new Promise<number>((resolve, reject) => {
      const began = performance.now();
      const stream = session.request({ ':path': path, 'accept-encoding': 'gzip' });
      stream.end();
      stream.once('response', (headers) => {
        if (headers['content-encoding'] !== 'gzip') reject(new Error('the list was not squeezed'));
      });
      stream.resume();
      stream.once('error', reject);
      stream.once('end', () => resolve(performance.now() - began));
    });
  } finally {
    session.destroy();
  }
}

/** Single GETs of a second in which somebody else lists without a pause. */
async function othersMeanwhile(bench: Bench, target: Target, path: string): Promise<Row> {
  const lister = await startBusyLister(bench, { target, path });
  const session = await open(target);
  const times: number[] = [];
  for (const began = performance.now(); performance.now() - began < MEANWHILE_MS; ) {
    const start = performance.now();
    await exchange(session, { path: `${path}/pod-0` });
    times.push(performance.now() - start);
  }
  session.destroy();
  const lists = await lister.stop();
  bench.say(`${times.length} GETs beside ${lists} lists`);
  const row = timesRow(`api-list/${LARGE} pods, other requests meanwhile, p99`, times);
  return { ...row, value: row.p99 ?? Number.NaN, target: TARGETS.others };
}

async function timesOf(rounds: number, once: () => Promise<number>): Promise<number[]> {
  const times: number[] = [];
  for (let round = 0; round < rounds; round++) times.push(await once());
  return times;
}
