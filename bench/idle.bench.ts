/**
 * What the whole control plane takes of the machine when nothing is asked of it, 60 s after its start: alone, and with 100
 * simulated nodes that renew their leases. RssAnon and RssFile are told apart: LMDB's map and program text count as file.
 */
import { spawn } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import type { Bench } from './bench.ts';
import { newCluster, startControlPlane } from './control-plane-process.ts';
import { askOnce } from './http2-load.ts';
import { cpuSecondsOf, memoryOf } from './process-usage.ts';
import { type Row, sizeRow } from './row.ts';

const SETTLE_MS = 20_000;
const WATCH_MS = 40_000;
const TARGET_RSS_MB = 150;
const TARGET_CPU_PERCENT = 1;
const SIMULATED_NODES = 100;
const NOTE = 'a Node.js process that waits';

export async function run(bench: Bench): Promise<Row[]> {
  const bare = spawn(process.execPath, ['-e', 'setInterval(() => undefined, 1000)'], { stdio: 'ignore' });
  bench.atEnd(() => bare.kill('SIGKILL'));
  const alone = await startControlPlane(bench);
  const withNodes = await startControlPlane(bench, await newCluster(bench, { simulatedNodes: SIMULATED_NODES }));
  const pids = [alone.pid, withNodes.pid, bare.pid ?? 0];
  bench.say(`${(SETTLE_MS + WATCH_MS) / 1000} s of doing nothing`);
  await delay(SETTLE_MS);
  const before = pids.map(cpuSecondsOf);
  const began = performance.now();
  await delay(WATCH_MS);
  const seconds = (performance.now() - began) / 1000;
  const [aloneUse, nodesUse, bareUse] = pids.map((pid, i) => ({
    ...memoryOf(pid),
    cpu: (100 * (cpuSecondsOf(pid) - (before[i] ?? 0))) / seconds,
  }));
  if (!aloneUse || !nodesUse || !bareUse) throw new Error('a process was not measured');
  const { items } = JSON.parse((await askOnce(withNodes.target, { path: '/api/v1/nodes' })).toString()) as {
    items: unknown[];
  };
  const memory = (name: string, of: 'rss' | 'anonymous' | 'file', { [of]: value }: typeof aloneUse): Row =>
    sizeRow(name, 'MB', { value, floor: { value: bareUse[of], note: NOTE } });
  const cpu = (name: string, { cpu: value }: typeof aloneUse): Row => sizeRow(name, '%', { value });
  const rows = [
    { ...memory('idle/RSS', 'rss', aloneUse), target: TARGET_RSS_MB },
    memory('idle/RssAnon', 'anonymous', aloneUse),
    memory('idle/RssFile', 'file', aloneUse),
    { ...cpu('idle/CPU of a core', aloneUse), target: TARGET_CPU_PERCENT },
  ];
  if (items.length < SIMULATED_NODES) {
    bench.say(`no rows with simulated nodes: there are ${items.length}`);
    return rows;
  }
  const name = `with ${SIMULATED_NODES} simulated nodes`;
  return [...rows, memory(`idle/RSS ${name}`, 'rss', nodesUse), cpu(`idle/CPU of a core ${name}`, nodesUse)];
}
