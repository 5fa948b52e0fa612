/** Reading single pods, consistently, by 1, 8 and 64 callers. */
import type { Bench } from './bench.ts';
import { benchPki } from './bench-pki.ts';
import { startControlPlane } from './control-plane-process.ts';
import { startFloorServer } from './floor-server.ts';
import { askOnce, type Load, load } from './http2-load.ts';
import { makePods, podsPath } from './objects.ts';
import { cpuMicrosecondsEach } from './process-usage.ts';
import { type Row, rateRow, sizeRow } from './row.ts';
import { mergedLoad, ROUNDS, turnAbout } from './turns.ts';

const PODS = 1_000;
const CALLERS = [
  { atOnce: 1, requests: 3_000 },
  { atOnce: 8, requests: 10_000 },
  { atOnce: 64, requests: 20_000 },
];
const WARM_UP = { requests: 3_000, atOnce: 16 };

export async function run(bench: Bench): Promise<Row[]> {
  const { target, pid } = await startControlPlane(bench);
  await makePods(target, 'get', PODS);
  const pod = (n: number) => ({ path: `${podsPath('get')}/pod-${n % PODS}` });
  const floor = await startFloorServer(bench, await benchPki(bench));
  await floor.sends(await askOnce(target, pod(0)));
  const fixed = () => ({ path: '/fixed' });
  await load(target, { ask: pod, ...WARM_UP });
  await load(floor.target, { ask: fixed, ...WARM_UP });
  const rows: Row[] = [];
  for (const size of CALLERS) {
    bench.say(`${size.requests} pods by ${size.atOnce}`);
    const piece = { ...size, requests: size.requests / ROUNDS };
    const asked = ({ times }: Load) => times.length;
    const pieces = await turnAbout(
      ROUNDS,
      () => cpuMicrosecondsEach(pid, () => load(target, { ask: pod, ...piece }), asked),
      () => cpuMicrosecondsEach(floor.pid, () => load(floor.target, { ask: fixed, ...piece }), asked),
    );
    const own = mergedLoad(pieces.own);
    const least = mergedLoad(pieces.floor);
    const note = 'node:http2 over TLS sending the same bytes';
    const name = `api-get/${size.atOnce} callers`;
    rows.push(rateRow(name, { ...own, floor: { value: least.perSecond, note } }));
    rows.push(sizeRow(`${name}, CPU of the server`, 'µs', { value: own.cpu, floor: { value: least.cpu, note } }));
  }
  return rows;
}
