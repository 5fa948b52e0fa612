/**
 * How soon a change is seen: in the process, from the commit that makes it visible to a watcher of the cache; and over TLS, from
 * asking for it to having its event.
 */
import { silentLog } from '#base/log.ts';
import { systemClock } from '#cmd/system-clock.ts';
import { openWatchCache } from '#control-plane/apiserver/watch-cache/open-watch-cache.ts';
import { encode } from '#control-plane/apiserver/watch-cache/stored-object.ts';
import { openMemoryStorage } from '#control-plane/storage/memory.ts';
import type { Bench } from './bench.ts';
import { benchPki } from './bench-pki.ts';
import { startControlPlane } from './control-plane-process.ts';
import { startFloorServer } from './floor-server.ts';
import { type Ask, askOnce, exchange, open, type Target } from './http2-load.ts';
import { configMapsPath, createConfigMap, makeConfigMaps, makeNamespace } from './objects.ts';
import { median, type Row, timesRow } from './row.ts';
import { openWatchers } from './watchers.ts';

const NAMESPACE = 'latency';
const GROWTH = [1_000, 10_000, 100_000];
const COMMITS = 4_000;
const EVENTS = 400;
const TARGET_MS = 0.05;

export async function run(bench: Bench): Promise<Row[]> {
  const rows: Row[] = [];
  for (const size of GROWTH) {
    bench.say(`in the process, ${size} objects`);
    const times = await inProcess(size);
    rows.push({
      ...timesRow(`watch-latency/in the process, ${size} objects`, times),
      target: TARGET_MS,
      ...(size === 100_000 && {
        limit: 'promises: five turns of the microtask queue between the store and the watcher',
      }),
    });
  }
  bench.say('over TLS');
  return [...rows, await overTls(bench)];
}

/** ms from a commit to its event. The store is in memory: a disk would be most of it. */
async function inProcess(size: number): Promise<number[]> {
  const storage = openMemoryStorage();
  const put = (index: number, round: number) => {
    const { body = '' } = createConfigMap(NAMESPACE, `one-${index}`);
    const object = JSON.parse(body);
    const value = encode({ ...object, metadata: { ...object.metadata, namespace: NAMESPACE, generation: round } });
    return { put: `/registry/configmaps/${NAMESPACE}/one-${index}`, value };
  };
  for (let index = 0; index < size; index++) await storage.commit({ when: [], then: [put(index, 0)] });
  const prefix = '/registry/configmaps/';
  const cache = openWatchCache({ storage, prefix, namespaced: true, clock: systemClock, log: silentLog });
  await cache.ready();
  const stop = new AbortController();
  let seen: (atMs: number) => void = () => undefined;
  const watching = (async () => {
    for await (const _ of cache.watch({ after: cache.revision, signal: stop.signal })) seen(performance.now());
  })();
  const times: number[] = [];
  for (let round = 1; round <= COMMITS; round++) {
    const event = new Promise<number>((resolve) => {
      seen = resolve;
    });
    const write = put(round % size, round);
    const began = performance.now();
    const committed = storage.commit({ when: [], then: [write] });
    times.push((await event) - began);
    await committed;
  }
  stop.abort();
  await watching;
  await cache.close();
  await storage.close();
  return times.slice(COMMITS / 4);
}

async function overTls(bench: Bench): Promise<Row> {
  const { target } = await startControlPlane(bench);
  await makeNamespace(target, NAMESPACE);
  await makeConfigMaps(target, NAMESPACE, { name: 'one', from: 0, count: 100 });
  const list = JSON.parse((await askOnce(target, { path: configMapsPath(NAMESPACE) })).toString()) as {
    metadata: { resourceVersion: string };
  };
  const from = `${configMapsPath(NAMESPACE)}?watch=1&resourceVersion=${list.metadata.resourceVersion}`;
  const own = await seenOneByOne(target, { watch: from, change });
  const floor = await startFloorServer(bench, await benchPki(bench));
  await floor.sends(own.event);
  const least = await seenOneByOne(floor.target, {
    watch: '/watch',
    change: () => ({ method: 'POST', path: '/emit', body: '{}' }),
  });
  const note = 'node:http2 over TLS writing the same event, nothing stored';
  return timesRow('watch-latency/over TLS', own.times, { value: median(least.times), note });
}

const change = (n: number): Ask => ({
  method: 'PATCH',
  path: `${configMapsPath(NAMESPACE)}/one-${n % 100}`,
  contentType: 'application/merge-patch+json',
  body: JSON.stringify({ data: { changed: String(n) } }),
});

async function seenOneByOne(
  target: Target,
  { watch, change }: { watch: string; change(n: number): Ask },
): Promise<{ times: number[]; event: Buffer }> {
  const watchers = await openWatchers(target, watch, 1);
  const session = await open(target);
  const times: number[] = [];
  for (let n = 0; n < EVENTS; n++) {
    const seen = watchers.haveHad(1);
    const began = performance.now();
    await exchange(session, change(n));
    times.push((await seen) - began);
  }
  session.destroy();
  watchers.close();
  return { times: times.slice(EVENTS / 4), event: watchers.firstEvent() };
}
