/** Reading single pods, consistently, by 1, 8 and 64 callers, and when 1,000, 10,000 and 100,000 objects are there. */
import type { Bench } from './bench.ts';
import { benchPki } from './bench-pki.ts';
import { startControlPlane } from './control-plane-process.ts';
import { startFloorServer } from './floor-server.ts';
import { frameLoad } from './frame-load.ts';
import { askOnce, type Load } from './http2-load.ts';
import { configMapsPath, makeConfigMaps, makePods, podsPath } from './objects.ts';
import { cpuMicrosecondsEach } from './process-usage.ts';
import { type Row, rateRow, sizeRow } from './row.ts';
import { mergedLoad, ROUNDS, turnAbout } from './turns.ts';

const PODS = 1_000;
const CALLERS = [
  { atOnce: 1, requests: 3_000 },
  { atOnce: 8, requests: 12_000 },
  { atOnce: 64, requests: 60_000 },
];
const WARM_UP = { requests: 10_000, atOnce: 64 };
const GROWTH = [1_000, 10_000, 100_000];
const LIMIT =
  'one thread: HTTP/2 and TLS in Node.js itself, as the floor shows, a quarter of that for the six headers more that an answer has, and half of it for who asks what and may; how many objects there are does not matter';

export async function run(bench: Bench): Promise<Row[]> {
  const { target, pid } = await startControlPlane(bench);
  await makePods(target, 'get', PODS);
  const pod = (n: number) => ({ path: `${podsPath('get')}/pod-${n % PODS}` });
  const floor = await startFloorServer(bench, await benchPki(bench));
  await floor.sends(await askOnce(target, pod(0)));
  const fixed = () => ({ path: '/fixed' });
  await frameLoad(target, { ask: pod, ...WARM_UP });
  await frameLoad(floor.target, { ask: fixed, ...WARM_UP });
  const rows: Row[] = [];
  for (const size of CALLERS) {
    bench.say(`${size.requests} pods by ${size.atOnce}`);
    const piece = { ...size, requests: size.requests / ROUNDS };
    const asked = ({ times }: Load) => times.length;
    const pieces = await turnAbout(
      ROUNDS,
      () => cpuMicrosecondsEach(pid, () => frameLoad(target, { ask: pod, ...piece }), asked),
      () => cpuMicrosecondsEach(floor.pid, () => frameLoad(floor.target, { ask: fixed, ...piece }), asked),
    );
    const own = mergedLoad(pieces.own);
    const least = mergedLoad(pieces.floor);
    const note = 'node:http2 over TLS sending the same bytes';
    const name = `api-get/${size.atOnce} callers`;
    const wanted = size.atOnce === 64 ? { target: 25_000, limit: LIMIT } : {};
    rows.push({ ...rateRow(name, { ...own, floor: { value: least.perSecond, note } }), ...wanted });
    rows.push(sizeRow(`${name}, CPU of the server`, 'µs', { value: own.cpu, floor: { value: least.cpu, note } }));
  }
  let there = 0;
  for (const size of GROWTH) {
    bench.say(`of ${size} ConfigMaps`);
    await makeConfigMaps(target, 'get', { name: 'one', from: there, count: size - there });
    there = size;
    const any = (n: number) => ({ path: `${configMapsPath('get')}/one-${(n * 7919) % size}` });
    rows.push(
      rateRow(
        `api-get/64 callers, of ${size} objects`,
        await frameLoad(target, { ask: any, requests: 20_000, atOnce: 64 }),
      ),
    );
  }
  return rows;
}
