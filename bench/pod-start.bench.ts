/**
 * From creating a pod to its being seen Running, against the same sandbox and container made by CRI on the same node's
 * containerd, turn about; alone (also without the scheduler) and eight at a time. The difference of the medians is what API
 * server, scheduler and kubelet add together. The kubelet's part of it is told by its own metrics, pod by pod: from when it
 * first sees the pod until it knows that it runs, less the three calls of the runtime that the floor makes too.
 */
import { byCri, FLOOR_NOTE } from './bare-containers.ts';
import type { Bench } from './bench.ts';
import { BenchNode, NODE } from './bench-node.ts';
import { KubeletTimes } from './kubelet-times.ts';
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
  const overheads: number[] = [];
  const alone = await turnAbout(
    ALONE,
    async () => {
      const before = await KubeletTimes.read(node.session);
      named.push(...(await pods(1, NODE)));
      const times = await pods(1);
      overheads.push((await KubeletTimes.read(node.session)).overheadSince(before));
      return times;
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
    sizeRow('pod-start/1 pod, beyond the floor', 'ms', { value: median(scheduled) - floor.value }),
    { ...timesRow('pod-start/overhead of the kubelet', overheads), target: TARGET_OVERHEAD_MS },
    timesRow(`pod-start/${AT_ONCE} pods at once`, many.own.flat(), {
      value: median(many.floor.flat()),
      note: FLOOR_NOTE,
    }),
  ];
}
