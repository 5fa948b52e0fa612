/** One workload of scheduler_perf at each of its sizes: pods a second, and where the time of a pod goes. */
import { Bench } from './bench.ts';
import { type Row, rateRow, sizeRow } from './row.ts';
import { type PodsToMake, SchedulingCluster } from './scheduling-cluster.ts';

export interface Workload {
  /** Pods a second that the design asks for; of the last size, as the following. */
  target?: number;
  /** Upstream's own thresholds: that of v1.36, and the newest. */
  gates?: readonly [number, number];
  limit: string;
  /** The last is upstream's. */
  sizes: readonly Size[];
  /** What is there before: nodes, and pods that are not measured. */
  prepare(cluster: SchedulingCluster, size: Size): Promise<void>;
  measured: Omit<PodsToMake, 'count' | 'prefix'>;
  /** Goes on beside the measured pods; gives back what ends it. */
  beside?(cluster: SchedulingCluster): () => void;
}

export interface Size {
  nodes: number;
  /** Pods that are there before. */
  initial: number;
  pods: number;
}

export async function measureWorkload(bench: Bench, measure: string, workload: Workload): Promise<Row[]> {
  const rows: Row[] = [];
  for (const size of workload.sizes) {
    const own = new Bench(measure);
    try {
      const figures = await measured(own, workload, size);
      const name = `${measure}/${size.nodes} nodes`;
      bench.say(`${name}: ${told(figures)}`);
      rows.push(...rowsOf(name, figures, { workload, isWhole: size === workload.sizes.at(-1) }));
    } finally {
      await own.end();
    }
  }
  return rows;
}

/** Of one pod in µs, but for the first two. */
interface Figures {
  perSecond: number;
  times: readonly number[];
  cpu: number;
  deciding: number;
  /** How often one was tried. */
  tries: number;
  create: number;
  bind: number;
  event: number;
}

async function measured(bench: Bench, workload: Workload, size: Size): Promise<Figures> {
  const cluster = await SchedulingCluster.start(bench);
  if (size === workload.sizes[0]) await cluster.costOfWrites(WARM_UP, workload.measured.spec);
  await workload.prepare(cluster, size);
  const writes = await cluster.costOfWrites(FLOOR_PODS, workload.measured.spec);
  await cluster.rests();
  const before = cluster.stats;
  const end = workload.beside?.(cluster);
  const cpuBefore = process.cpuUsage();
  const { perSecond, times } = await cluster.schedule({ ...workload.measured, count: size.pods, prefix: 'measured' });
  const { user, system } = process.cpuUsage(cpuBefore);
  end?.();
  const { decided, decidingMs } = cluster.stats;
  return {
    ...writes,
    perSecond,
    times,
    cpu: (user + system) / size.pods,
    tries: (decided - before.decided) / size.pods,
    deciding: ((decidingMs - before.decidingMs) * 1000) / (decided - before.decided),
  };
}

const WARM_UP = 2_000;
const FLOOR_PODS = 1_000;

const told = ({ perSecond, cpu, tries, deciding, create, bind, event }: Figures): string =>
  `${perSecond.toFixed(0)} pods/s; µs a pod: ${[
    `${(1e6 / perSecond).toFixed(0)} in all`,
    `${cpu.toFixed(0)} of CPU`,
    `create ${create.toFixed(0)}`,
    `decide ${deciding.toFixed(0)} ${tries.toFixed(2)} times`,
    `bind ${bind.toFixed(0)}`,
    `event ${event.toFixed(0)}`,
  ].join(', ')}`;

function rowsOf(
  name: string,
  figures: Figures,
  { workload, isWhole }: { workload: Workload; isWhole: boolean },
): Row[] {
  const { perSecond, times, create, bind, event, cpu, deciding } = figures;
  const { target, gates, limit } = workload;
  // The floor leaves the Events out: in a burst they follow behind the pods (decision 31), and partly after the measure.
  const note = `creating and binding alone${isWhole && gates ? `; upstream's gates: v1.36 ${gates[0]}, newest ${gates[1]}` : ''}`;
  const rate = rateRow(name, { perSecond, times, floor: { value: 1e6 / (create + bind), note } });
  const rows: Row[] = [
    { ...rate, ...(isWhole && { limit, ...(target && { target }) }) },
    sizeRow(`${name}, deciding`, 'µs', { value: deciding }),
  ];
  if (!isWhole) return rows;
  const phases = {
    'CPU of the process': cpu,
    'creating alone': create,
    'binding alone': bind,
    'the Event alone': event,
  };
  for (const [phase, value] of Object.entries(phases)) rows.push(sizeRow(`${name}, ${phase}`, 'µs', { value }));
  return rows;
}
