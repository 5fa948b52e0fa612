/** Lists of 100, 1,000 and 10,000 pods, consistently, one after the other. */
import type { Bench } from './bench.ts';
import { benchPki } from './bench-pki.ts';
import { startControlPlane } from './control-plane-process.ts';
import { startFloorServer } from './floor-server.ts';
import { askOnce, load } from './http2-load.ts';
import { makePods, podsPath } from './objects.ts';
import { median, type Row, timesRow } from './row.ts';

const SIZES = [
  { pods: 100, lists: 200 },
  { pods: 1_000, lists: 100 },
  { pods: 10_000, lists: 30 },
];
const WARM_UP = 10;

export async function run(bench: Bench): Promise<Row[]> {
  const { target } = await startControlPlane(bench);
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
    const { times } = await load(target, { ask, requests: lists, atOnce: 1 });
    const least = await load(floor.target, { ask: fixed, requests: lists, atOnce: 1 });
    const note = 'node:http2 over TLS sending the same bytes';
    rows.push(timesRow(`api-list/${pods} pods`, times, { value: median(least.times), note }));
  }
  return rows;
}
