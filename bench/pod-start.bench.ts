/**
 * From creating a pod to its being seen Running, against the same sandbox and container made by CRI on the same node's
 * containerd, turn about; alone (also without the scheduler) and eight at a time. The overhead is the difference of the medians.
 */
import { byCri, FLOOR_NOTE } from './bare-containers.ts';
import type { Bench } from './bench.ts';
import { BenchNode, NODE } from './bench-node.ts';
import { median, type Row, sizeRow, timesRow } from './row.ts';
import { turnAbout } from './turns.ts';

const ALONE = 15;
const AT_ONCE = 8;
const ROUNDS = 3;
const TARGET_MS = 180;
const TARGET_OVERHEAD_MS = 20;

export async function run(bench: Bench): Promise<Row[]> {
  const node = await BenchNode.start(bench);
  if (!node) return [];
  const pods = async (count: number, nodeName?: string): Promise<number[]> => {
    const names = Array.from({ length: count }, () => node.nextName());
    const times = await node.run(names, { ...(nodeName && { nodeName }) });
    await node.remove(names);
    return times;
  };
  const floors = (count: number) =>
    Promise.all(Array.from({ length: count }, () => byCri(node.runtime, node.nextName())));

  bench.say('pods and bare sandboxes, turn about');
  await pods(1); // the first after containerd's start takes longer
  const named: number[] = [];
  const alone = await turnAbout(
    ALONE,
    async () => {
      named.push(...(await pods(1, NODE)));
      return pods(1);
    },
    () => floors(1),
  );
  const many = await turnAbout(
    ROUNDS,
    () => pods(AT_ONCE),
    () => floors(AT_ONCE),
  );
  const scheduled = alone.own.flat();
  const floor = { value: median(alone.floor.flat()), note: FLOOR_NOTE };
  return [
    { ...timesRow('pod-start/1 pod', scheduled, floor), target: TARGET_MS },
    timesRow('pod-start/1 pod, node named by the client', named, floor),
    {
      ...sizeRow('pod-start/overhead', 'ms', { value: median(scheduled) - floor.value }),
      target: TARGET_OVERHEAD_MS,
    },
    timesRow(`pod-start/${AT_ONCE} pods at once`, many.own.flat(), {
      value: median(many.floor.flat()),
      note: FLOOR_NOTE,
    }),
  ];
}
