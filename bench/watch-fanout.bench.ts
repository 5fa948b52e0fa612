/** One change to 10, 100 and 1,000 watchers over TLS: how long until the last has it, and how many events a second in a burst. */
import type { Bench } from './bench.ts';
import { benchPki } from './bench-pki.ts';
import { startControlPlane } from './control-plane-process.ts';
import { startFloorServer } from './floor-server.ts';
import { type Ask, askOnce, exchange, load, open, type Target } from './http2-load.ts';
import { makePods, podsPath } from './objects.ts';
import { cpuMicrosecondsEach } from './process-usage.ts';
import { median, type Row, rateRow, sizeRow, timesRow } from './row.ts';
import { openWatchers, type Watchers } from './watchers.ts';

const SIZES = [
  { watchers: 10, events: 200, burst: 1_000 },
  { watchers: 100, events: 100, burst: 400 },
  { watchers: 1_000, events: 30, burst: 50 },
];
const BURST_CALLERS = 8;
/** Of 1,000 watchers. */
const TARGET_MS = 30;
const LIMIT = 'one write to the kernel for each connection, and one frame and one record of TLS for each watcher';
const NAMESPACE = 'fanout';
/** Changed in turn, so that changes of a burst do not wait for one another. */
const PODS = 64;

interface FanOut {
  times: number[];
  perSecond: number;
  /** µs of the server's CPU for each event that a watcher got. */
  cpu: number;
  event: Buffer;
}

export async function run(bench: Bench): Promise<Row[]> {
  const { target, pid } = await startControlPlane(bench);
  const floor = await startFloorServer(bench, await benchPki(bench));
  await makePods(target, NAMESPACE, PODS);
  const rows: Row[] = [];
  for (const size of SIZES) {
    bench.say(`${size.watchers} watchers`);
    const kedge = await fanOut({ target, pid, watch: await watchFromNow(target), change: patch }, size);
    await floor.sends(kedge.event);
    const emit = () => ({ method: 'POST', path: '/emit', body: patch(0).body ?? '' });
    const least = await fanOut({ target: floor.target, pid: floor.pid, watch: '/watch', change: emit }, size);
    const note = 'node:http2 over TLS writing the same event, nothing stored';
    const name = `watch-fanout/${size.watchers} watchers`;
    const last = timesRow(`${name}, last has it`, kedge.times, { value: median(least.times), note });
    rows.push(size.watchers === 1_000 ? { ...last, target: TARGET_MS, limit: LIMIT } : last);
    rows.push(rateRow(`${name}, burst`, { perSecond: kedge.perSecond, floor: { value: least.perSecond, note } }));
    const cpu = { value: kedge.cpu, floor: { value: least.cpu, note } };
    rows.push(sizeRow(`${name}, CPU of the server for each event`, 'µs', cpu));
  }
  return rows;
}

let change = 0;
const patch = (n: number): Ask => ({
  method: 'PATCH',
  path: `${podsPath(NAMESPACE)}/pod-${n % PODS}`,
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
  server: { target: Target; pid: number; watch: string; change(n: number): Ask },
  size: { watchers: number; events: number; burst: number },
): Promise<FanOut> {
  const watchers = await openWatchers(server.target, server.watch, size.watchers);
  try {
    const times = await oneByOne(server, watchers, size.events);
    const deliveries = size.burst * size.watchers;
    const burst = await cpuMicrosecondsEach(
      server.pid,
      () => secondsOfBurst(server, watchers, size.burst),
      () => deliveries,
    );
    return { times, perSecond: deliveries / burst.done, cpu: burst.cpu, event: watchers.firstEvent() };
  } finally {
    watchers.close();
  }
}

async function secondsOfBurst(
  { target, change }: { target: Target; change(n: number): Ask },
  watchers: Watchers,
  events: number,
): Promise<number> {
  const all = watchers.haveHad(events);
  const began = performance.now();
  await load(target, { ask: change, requests: events, atOnce: BURST_CALLERS, forMs: 30_000 });
  return ((await all) - began) / 1000;
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
