import { expect, test } from 'vitest';
import { Deployment } from '#api/apps/v1/deployment.ts';
import { Node } from '#api/core/v1/node.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { isReady } from '#api/core/v1/pod-conditions.ts';
import { StatusError } from '#api/machinery/status.ts';
import { PodDisruptionBudget } from '#api/policy/v1/pod-disruption-budget.ts';
import { deployment, type TestCluster } from '#testing/cluster.ts';
import { conditionsOf, told, wholeCluster } from './story.ts';

const on = (cluster: TestCluster, node: string) =>
  cluster.list(Pod).filter(({ spec, metadata }) => spec.nodeName === node && !metadata.deletionTimestamp);
const ready = (cluster: TestCluster) =>
  cluster.list(Pod).filter((pod) => isReady(pod) && !pod.metadata.deletionTimestamp).length;

/** As `kubectl drain` asks for it. @returns what a refusal says */
async function evict(cluster: TestCluster, { metadata: { name, namespace } }: Pod): Promise<string> {
  const metadata = { name, namespace };
  try {
    await cluster.client.transport.request({
      method: 'POST',
      path: `/api/v1/namespaces/${namespace}/pods/${name}/eviction`,
      object: { apiVersion: 'policy/v1', kind: 'Eviction', metadata },
    });
    return 'evicted';
  } catch (error) {
    if (error instanceof StatusError) return `${error.code} ${error.message} ${error.details?.causes?.[0]?.message}`;
    throw error;
  }
}

test('a node is drained one pod at a time, as the budget allows, and nobody is left without service', async () => {
  await using cluster = await wholeCluster(3);
  await cluster.create(Deployment, deployment('web', { replicas: 4 }));
  await cluster.create(PodDisruptionBudget, {
    metadata: { name: 'calm', namespace: 'default' },
    spec: { selector: { matchLabels: { app: 'web' } }, maxUnavailable: 1 },
  });
  await cluster.passes('10s');
  const sinceMs = cluster.clock.now();
  const node = cluster.list(Pod)[0]?.spec.nodeName ?? '';
  const before = on(cluster, node).length;
  expect(before).toBeGreaterThan(0);
  await cluster.patch(Node, node, { spec: { unschedulable: true } });
  await cluster.settles();
  expect(cluster.get(Node, node)?.spec.taints?.map(({ key, effect }) => `${key}:${effect}`)).toEqual([
    'node.kubernetes.io/unschedulable:NoSchedule',
  ]);

  const [first] = on(cluster, node);
  const other = cluster.list(Pod).find(({ metadata }) => metadata.uid !== first?.metadata.uid)!;
  expect(await evict(cluster, first!)).toBe('evicted');
  // The budget is used up until another pod serves in its place.
  expect(await evict(cluster, other)).toMatchInlineSnapshot(
    `"429 Cannot evict pod as it would violate the pod's disruption budget. The disruption budget calm needs 3 healthy pods and has 3 currently"`,
  );
  await cluster.settles();
  expect(conditionsOf(cluster, cluster.get(PodDisruptionBudget, 'default/calm')!)).toMatchInlineSnapshot(
    `"DisruptionAllowed=False (InsufficientPods): "`,
  );

  for (let tries = 0; on(cluster, node).length > 0; tries++) {
    expect(tries).toBeLessThan(60);
    await evict(cluster, on(cluster, node)[0]!);
    await cluster.passes('1s');
    expect(ready(cluster)).toBeGreaterThanOrEqual(3);
  }
  await cluster.passes('1m');
  expect(ready(cluster)).toBe(4);
  expect(conditionsOf(cluster, cluster.get(PodDisruptionBudget, 'default/calm')!)).toMatchInlineSnapshot(
    `"DisruptionAllowed=True (SufficientPods): "`,
  );
  expect(told(cluster, { sinceMs, reasons: ['NodeNotSchedulable', 'SuccessfulCreate'] })).toContain(
    'ReplicaSet web-A: SuccessfulCreate: Created pod: web-A-*',
  );

  await cluster.patch(Node, node, { spec: { unschedulable: false } });
  await cluster.settles();
  expect(cluster.get(Node, node)?.spec.taints ?? []).toEqual([]);
});
