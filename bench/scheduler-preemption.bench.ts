/**
 * PreemptionAsync: pods that fit, while others have to make room for themselves; and PreemptionBasic, where every pod has to.
 * Workloads of upstream's scheduler_perf.
 */
import type { Bench } from './bench.ts';
import { runBundled } from './bundled.ts';
import type { Row } from './row.ts';

export async function run(bench: Bench): Promise<Row[]> {
  const beside = await runBundled(bench, 'scheduling-process', ['scheduler-preemption']);
  return [...beside, ...(await runBundled(bench, 'scheduling-process', ['scheduler-preemption-only']))];
}
