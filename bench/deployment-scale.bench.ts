/**
 * A Deployment from 0 to five replicas for each simulated node, until all are ready: Deployment and ReplicaSet controller, scheduler,
 * bindings and statuses, on LMDB, as a client over TLS sees it.
 */
import type { Bench } from './bench.ts';
import { cpuSecondsOf } from './process-usage.ts';
import { type Floor, median, type Row, sizeRow, timesRow } from './row.ts';
import { SimulatedCluster } from './simulated-cluster.ts';
import { writesOnDisk } from './write-floors.ts';

const NODES = [100, 1_000] as const;
const REPLICAS_A_NODE = 5;
/** Itself, its binding, its status: its Event may come later. */
const WRITES_A_POD = 3;
const TARGET_MS = 6_000;
const LIMIT =
  'one thread: three writes of each pod (itself, its binding, its status; its Event mostly comes behind them), choosing its node, informers and who listens to them, and collecting garbage; the last pods take half a second to start, as all do';

/** Each with a cluster of its own: what one takes goes with the pace of the machine. */
const TURNS = 5;

export const alsoOnNewerNode = true;

export async function run(bench: Bench): Promise<Row[]> {
  const rows: Row[] = [];
  for (const nodes of NODES) {
    const turns: Turn[] = [];
    for (let turn = 0; turn < TURNS; turn++) turns.push(await scaled(bench, nodes));
    const [row, ...others] = rowsOf(`deployment-scale/${nodes * REPLICAS_A_NODE} pods on ${nodes} nodes`, turns);
    rows.push(nodes === NODES.at(-1) ? { ...row, target: TARGET_MS, limit: LIMIT } : row, ...others);
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

async function scaled(bench: Bench, nodes: number): Promise<Turn> {
  const cluster = await SimulatedCluster.start(bench, nodes);
  const { pid } = cluster.process;
  const replicas = nodes * REPLICAS_A_NODE;
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
