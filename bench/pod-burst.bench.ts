/** From creating a hundred pods at once on one node to the last one's being seen Running; the floor is as many bare sandboxes at once. */
import { FLOOR_NOTE, remove, start } from './bare-containers.ts';
import type { Bench } from './bench.ts';
import { BenchNode, NODE } from './bench-node.ts';
import { cpuSecondsOf } from './process-usage.ts';
import { type Row, sizeRow } from './row.ts';

const PODS = 100;
const TARGET_MS = 7_500;

export async function run(bench: Bench): Promise<Row[]> {
  const node = await BenchNode.start(bench);
  if (!node) return [];
  const names = () => Array.from({ length: PODS }, () => node.nextName());
  const first = [node.nextName()];
  await node.run(first); // the first after containerd's start takes longer
  await node.remove(first);

  bench.say(`${PODS} pods at once`);
  const kubelet = await node.cluster.pidOf(`${NODE}/kubelet`);
  const cpuBefore = cpuSecondsOf(kubelet);
  const mine = names();
  const times = await node.run(mine, { nodeName: NODE });
  const cpuMs = 1000 * (cpuSecondsOf(kubelet) - cpuBefore);
  await node.remove(mine);

  bench.say(`${PODS} bare sandboxes at once`);
  const began = performance.now();
  const made = await Promise.all(names().map((name) => start(node.runtime, name)));
  const floorMs = performance.now() - began;
  await Promise.all(made.map((each) => remove(node.runtime, each)));
  return [
    {
      ...sizeRow(`pod-burst/${PODS} pods`, 'ms', {
        value: Math.max(...times),
        floor: { value: floorMs, note: `${FLOOR_NOTE}, ${PODS} at once` },
      }),
      target: TARGET_MS,
    },
    sizeRow('pod-burst/CPU of the kubelet a pod', 'ms', { value: cpuMs / PODS }),
  ];
}
