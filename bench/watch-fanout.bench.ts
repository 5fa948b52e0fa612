/** One change to 10, 100 and 1,000 watchers over TLS: how long until the last has it, and how many events a second in a burst. */
import type { Bench } from './bench.ts';
import { benchPki } from './bench-pki.ts';
import { startControlPlane } from './control-plane-process.ts';
import { startFloorServer } from './floor-server.ts';
import { type Ask, askOnce, exchange, load, open, type Target } from './http2-load.ts';
import { makePods, podsPath } from './objects.ts';
import { median, type Row, rateRow, timesRow } from './row.ts';
import { openWatchers, type Watchers } from './watchers.ts';

const SIZES = [
  { watchers: 10, events: 200, burst: 1_000 },
  { watchers: 100, events: 100, burst: 400 },
  { watchers: 1_000, events: 30, burst: 50 },
];
const BURST_CALLERS = 8;
const NAMESPACE = 'fanout';

interface FanOut {
  times: number[];
  perSecond: number;
  event: Buffer;
}

export async function run(bench: Bench): Promise<Row[]> {
  const { target } = await startControlPlane(bench);
  const floor = await startFloorServer(bench, await benchPki(bench));
  await makePods(target, NAMESPACE, 1);
  const rows: Row[] = [];
  for (const size of SIZES) {
    bench.say(`${size.watchers} watchers`);
    const kedge = await fanOut({ target, watch: await watchFromNow(target), change: patch }, size);
    await floor.sends(kedge.event);
    const emit = () => ({ method: 'POST', path: '/emit', body: patch(0).body ?? '' });
    const least = await fanOut({ target: floor.target, watch: '/watch', change: emit }, size);
    const note = 'node:http2 over TLS writing the same event, nothing stored';
    const name = `watch-fanout/${size.watchers} watchers`;
    rows.push(timesRow(`${name}, last has it`, kedge.times, { value: median(least.times), note }));
    rows.push(rateRow(`${name}, burst`, { perSecond: kedge.perSecond, floor: { value: least.perSecond, note } }));
  }
  return rows;
}

let change = 0;
const patch = (_n: number): Ask => ({
  method: 'PATCH',
  path: `${podsPath(NAMESPACE)}/pod-0`,
  contentType: 'application/merge-patch+json',
  body: JSON.stringify({ metadata: { annotations: { 'example.com/change': String(change++) } } }),
});

async function watchFromNow(target: Target): Promise<string> {
  const list = JSON.parse((await askOnce(target, { path: podsPath(NAMESPACE) })).toString()) as {
    metadata: { resourceVersion: string };
  };
  return `${podsPath(NAMESPACE)}?watch=1&resourceVersion=${list.metadata.resourceVersion}`;
}

async function fanOut(
  server: { target: Target; watch: string; change(n: number): Ask },
  size: { watchers: number; events: number; burst: number },
): Promise<FanOut> {
  const watchers = await openWatchers(server.target, server.watch, size.watchers);
  try {
    const times = await oneByOne(server, watchers, size.events);
    const all = watchers.haveHad(size.burst);
    const began = performance.now();
    await load(server.target, { ask: server.change, requests: size.burst, atOnce: BURST_CALLERS, forMs: 30_000 });
    const seconds = ((await all) - began) / 1000;
    return { times, perSecond: (size.burst * size.watchers) / seconds, event: watchers.firstEvent() };
  } finally {
    watchers.close();
  }
}

/** ms from asking for the change to the last watcher's having it. The first tenth warms up. */
async function oneByOne(
  { target, change }: { target: Target; change(n: number): Ask },
  watchers: Watchers,
  events: number,
): Promise<number[]> {
  const session = await open(target);
  const times: number[] = [];
  for (let n = 0; n < events; n++) {
    const all = watchers.haveHad(1);
    const began = performance.now();
    const answered = exchange(session, change(n));
    times.push((await all) - began);
    await answered;
  }
  session.destroy();
  return times.slice(Math.ceil(events / 10));
}
