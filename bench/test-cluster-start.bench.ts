/**
 * How long `startCluster()` of `kedge/testing` takes in a test: the first of a process, and those after it. All controllers,
 * the scheduler and one node, as without options; from the built package, as its users have it.
 */
import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import type { Bench } from './bench.ts';
import { type Row, timesRow } from './row.ts';

const PROCESSES = 3;
const STARTS = 15;
const TARGET_FIRST_MS = 100;
const TARGET_NEXT_MS = 20;
const COLD = 'code that runs for the first time, compiled beforehand (decision 26)';
const INFORMERS =
  'informers of what a new cluster has (decision 35), each a request that lists and watches, and five writes of a node and for it, by code that has run a few times only';
const TESTING = pathToFileURL(resolve(import.meta.dirname, '../dist/testing.mjs')).href;

const SCRIPT = `
const { startCluster } = await import(${JSON.stringify(TESTING)});
const times = [];
for (let i = 0; i < ${STARTS}; i++) {
  const began = performance.now();
  const cluster = await startCluster();
  times.push(performance.now() - began);
  await cluster[Symbol.asyncDispose]();
}
console.log(JSON.stringify(times));
`;

export const alsoOnNewerNode = true;

export async function run(bench: Bench): Promise<Row[]> {
  const first: number[] = [];
  const next: number[] = [];
  for (let at = 0; at < PROCESSES; at++) {
    const times = await timesOfAProcess(bench);
    bench.say(grown(times));
    const [one, ...others] = times;
    if (one !== undefined) first.push(one);
    next.push(...others);
  }
  return [
    { ...timesRow('test-cluster-start/first', first), target: TARGET_FIRST_MS, limit: COLD },
    { ...timesRow('test-cluster-start/next', next), target: TARGET_NEXT_MS, limit: INFORMERS },
  ];
}

/** How it gets quicker as the code becomes warm. */
const grown = (times: readonly number[]): string =>
  [1, 2, 3, 5, 10, STARTS].map((count) => `start ${count}: ${times[count - 1]?.toFixed(0)} ms`).join(', ');

async function timesOfAProcess({ node }: Bench): Promise<number[]> {
  const { stdout } = await promisify(execFile)(node, ['--input-type=module', '-e', SCRIPT]);
  return JSON.parse(stdout) as number[];
}
