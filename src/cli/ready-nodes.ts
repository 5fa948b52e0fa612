/** Which nodes are ready now, and not only when the cluster ran last. */
import type { Lease } from '#api/generated/schema.ts';
import { OWN_POOL, type SimulatedNodePool } from '#api/kedge/v1alpha1/simulated-node-pool.ts';
import type { Transport } from '#client/transport.ts';
import type { ClusterStatus } from './control-protocol.ts';
import { getObject, isReadyNode, listObjects, type NodeObject } from './local-api.ts';

/** As simulated nodes are told it (docs/decisions/0016). */
const STOPPED = 'kedge.dev/simulated-stopped';

/**
 * A node's Ready outlives its kubelet by a minute. Its Lease is renewed by a kubelet that runs, right after it has said how the
 * node is: one that was renewed at `sinceMs` (wall time) or later stands for a true condition.
 */
export function readyNodes(nodes: readonly NodeObject[], leases: readonly Lease[], sinceMs: number): NodeObject[] {
  const renewed = new Map(leases.map(({ metadata, spec }) => [metadata.name, Date.parse(spec?.renewTime ?? '')]));
  return nodes.filter((node) => isReadyNode(node) && (renewed.get(node.metadata.name) ?? Number.NaN) >= sinceMs);
}

/** How many nodes are ready, once all are that the supervisor has started, and those of the own pool; undefined: not yet. */
export async function countReadyNodes(
  api: Transport,
  { nodes, simulatedNodes }: Pick<ClusterStatus, 'nodes' | 'simulatedNodes'>,
  sinceMs: number,
): Promise<number | undefined> {
  const wanted = nodes.filter(({ state }) => state !== 'stopped');
  const onPaper = simulatedNodes > 0 ? await registeredOnPaper(api) : 0;
  if (onPaper === undefined) return undefined;
  const [known, leases] = await Promise.all([
    listObjects<NodeObject>(api, '/api/v1/nodes'),
    listObjects<Lease>(api, '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases'),
  ]);
  const ready = new Set(readyNodes(known, leases, sinceMs).map(({ metadata }) => metadata.name));
  const isComplete = wanted.every(({ name }) => ready.has(name));
  const awaited = wanted.length + onPaper - known.filter(isStoppedOnPaper).length;
  return isComplete && ready.size >= awaited ? ready.size : undefined;
}

/**
 * How many nodes the pool of `--simulated-nodes` has, which somebody may have scaled since; undefined: not all of them yet. Asked
 * first: thousands of nodes that are only being made are not listed again and again.
 */
async function registeredOnPaper(api: Transport): Promise<number | undefined> {
  const pool = await getObject<SimulatedNodePool>(api, `/apis/kedge.dev/v1alpha1/simulatednodepools/${OWN_POOL}`);
  if (!pool?.status || pool.status.observedGeneration !== pool.metadata.generation) return undefined;
  return (pool.status.count ?? 0) >= pool.spec.count ? pool.spec.count : undefined;
}

/** Somebody has stopped it on purpose. */
const isStoppedOnPaper = ({ metadata }: NodeObject): boolean => metadata.annotations?.[STOPPED] === 'true';
