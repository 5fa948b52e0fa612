/** SchedulingBasic of scheduler_perf: 10,000 pods that ask for little, onto 5,000 nodes with 1,000 pods. */
import type { Bench } from './bench.ts';
import type { Row } from './row.ts';
import { plainNodesAndPods, schedulingRows } from './scheduling-rows.ts';

export const run = (bench: Bench): Promise<Row[]> =>
  schedulingRows(bench, {
    measure: 'scheduler-basic',
    target: 1_500,
    gates: [270, 680],
    limit: 'the three writes of a pod (itself, its binding, its Event), in the same thread',
    sizes: [
      { nodes: 100, initial: 100, pods: 2_000 },
      { nodes: 1_000, initial: 1_000, pods: 3_000 },
      { nodes: 5_000, initial: 1_000, pods: 10_000 },
    ],
    prepare: plainNodesAndPods,
    measured: {},
  });
