/** Which nodes are ready now, and not only when the cluster ran last. */
import type { Lease } from '#api/generated/schema.ts';
import type { Transport } from '#client/transport.ts';
import type { ClusterStatus } from './control-protocol.ts';
import { isReadyNode, listObjects, type NodeObject } from './local-api.ts';

/**
 * A node's Ready outlives its kubelet by a minute. Its Lease is renewed by a kubelet that runs, right after it has said how the
 * node is: one that was renewed at `sinceMs` (wall time) or later stands for a true condition.
 */
export function readyNodes(nodes: readonly NodeObject[], leases: readonly Lease[], sinceMs: number): NodeObject[] {
  const renewed = new Map(leases.map(({ metadata, spec }) => [metadata.name, Date.parse(spec?.renewTime ?? '')]));
  return nodes.filter((node) => isReadyNode(node) && (renewed.get(node.metadata.name) ?? Number.NaN) >= sinceMs);
}

/** How many nodes are ready, once all are that the supervisor has started; undefined: not yet. */
export async function countReadyNodes(
  api: Transport,
  { nodes, simulatedNodes }: Pick<ClusterStatus, 'nodes' | 'simulatedNodes'>,
  sinceMs: number,
): Promise<number | undefined> {
  const wanted = nodes.filter(({ state }) => state !== 'stopped');
  const [known, leases] = await Promise.all([
    listObjects<NodeObject>(api, '/api/v1/nodes'),
    listObjects<Lease>(api, '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases'),
  ]);
  const ready = new Set(readyNodes(known, leases, sinceMs).map(({ metadata }) => metadata.name));
  const isComplete = wanted.every(({ name }) => ready.has(name));
  const isNoneAwaited = wanted.length + simulatedNodes === 0;
  return isComplete && (ready.size > 0 || isNoneAwaited) ? ready.size : undefined;
}
