/**
 * Reading single objects, consistently: ConfigMaps of 2 KB by 1, 8 and 64 callers, pods of 3 KB by 64; and ConfigMaps when 1,000,
 * 10,000 and 100,000 of them are there.
 */
import type { Bench } from './bench.ts';
import { benchPki } from './bench-pki.ts';
import { type ControlPlaneProcess, startControlPlane } from './control-plane-process.ts';
import { type FloorServer, startFloorServer } from './floor-server.ts';
import { frameLoad } from './frame-load.ts';
import { type Ask, askOnce, type Load } from './http2-load.ts';
import { configMapsPath, makeConfigMaps, makeNamespace, makePods, podsPath } from './objects.ts';
import { cpuMicrosecondsEach } from './process-usage.ts';
import { type Row, rateRow, sizeRow } from './row.ts';
import { mergedLoad, ROUNDS, turnAbout } from './turns.ts';

const NAMESPACE = 'get';
const PODS = 1_000;
const CALLERS = [
  { atOnce: 1, requests: 3_000 },
  { atOnce: 8, requests: 12_000 },
  { atOnce: 64, requests: 60_000 },
];
const POD_READERS = { atOnce: 64, requests: 24_000 };
const WARM_UP = { requests: 10_000, atOnce: 64 };
const GROWTH = [1_000, 10_000, 100_000];
/** When so many ConfigMaps are there, as api-create makes by 64 callers, reading them is measured more closely. */
const CLOSELY_AT = 10_000;
const LIMIT =
  'one thread: three fifths of its time is HTTP/2 and TLS in Node.js itself, as the floor shows; the rest in about equal parts is for the five headers more that an answer has, for who asks what and may, and for collecting the garbage of streams; how many objects there are does not matter';

interface Servers {
  own: ControlPlaneProcess;
  floor: FloorServer;
}

export async function run(bench: Bench): Promise<Row[]> {
  const own = await startControlPlane(bench);
  const servers = { own, floor: await startFloorServer(bench, await benchPki(bench)) };
  const closely: Row[] = [];
  const growth: Row[] = [];
  await makeNamespace(own.target, NAMESPACE);
  let there = 0;
  for (const size of GROWTH) {
    bench.say(`of ${size} ConfigMaps`);
    await makeConfigMaps(own.target, NAMESPACE, { name: 'one', from: there, count: size - there });
    there = size;
    const ask = (n: number) => ({ path: `${configMapsPath(NAMESPACE)}/one-${(n * 7919) % size}` });
    await frameLoad(own.target, { ask, ...WARM_UP });
    const load = await frameLoad(own.target, { ask, requests: 20_000, atOnce: 64 });
    growth.push(rateRow(`api-get/64 callers, of ${size} objects`, load));
    if (size === CLOSELY_AT) closely.push(...(await configMaps(bench, servers, ask)), ...(await pods(bench, servers)));
  }
  return [...closely, ...growth];
}

async function configMaps(bench: Bench, servers: Servers, ask: (n: number) => Ask): Promise<Row[]> {
  const rows: Row[] = [];
  await warmUp(servers, ask);
  for (const size of CALLERS) {
    bench.say(`${size.requests} ConfigMaps by ${size.atOnce}`);
    const [rate, cpu] = await readBeside(servers, { name: `${size.atOnce} callers`, ask, ...size });
    rows.push(size.atOnce === 64 ? { ...rate, target: 25_000, limit: LIMIT } : rate, cpu);
  }
  return rows;
}

async function pods(bench: Bench, servers: Servers): Promise<Row[]> {
  bench.say(`${POD_READERS.requests} pods by ${POD_READERS.atOnce}`);
  await makePods(servers.own.target, 'pods', PODS);
  const ask = (n: number) => ({ path: `${podsPath('pods')}/pod-${n % PODS}` });
  await warmUp(servers, ask);
  return readBeside(servers, { name: '64 callers, pods of 3 KB', ask, ...POD_READERS });
}

/** From here on the floor sends what `ask` asks for. */
async function warmUp({ own, floor }: Servers, ask: (n: number) => Ask): Promise<void> {
  await floor.sends(await askOnce(own.target, ask(0)));
  await frameLoad(own.target, { ask, ...WARM_UP });
  await frameLoad(floor.target, { ask: fixed, ...WARM_UP });
}

const fixed = (): Ask => ({ path: '/fixed' });

/** The rate, and what one costs the server. */
async function readBeside(
  { own, floor }: Servers,
  { name, ask, requests, atOnce }: { name: string; ask: (n: number) => Ask; requests: number; atOnce: number },
): Promise<[Row, Row]> {
  const piece = { requests: requests / ROUNDS, atOnce };
  const asked = ({ times }: Load) => times.length;
  const pieces = await turnAbout(
    ROUNDS,
    () => cpuMicrosecondsEach(own.pid, () => frameLoad(own.target, { ask, ...piece }), asked),
    () => cpuMicrosecondsEach(floor.pid, () => frameLoad(floor.target, { ask: fixed, ...piece }), asked),
  );
  const load = mergedLoad(pieces.own);
  const least = mergedLoad(pieces.floor);
  const note = 'node:http2 over TLS sending the same bytes';
  return [
    rateRow(`api-get/${name}`, { ...load, floor: { value: least.perSecond, note } }),
    sizeRow(`api-get/${name}, CPU of the server`, 'µs', { value: load.cpu, floor: { value: least.cpu, note } }),
  ];
}
