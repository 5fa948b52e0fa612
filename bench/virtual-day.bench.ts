/** A day of 100 hourly CronJobs on simulated nodes, in a test cluster: how long it takes on the machine's clock. */
import type { Bench } from './bench.ts';
import { runBundled } from './bundled.ts';
import { median, type Row, rateRow, sizeRow, timesRow } from './row.ts';
import type { Day } from './virtual-day-process.ts';

/** The first is what the target is for. Each day is one of a process of its own. */
const SIZES = [
  { nodes: 10, days: 5 },
  { nodes: 100, days: 1 },
] as const;
const TARGET_MS = 10_000;
const LIMIT =
  '3,100 writes an hour, of which 1,000 are leases: each goes the whole way of a request, no part of which takes a tenth';

export const alsoOnNewerNode = true;

export async function run(bench: Bench): Promise<Row[]> {
  const rows: Row[] = [];
  for (const { nodes, days } of SIZES) {
    const lived: Day[] = [];
    while (lived.length < days) lived.push(await runBundled<Day>(bench, 'virtual-day-process', [`${nodes}`]));
    for (const { ms, cpuMs } of lived)
      bench.say(`${nodes} nodes: ${(ms / 1000).toFixed(1)} s, ${(cpuMs / 1000).toFixed(1)} s of CPU`);
    const [row, ...others] = rowsOf(`virtual-day/${nodes} nodes`, lived);
    rows.push(nodes === SIZES[0].nodes ? { ...row, target: TARGET_MS, limit: LIMIT } : row, ...others);
  }
  return rows;
}

function rowsOf(name: string, days: readonly Day[]): [Row, ...Row[]] {
  const times = days.map(({ ms }) => ms);
  const floor = { value: median(days.map((day) => day.floor.value)), note: days[0]?.floor.note ?? '' };
  return [
    timesRow(name, times, floor),
    sizeRow(`${name}: CPU`, 'ms', { value: median(days.map(({ cpuMs }) => cpuMs)) }),
    rateRow(`${name}, runs`, { perSecond: median(days.map(({ ms, runs }) => (1000 * runs) / ms)) }),
  ];
}
