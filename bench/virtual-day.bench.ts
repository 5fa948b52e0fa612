/** A day of 100 hourly CronJobs on ten simulated nodes, in a test cluster: how long it takes on the machine's clock. */
import type { Bench } from './bench.ts';
import { runBundled } from './bundled.ts';
import type { Row } from './row.ts';

export const alsoOnNewerNode = true;

export const run = (bench: Bench): Promise<Row[]> => runBundled(bench, 'virtual-day-process', []);
