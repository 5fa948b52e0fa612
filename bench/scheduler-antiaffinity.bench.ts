/** SchedulingPodAntiAffinity: pods of which no two may share a node. A workload of upstream's scheduler_perf. */
import type { Bench } from './bench.ts';
import { runBundled } from './bundled.ts';
import type { Row } from './row.ts';

export const run = (bench: Bench): Promise<Row[]> =>
  runBundled(bench, 'scheduling-process', ['scheduler-antiaffinity']);
