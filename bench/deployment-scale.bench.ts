/**
 * A Deployment from 0 to thousands of replicas on simulated nodes, until all are ready: Deployment and ReplicaSet controller,
 * scheduler, bindings and statuses, on LMDB, as a client over TLS sees it.
 */
import type { Bench } from './bench.ts';
import { cpuSecondsOf } from './process-usage.ts';
import { type Floor, median, type Row, sizeRow, timesRow } from './row.ts';
import { SimulatedCluster } from './simulated-cluster.ts';
import { writesOnDisk } from './write-floors.ts';

/**
 * The second is what the target is for. Each turn has a cluster of its own: what one takes goes with the pace of the machine; that
 * of the last takes long to come together.
 */
const SIZES = [
  { nodes: 100, replicas: 500, turns: 5 },
  { nodes: 1_000, replicas: 5_000, turns: 5 },
  { nodes: 5_000, replicas: 5_000, turns: 1 },
] as const;
/** Itself, its binding, its status: its Event may come later. */
const WRITES_A_POD = 3;
const TARGET_MS = 6_000;
const LIMIT =
  'one thread: three writes of each pod (itself, its binding, its status; its Event mostly comes behind them), choosing its node, informers and who listens to them, and collecting garbage; the last pods take half a second to start, as all do';

export const alsoOnNewerNode = true;

export async function run(bench: Bench): Promise<Row[]> {
  const rows: Row[] = [];
  for (const size of SIZES) {
    const turns: Turn[] = [];
    while (turns.length < size.turns) turns.push(await scaled(bench, size));
    const [row, ...others] = rowsOf(`deployment-scale/${size.replicas} pods on ${size.nodes} nodes`, turns);
    rows.push(size === SIZES[1] ? { ...row, target: TARGET_MS, limit: LIMIT } : row, ...others);
  }
  return rows;
}

interface Turn {
  ms: number;
  /** Of the server, in that time. */
  cpuMs: number;
  /** Until all Events of it were written. */
  toldMs: number;
  floor: Floor;
}

function rowsOf(name: string, turns: readonly Turn[]): [Row, ...Row[]] {
  const times = turns.map(({ ms }) => ms);
  const value = median(turns.map(({ floor }) => floor.value));
  return [
    timesRow(name, times, { value, note: turns[0]?.floor.note ?? '' }),
    sizeRow(`${name}: CPU of the server`, 'ms', { value: median(turns.map(({ cpuMs }) => cpuMs)) }),
    sizeRow(`${name}: their Events written, too`, 'ms', { value: median(turns.map(({ toldMs }) => toldMs)) }),
  ];
}

async function scaled(bench: Bench, { nodes, replicas }: { nodes: number; replicas: number }): Promise<Turn> {
  const cluster = await SimulatedCluster.start(bench, nodes);
  const { pid } = cluster.process;
  await cluster.createDeployment('web');
  const [began, before] = [performance.now(), cpuSecondsOf(pid)];
  const ms = await cluster.scale('web', replicas);
  const cpuMs = 1000 * (cpuSecondsOf(pid) - before);
  await cluster.eventsWritten('Scheduled', replicas);
  const toldMs = performance.now() - began;
  bench.say(`${replicas} replicas in ${(ms / 1000).toFixed(1)} s, ${(cpuMs / 1000).toFixed(1)} s of CPU`);
  const { items } = await cluster.get<{ items: object[] }>('/api/v1/namespaces/default/pods?limit=1');
  const floor = await writesOnDisk(await bench.folder(), items[0] ?? {}, replicas * WRITES_A_POD);
  await cluster.process.stop();
  return { ms, cpuMs, toldMs, floor };
}
