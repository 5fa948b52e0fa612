/**
 * From nothing to answering: the control plane's process to the first 200 of /readyz (empty, again, and with 10,000 pods in its
 * store), and `kedge up` of two nodes to the first 200 of the example through a node's port, images present.
 */
import { spawnSync } from 'node:child_process';
import type { Bench } from './bench.ts';
import { newCluster, startControlPlane } from './control-plane-process.ts';
import { makePods } from './objects.ts';
import { missingHere, RealCluster } from './real-cluster.ts';
import { median, type Row, timesRow } from './row.ts';

const STARTS = 7;
const PODS = 10_000;
const EXAMPLE_STARTS = 3;
const TARGET_API_MS = 500;
const TARGET_EXAMPLE_MS = 3_000;

export async function run(bench: Bench): Promise<Row[]> {
  const floor = { value: median(bareStarts()), note: '`node -e 0`' };
  bench.say('starts of the control plane');
  const first: number[] = [];
  for (let i = 0; i < STARTS; i++) first.push(await startOf(bench, await newCluster(bench)));
  const cluster = await newCluster(bench);
  await startOf(bench, cluster);
  const again: number[] = [];
  for (let i = 0; i < STARTS; i++) again.push(await startOf(bench, cluster));
  const rows = [
    { ...timesRow('cold-start/API ready, empty data directory', first, floor), target: TARGET_API_MS },
    { ...timesRow('cold-start/API ready, again', again, floor), target: TARGET_API_MS },
    timesRow(`cold-start/API ready, ${PODS} pods stored`, await startsWithPods(bench), floor),
  ];
  const missing = await missingHere();
  if (missing) bench.say(`no row for the example: ${missing}`);
  else
    rows.push({
      ...timesRow('cold-start/up to first 200', await exampleStarts(bench), floor),
      target: TARGET_EXAMPLE_MS,
    });
  return rows;
}

function bareStarts(): number[] {
  return Array.from({ length: STARTS }, () => {
    const began = performance.now();
    spawnSync(process.execPath, ['-e', '0']);
    return performance.now() - began;
  });
}

type Cluster = Awaited<ReturnType<typeof newCluster>>;

async function startOf(bench: Bench, cluster: Cluster): Promise<number> {
  const { readyMs, stop } = await startControlPlane(bench, cluster);
  await stop();
  return readyMs;
}

async function startsWithPods(bench: Bench): Promise<number[]> {
  bench.say(`starts with ${PODS} pods`);
  const cluster = await newCluster(bench);
  const filling = await startControlPlane(bench, cluster);
  await makePods(filling.target, 'many', PODS);
  await filling.stop();
  const times: number[] = [];
  for (let i = 0; i < 3; i++) times.push(await startOf(bench, cluster));
  return times;
}

/** The first `up` brings the images; before each further one the example is deleted, so that `up` has all of it to do. */
async function exampleStarts(bench: Bench): Promise<number[]> {
  const cluster = await RealCluster.make(bench, { nodes: 2 });
  bench.say('kedge up --example web, the first time');
  await cluster.up('--example', 'web');
  const times: number[] = [];
  for (let i = 0; i < EXAMPLE_STARTS; i++) {
    await cluster.deleteExample();
    await cluster.down();
    bench.say('kedge up --example web, images present');
    times.push(await cluster.upUntilAnswered());
  }
  return times;
}
