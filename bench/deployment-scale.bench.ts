/**
 * A Deployment from 0 to five replicas for each simulated node, until all are ready: Deployment and ReplicaSet controller, scheduler,
 * bindings and statuses, on LMDB, as a client over TLS sees it.
 */
import type { Bench } from './bench.ts';
import { type Row, sizeRow } from './row.ts';
import { SimulatedCluster } from './simulated-cluster.ts';

const NODES = [100, 1_000] as const;
const REPLICAS_A_NODE = 5;
const TARGET_MS = 6_000;
const LIMIT =
  'one thread: the four writes of each pod (itself, its binding, its Event, its status) are two fifths of it and collecting garbage a sixth, choosing a node an eighth, informers and who listens to them a tenth, controllers a fifteenth; the last pods take half a second to start, as all do';

export async function run(bench: Bench): Promise<Row[]> {
  const rows: Row[] = [];
  for (const nodes of NODES) {
    const cluster = await SimulatedCluster.start(bench, nodes);
    await cluster.createDeployment('web');
    const replicas = nodes * REPLICAS_A_NODE;
    const ms = await cluster.scale('web', replicas);
    bench.say(`${replicas} replicas in ${(ms / 1000).toFixed(1)} s`);
    const row = sizeRow(`deployment-scale/${replicas} pods on ${nodes} nodes`, 'ms', { value: ms });
    rows.push(nodes === NODES.at(-1) ? { ...row, target: TARGET_MS, limit: LIMIT } : row);
    await cluster.process.stop();
  }
  return rows;
}
