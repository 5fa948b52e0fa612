import { expect, test } from 'vitest';
import { Deployment } from '#api/apps/v1/deployment.ts';
import { Node } from '#api/core/v1/node.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { isReady } from '#api/core/v1/pod-conditions.ts';
import { Service } from '#api/core/v1/service.ts';
import { EndpointSlice } from '#api/discovery/v1/endpoint-slice.ts';
import { deployment, service, type TestCluster } from '#testing/cluster.ts';
import { told, wholeCluster } from './story.ts';

const endpointsOn = (cluster: TestCluster, node: string) =>
  cluster
    .list(EndpointSlice)
    .flatMap(({ endpoints }) => endpoints)
    .filter(({ nodeName, conditions }) => nodeName === node && conditions?.ready).length;
const podsOn = (cluster: TestCluster, node: string) =>
  cluster.list(Pod).filter(({ spec: { nodeName } }) => nodeName === node);
const ready = (cluster: TestCluster) =>
  cluster.list(Pod).filter((pod) => isReady(pod) && !pod.metadata.deletionTimestamp);

test('a node that is lost: no traffic after the grace period, its pods elsewhere after five minutes, and it comes back empty', async () => {
  await using cluster = await wholeCluster(3);
  await cluster.create(Service, service('web'));
  await cluster.create(Deployment, deployment('web', { replicas: 3 }));
  await cluster.passes('30s');
  expect(podsOn(cluster, 'node2')).toHaveLength(1);
  expect(endpointsOn(cluster, 'node2')).toBe(1);

  const sinceMs = cluster.clock.now();
  await cluster.faults.stopNode('node2');
  await cluster.passes('1m');
  // Nobody knows how it is; its pod may run on, but gets no traffic.
  const readiness = cluster.get(Node, 'node2')?.status?.conditions?.find(({ type }) => type === 'Ready');
  expect(`${readiness?.status} ${readiness?.reason}: ${readiness?.message}`).toMatchInlineSnapshot(
    `"Unknown NodeStatusUnknown: Kubelet stopped posting node status."`,
  );
  expect(endpointsOn(cluster, 'node2')).toBe(0);
  expect(podsOn(cluster, 'node2')).toHaveLength(1);
  expect(
    cluster
      .get(Node, 'node2')
      ?.spec.taints?.map(({ key, effect }) => `${key}:${effect}`)
      .sort(),
  ).toEqual(['node.kubernetes.io/unreachable:NoExecute', 'node.kubernetes.io/unreachable:NoSchedule']);

  // After the 300 seconds that every pod tolerates, another one takes its place.
  await cluster.passes('6m');
  expect(ready(cluster).map(({ spec }) => spec.nodeName)).not.toContain('node2');
  expect(ready(cluster)).toHaveLength(3);
  const [lost] = podsOn(cluster, 'node2');
  expect(lost?.metadata.deletionTimestamp).toBeDefined();
  expect(lost?.status?.conditions?.find(({ type }) => type === 'DisruptionTarget')).toMatchObject({
    status: 'True',
    reason: 'DeletionByTaintManager',
    message: 'Taint manager: deleting due to NoExecute taint',
  });

  await cluster.faults.startNode('node2');
  await cluster.passes('2m');
  expect(podsOn(cluster, 'node2')).toEqual([]);
  expect(cluster.get(Node, 'node2')?.spec.taints ?? []).toEqual([]);
  const reasons = ['NodeNotReady', 'TaintManagerEviction', 'SuccessfulCreate', 'NodeReady'];
  // When exactly depends on when its last lease was.
  expect(told(cluster, { sinceMs, reasons }).replaceAll(/^ *\d+s +/gm, '')).toMatchInlineSnapshot(`
    "Node node2: NodeNotReady: Node node2 status is now: NodeNotReady
    Pod web-A-*: NodeNotReady: Node is not ready
    Pod web-A-*: TaintManagerEviction: Marking for deletion Pod default/web-A-*
    ReplicaSet web-A: SuccessfulCreate: Created pod: web-A-*"
  `);
});
