/** Lists of 100, 1,000 and 10,000 pods, consistently, one after the other. */
import type { Bench } from './bench.ts';
import { benchPki } from './bench-pki.ts';
import { startControlPlane } from './control-plane-process.ts';
import { startFloorServer } from './floor-server.ts';
import { askOnce, type Load, load } from './http2-load.ts';
import { makePods, podsPath } from './objects.ts';
import { cpuMicrosecondsEach } from './process-usage.ts';
import { median, type Row, sizeRow, timesRow } from './row.ts';
import { mergedLoad, ROUNDS, turnAbout } from './turns.ts';

const SIZES = [
  { pods: 100, lists: 200 },
  { pods: 1_000, lists: 100 },
  { pods: 10_000, lists: 32 },
];
const WARM_UP = 10;

export async function run(bench: Bench): Promise<Row[]> {
  const { target, pid } = await startControlPlane(bench);
  const floor = await startFloorServer(bench, await benchPki(bench));
  const rows: Row[] = [];
  for (const { pods, lists } of SIZES) {
    bench.say(`${lists} lists of ${pods} pods`);
    await makePods(target, `list-${pods}`, pods);
    const ask = () => ({ path: podsPath(`list-${pods}`) });
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
    const note = 'node:http2 over TLS sending the same bytes';
    const name = `api-list/${pods} pods`;
    rows.push(timesRow(name, own.times, { value: median(least.times), note }));
    rows.push(sizeRow(`${name}, CPU of the server`, 'µs', { value: own.cpu, floor: { value: least.cpu, note } }));
  }
  return rows;
}
