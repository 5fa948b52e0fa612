/**
 * A Deployment from 0 to five replicas for each simulated node, until all are ready: Deployment and ReplicaSet controller, scheduler,
 * bindings and statuses, on LMDB, as a client over TLS sees it.
 */
import type { Bench } from './bench.ts';
import { cpuSecondsOf } from './process-usage.ts';
import { type Row, sizeRow } from './row.ts';
import { SimulatedCluster } from './simulated-cluster.ts';
import { writesOnDisk } from './write-floors.ts';

const NODES = [100, 1_000] as const;
const REPLICAS_A_NODE = 5;
/** Itself, its binding, its status: its Event may come later. */
const WRITES_A_POD = 3;
const TARGET_MS = 6_000;
const LIMIT =
  'one thread: three writes of each pod (itself, its binding, its status; its Event mostly comes behind them), choosing its node, informers and who listens to them, and collecting garbage; the last pods take half a second to start, as all do';

export const alsoOnNewerNode = true;

export async function run(bench: Bench): Promise<Row[]> {
  const rows: Row[] = [];
  for (const nodes of NODES) {
    const cluster = await SimulatedCluster.start(bench, nodes);
    const [row, ...others] = await scaled(bench, cluster, nodes);
    rows.push(nodes === NODES.at(-1) ? { ...row, target: TARGET_MS, limit: LIMIT } : row, ...others);
    await cluster.process.stop();
  }
  return rows;
}

/** What was wanted first, then what it took. */
async function scaled(bench: Bench, cluster: SimulatedCluster, nodes: number): Promise<[Row, ...Row[]]> {
  const { pid } = cluster.process;
  const replicas = nodes * REPLICAS_A_NODE;
  const name = `deployment-scale/${replicas} pods on ${nodes} nodes`;
  await cluster.createDeployment('web');
  const [began, before] = [performance.now(), cpuSecondsOf(pid)];
  const value = await cluster.scale('web', replicas);
  const cpu = 1000 * (cpuSecondsOf(pid) - before);
  await cluster.eventsWritten('Scheduled', replicas);
  const told = performance.now() - began;
  bench.say(`${replicas} replicas in ${(value / 1000).toFixed(1)} s, ${(cpu / 1000).toFixed(1)} s of CPU`);
  const { items } = await cluster.get<{ items: object[] }>('/api/v1/namespaces/default/pods?limit=1');
  const floor = await writesOnDisk(await bench.folder(), items[0] ?? {}, replicas * WRITES_A_POD);
  return [
    sizeRow(name, 'ms', { value, floor }),
    sizeRow(`${name}: CPU of the server`, 'ms', { value: cpu }),
    sizeRow(`${name}: their Events written, too`, 'ms', { value: told }),
  ];
}
