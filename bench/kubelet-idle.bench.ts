/** What a kubelet takes of the machine whose fifty pods just run. */
import { spawn } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import type { Bench } from './bench.ts';
import { BenchNode, NODE } from './bench-node.ts';
import { cpuSecondsOf, memoryOf } from './process-usage.ts';
import { type Row, sizeRow } from './row.ts';

const PODS = 50;
/** The engine goes through the heap a few times more after so many starts, and gives back what it does not need. */
const SETTLE_MS = 30_000;
const WATCH_MS = 25_000;
const TARGET_ANONYMOUS_MB = 60;
const TARGET_CPU_PERCENT = 0.5;
const NOTE = 'a Node.js process that waits';

export async function run(bench: Bench): Promise<Row[]> {
  const node = await BenchNode.start(bench);
  if (!node) return [];
  const bare = spawn(process.execPath, ['-e', 'setInterval(() => undefined, 1000)'], { stdio: 'ignore' });
  bench.atEnd(() => bare.kill('SIGKILL'));
  bench.say(`${PODS} pods`);
  await node.run(
    Array.from({ length: PODS }, () => node.nextName()),
    { nodeName: NODE },
  );
  const kubelet = await node.cluster.pidOf(`${NODE}/kubelet`);
  bench.say(`${(SETTLE_MS + WATCH_MS) / 1000} s of doing nothing`);
  await delay(SETTLE_MS);
  const before = cpuSecondsOf(kubelet);
  const began = performance.now();
  await delay(WATCH_MS);
  const cpu = (100 * (cpuSecondsOf(kubelet) - before) * 1000) / (performance.now() - began);
  const [own, floor] = [memoryOf(kubelet), memoryOf(bare.pid ?? 0)];
  return [
    {
      ...sizeRow(`kubelet-idle/RssAnon with ${PODS} pods`, 'MB', {
        value: own.anonymous,
        floor: { value: floor.anonymous, note: NOTE },
      }),
      target: TARGET_ANONYMOUS_MB,
    },
    sizeRow(`kubelet-idle/RSS with ${PODS} pods`, 'MB', { value: own.rss, floor: { value: floor.rss, note: NOTE } }),
    {
      ...sizeRow(`kubelet-idle/CPU of a core with ${PODS} pods`, '%', { value: cpu }),
      target: TARGET_CPU_PERCENT,
    },
  ];
}
