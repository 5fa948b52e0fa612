/** One workload of scheduler_perf, at 100, 1,000 and all of its nodes: pods a second, and where the time of a pod goes. */
import { Bench } from './bench.ts';
import { type Row, rateRow, sizeRow } from './row.ts';
import { type PodSpec, type PodsToMake, SchedulingCluster } from './scheduling-cluster.ts';

export interface Workload {
  measure: string;
  /** Pods a second that the design asks for. */
  target: number;
  /** Upstream's own thresholds: that of v1.36, and the newest. */
  gates: readonly [number, number];
  limit: string;
  sizes: readonly Size[];
  /** What is there before: nodes, and pods that are not measured. */
  prepare(cluster: SchedulingCluster, size: Size): Promise<void>;
  measured: Omit<PodsToMake, 'count' | 'prefix'>;
  /** Goes on beside the measured pods; ends what it started. */
  beside?(cluster: SchedulingCluster): () => void;
}

export interface Size {
  nodes: number;
  /** Pods that are there before. */
  initial: number;
  pods: number;
}

export async function schedulingRows(bench: Bench, workload: Workload): Promise<Row[]> {
  const rows: Row[] = [];
  for (const size of workload.sizes) {
    const isWhole = size === workload.sizes.at(-1);
    rows.push(...(await rowsOf(bench, workload, { size, isWhole })));
  }
  return rows;
}

async function rowsOf(bench: Bench, workload: Workload, { size, isWhole }: { size: Size; isWhole: boolean }) {
  const { measure, target, gates, limit, measured } = workload;
  const own = new Bench(measure);
  try {
    const cluster = await SchedulingCluster.start(own);
    const writes = await cluster.costOfWrites(isWhole ? 3_000 : 1_000, measured.spec);
    await workload.prepare(cluster, size);
    await cluster.rests();
    const before = cluster.scheduler.stats;
    const end = workload.beside?.(cluster);
    const { perSecond, times } = await cluster.schedule({ ...measured, count: size.pods, prefix: 'measured' });
    const { decided, decidingMs } = cluster.scheduler.stats;
    end?.();
    const name = `${measure}/${size.nodes} nodes`;
    const deciding = ((decidingMs - before.decidingMs) * 1000) / (decided - before.decided);
    const { create, bind, event } = writes;
    const floor = { value: 1e6 / (create + bind + event), note: `the three writes alone${gateNote(isWhole, gates)}` };
    bench.say(
      `${name}: ${perSecond.toFixed(0)} pods/s; µs a pod: ${(1e6 / perSecond).toFixed(0)} in all, create ${create.toFixed(0)}, decide ${deciding.toFixed(0)}, bind ${bind.toFixed(0)}, event ${event.toFixed(0)}`,
    );
    const rows: Row[] = [{ ...rateRow(name, { perSecond, times, floor }), ...(isWhole && { target, limit }) }];
    rows.push(sizeRow(`${name}, deciding`, 'µs', { value: deciding }));
    if (!isWhole) return rows;
    for (const [phase, value] of Object.entries(writes)) rows.push(sizeRow(`${name}, ${phase} alone`, 'µs', { value }));
    return rows;
  } finally {
    await own.end();
  }
}

const gateNote = (isWhole: boolean, [old, newest]: readonly [number, number]): string =>
  isWhole ? `; upstream's gates: v1.36 ${old}, newest ${newest}` : '';

/** Nodes without labels of their own, and pods as they come. */
export async function plainNodesAndPods(cluster: SchedulingCluster, { nodes, initial }: Size): Promise<void> {
  await cluster.makeNodes(nodes);
  await initialPods(cluster, initial);
}

export async function initialPods(cluster: SchedulingCluster, count: number, pods: Partial<PodsToMake> = {}) {
  void cluster.scheduler; // starts it
  if (count > 0) await cluster.schedule({ count, prefix: 'initial', ...pods });
}

export type { PodSpec };
