/** SchedulingDaemonset: pods that name the one node of 15,001 that they want. A workload of upstream's scheduler_perf. */
import type { Bench } from './bench.ts';
import { runBundled } from './bundled.ts';
import type { Row } from './row.ts';

export const alsoOnNewerNode = true;

export const run = (bench: Bench): Promise<Row[]> => runBundled(bench, 'scheduling-process', ['scheduler-daemonset']);
