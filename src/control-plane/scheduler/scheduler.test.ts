import { describe, expect, test } from 'vitest';
import { Deployment } from '#api/apps/v1/deployment.ts';
import { Event } from '#api/core/v1/event.ts';
import { Namespace } from '#api/core/v1/namespace.ts';
import { Node } from '#api/core/v1/node.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { conditionOf } from '#api/core/v1/pod-conditions.ts';
import { Service } from '#api/core/v1/service.ts';
import { PriorityClass } from '#api/scheduling/v1/priority-class.ts';
import { deploymentController } from '#control-plane/controllers/deployment/deployment.ts';
import { replicaSetController } from '#control-plane/controllers/replica-set.ts';
import type { NodeOptions, TestCluster } from '#testing/cluster.ts';
import { deployment, namespace, node, pod, podAsking, service, startCluster } from '#testing/cluster.ts';
import { defaultProfile } from './profile.ts';

/** Nodes are ready from the start: the taint of new ones is gone. */
async function withNodes(nodes: Record<string, NodeOptions>, options: Parameters<typeof startCluster>[0] = {}) {
  const cluster = await startCluster({ scheduler: true, ...options });
  for (const [name, of] of Object.entries(nodes)) await addNode(cluster, name, of);
  return cluster;
}

async function addNode(cluster: TestCluster, name: string, of: NodeOptions = {}) {
  await cluster.create(Node, node(name, of));
  await cluster.patch(Node, name, { spec: { taints: of.spec?.taints ?? null } });
}

const placeOf = (cluster: TestCluster, name: string) => cluster.get(Pod, `default/${name}`)?.spec.nodeName;
const said = (cluster: TestCluster, reason: string) =>
  cluster
    .list(Event)
    .filter((event) => event.reason === reason)
    .map(({ message }) => message);
const whyNot = (cluster: TestCluster, name: string) =>
  conditionOf(cluster.get(Pod, `default/${name}`)!, 'PodScheduled')?.message;
const EMPTY_PREEMPTION = (count: number) =>
  `no new claims to deallocate, preemption: 0/${count} nodes are available: ${count} No preemption victims found for incoming pod.`;
const USELESS_PREEMPTION = (count: number) =>
  `no new claims to deallocate, preemption: 0/${count} nodes are available: ${count} Preemption is not helpful for scheduling.`;

test('a pod is bound to a node, and the event says to which', async () => {
  await using cluster = await withNodes({ node1: {} });
  await cluster.create(Pod, pod('web'));
  await cluster.settles();
  expect(placeOf(cluster, 'web')).toBe('node1');
  expect(conditionOf(cluster.get(Pod, 'default/web')!, 'PodScheduled')?.status).toBe('True');
  expect(said(cluster, 'Scheduled')).toEqual(['Successfully assigned default/web to node1']);
});

test('its events are of the new form; the same about the same state of a pod is one series', async () => {
  await using cluster = await withNodes({ node1: { capacity: { cpu: '1' } } });
  const { metadata } = await cluster.create(Pod, podAsking('big', { cpu: '2' }));
  await cluster.create(Pod, podAsking('small', { cpu: '500m' }));
  await cluster.passes('6m');
  const events = (name: string) => cluster.list(Event).filter(({ involvedObject }) => involvedObject.name === name);
  expect(events('small')).toEqual([
    expect.objectContaining({
      type: 'Normal',
      reason: 'Scheduled',
      action: 'Binding',
      message: 'Successfully assigned default/small to node1',
      eventTime: '2026-01-01T00:00:00.000000Z',
      firstTimestamp: null,
      lastTimestamp: null,
      source: {},
      reportingComponent: 'default-scheduler',
      reportingInstance: 'default-scheduler-localhost',
    }),
  ]);
  // The first try wrote the condition: what comes later is about a newer state of the pod.
  const [first, second] = events('big');
  const failed = { type: 'Warning', reason: 'FailedScheduling', action: 'Scheduling' };
  expect(first).toMatchObject({ ...failed, involvedObject: { resourceVersion: metadata.resourceVersion } });
  expect(second).toMatchObject(failed);
  const { resourceVersion } = cluster.get(Pod, 'default/big')!.metadata;
  expect(second?.involvedObject.resourceVersion).toBe(resourceVersion);
  expect([first?.series, second?.series]).toEqual([undefined, undefined]);
  await cluster.passes('5m');
  expect(events('big').map(({ series }) => series?.count)).toEqual([undefined, 2]);
  await cluster.passes('5m');
  expect(events('big').map(({ series }) => series?.count)).toEqual([undefined, 2]);
  await cluster.passes('15m'); // past the half hour at which series are written
  expect(events('big').map(({ series }) => series?.count)).toEqual([undefined, 5]);
});

test('its events are told by the profile that the pod names', async () => {
  const profiles = [defaultProfile(), { ...defaultProfile(), schedulerName: 'picky' }];
  await using cluster = await withNodes({ node1: {} }, { scheduler: profiles });
  await cluster.create(Pod, pod('web', { schedulerName: 'picky' }));
  await cluster.settles();
  expect(
    cluster.list(Event).map(({ reportingComponent, reportingInstance }) => [reportingComponent, reportingInstance]),
  ).toEqual([['picky', 'picky-localhost']]);
});

test('a pod of another scheduler is left to that one', async () => {
  await using cluster = await withNodes({ node1: {} });
  await cluster.create(Pod, pod('web', { schedulerName: 'other' }));
  await cluster.settles();
  expect(placeOf(cluster, 'web')).toBeUndefined();
});

describe('a pod that fits nowhere', () => {
  test('waits, with the reason in its condition and in an event, until there is room', async () => {
    await using cluster = await withNodes({ node1: { capacity: { cpu: '1' } }, node2: { capacity: { cpu: '1' } } });
    for (const name of ['a', 'b']) await cluster.create(Pod, podAsking(name, { cpu: '800m' }));
    await cluster.settles();
    await cluster.create(Pod, podAsking('c', { cpu: '500m' }));
    await cluster.settles();
    const message = `0/2 nodes are available: 2 Insufficient cpu. ${EMPTY_PREEMPTION(2)}`;
    expect(conditionOf(cluster.get(Pod, 'default/c')!, 'PodScheduled')).toMatchObject({
      status: 'False',
      reason: 'Unschedulable',
      message,
    });
    expect(said(cluster, 'FailedScheduling')).toEqual([message]);
    await cluster.delete(Pod, 'default/a', { gracePeriodSeconds: 0 });
    await cluster.passes(1_000);
    expect(placeOf(cluster, 'c')).toBeDefined();
  });

  test('because there is no node at all says so, and goes to the first that comes', async () => {
    await using cluster = await withNodes({});
    await cluster.create(Pod, pod('web'));
    await cluster.settles();
    expect(said(cluster, 'FailedScheduling')).toEqual(['no nodes available to schedule pods']);
    await addNode(cluster, 'node1');
    await cluster.passes(1_000);
    expect(placeOf(cluster, 'web')).toBe('node1');
  });

  test('is not tried again by a change that cannot help it, and after five minutes in any case', async () => {
    await using cluster = await withNodes({ node1: { capacity: { cpu: '1' } } });
    await cluster.create(Pod, podAsking('big', { cpu: '2' }));
    await cluster.passes(20_000);
    const tries = () => {
      const events = cluster.list(Event).filter(({ reason }) => reason === 'FailedScheduling');
      return events.reduce((sum, { series }) => sum + (series?.count ?? 1), 0);
    };
    expect(tries()).toBe(1);
    await cluster.patch(Node, 'node1', { metadata: { labels: { tier: 'a' } } });
    await cluster.passes(20_000);
    expect(tries()).toBe(1);
    await cluster.passes(300_000);
    expect(tries()).toBe(2);
  });

  for (const { why, nodes, spec, message } of [
    {
      why: 'asks for more than a node has',
      nodes: { node1: { capacity: { cpu: '1', memory: '1Gi' } } },
      spec: { containers: [{ name: 'main', image: 'i', resources: { requests: { cpu: '2', memory: '2Gi' } } }] },
      message: `0/1 nodes are available: 1 Insufficient cpu, 1 Insufficient memory. ${USELESS_PREEMPTION(1)}`,
    },
    {
      why: 'does not tolerate the taints',
      nodes: {
        node1: { spec: { taints: [{ key: 'gpu', effect: 'NoSchedule' as const }] } },
        node2: { spec: { unschedulable: true } },
      },
      spec: {},
      message: `0/2 nodes are available: 1 node(s) had untolerated taint(s), 1 node(s) were unschedulable. ${USELESS_PREEMPTION(2)}`,
    },
    {
      why: 'selects other nodes',
      nodes: { node1: {} },
      spec: { nodeSelector: { disk: 'ssd' } },
      message: `0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector. ${USELESS_PREEMPTION(1)}`,
    },
    {
      why: 'names a node that is not there',
      nodes: { node1: {}, node2: {} },
      spec: {
        affinity: {
          nodeAffinity: {
            requiredDuringSchedulingIgnoredDuringExecution: {
              nodeSelectorTerms: [
                { matchFields: [{ key: 'metadata.name', operator: 'In' as const, values: ['gone'] }] },
              ],
            },
          },
        },
      },
      message: `0/2 nodes are available: 2 node(s) didn't satisfy plugin(s) [NodeAffinity]. ${USELESS_PREEMPTION(2)}`,
    },
    {
      why: 'asks for two nodes at once',
      nodes: { node1: {}, node2: {} },
      spec: {
        affinity: {
          nodeAffinity: {
            requiredDuringSchedulingIgnoredDuringExecution: {
              nodeSelectorTerms: [
                {
                  matchFields: ['node1', 'node2'].map((name) => ({
                    ...{ key: 'metadata.name', operator: 'In' as const },
                    values: [name],
                  })),
                },
              ],
            },
          },
        },
      },
      message: '0/2 nodes are available: pod affinity terms conflict. not found',
    },
    {
      why: 'may not preempt',
      nodes: { node1: { capacity: { pods: '0' } } },
      spec: { priorityClassName: 'modest' },
      message:
        '0/1 nodes are available: 1 Too many pods. no new claims to deallocate, preemption: not eligible due to preemptionPolicy=Never.',
    },
  ]) {
    test(`because it ${why} says so in upstream's words`, async () => {
      await using cluster = await withNodes(nodes);
      await cluster.create(PriorityClass, { metadata: { name: 'modest' }, value: 1, preemptionPolicy: 'Never' });
      await cluster.create(Pod, pod('web', spec));
      await cluster.settles();
      expect(whyNot(cluster, 'web')).toBe(message);
    });
  }
});

test('the pod of the higher priority goes first', async () => {
  await using cluster = await withNodes({});
  await cluster.create(PriorityClass, { metadata: { name: 'high' }, value: 1000 });
  await cluster.create(Pod, podAsking('low', { cpu: '1' }));
  await cluster.create(Pod, podAsking('high', { cpu: '1' }, { priorityClassName: 'high' }));
  await cluster.create(Node, node('node1', { capacity: { cpu: '1' } }));
  await cluster.settles(); // neither may go there yet: who is asked while the taint goes is a matter of chance
  await cluster.patch(Node, 'node1', { spec: { taints: null } });
  await cluster.passes(1_000);
  expect([placeOf(cluster, 'high'), placeOf(cluster, 'low')]).toEqual(['node1', undefined]);
});

test('a pod with scheduling gates waits for the last of them to go', async () => {
  await using cluster = await withNodes({ node1: {} });
  await cluster.create(Pod, pod('web', { schedulingGates: [{ name: 'example.org/a' }] }));
  await cluster.settles();
  expect(placeOf(cluster, 'web')).toBeUndefined();
  await cluster.patch(Pod, 'default/web', { spec: { schedulingGates: null } });
  await cluster.settles();
  expect(placeOf(cluster, 'web')).toBe('node1');
});

test('two pods that want the same port of the node go to two nodes, a third waits', async () => {
  await using cluster = await withNodes({ node1: {}, node2: {} });
  const listening = {
    containers: [
      { name: 'main', image: 'i', ports: [{ containerPort: 80, hostPort: 8080, protocol: 'TCP' as const }] },
    ],
  };
  for (const name of ['a', 'b', 'c']) await cluster.create(Pod, pod(name, listening));
  await cluster.settles();
  expect(['a', 'b'].map((name) => placeOf(cluster, name)).sort()).toEqual(['node1', 'node2']);
  expect(whyNot(cluster, 'c')).toBe(
    `0/2 nodes are available: 2 node(s) didn't have free ports for the requested pod ports. ${EMPTY_PREEMPTION(2)}`,
  );
});

test('three replicas land on both of two nodes', async () => {
  for (const seed of [1, 2, 3, 4, 5]) {
    await using cluster = await withNodes(
      { node1: {}, node2: {} },
      { seed, controllers: [deploymentController, replicaSetController] },
    );
    await cluster.create(Service, service('web'));
    await cluster.create(Deployment, deployment('web', { replicas: 3 }));
    await cluster.settles();
    const counts = ['node1', 'node2'].map(
      (name) => cluster.list(Pod).filter(({ spec }) => spec.nodeName === name).length,
    );
    expect(counts.sort()).toEqual([1, 2]);
  }
});

describe('node affinity', () => {
  test('preferred, decides between nodes that fit', async () => {
    await using cluster = await withNodes({ node1: {}, node2: { labels: { disk: 'ssd' } }, node3: {} });
    const preference = { matchExpressions: [{ key: 'disk', operator: 'In' as const, values: ['ssd'] }] };
    const affinity = {
      nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 100, preference }] },
    };
    await cluster.create(Pod, pod('web', { affinity }));
    await cluster.settles();
    expect(placeOf(cluster, 'web')).toBe('node2');
  });

  test('is looked at again when a node gets the label', async () => {
    await using cluster = await withNodes({ node1: {} });
    await cluster.create(Pod, pod('web', { nodeSelector: { disk: 'ssd' } }));
    await cluster.settles();
    await cluster.patch(Node, 'node1', { metadata: { labels: { disk: 'ssd' } } });
    await cluster.passes(1_000);
    expect(placeOf(cluster, 'web')).toBe('node1');
  });
});

describe('pod affinity', () => {
  const zone = 'topology.kubernetes.io/zone';
  const zones = { a1: { labels: { [zone]: 'a' } }, b1: { labels: { [zone]: 'b' } }, b2: { labels: { [zone]: 'b' } } };
  const term = (app: string, topologyKey: string) => ({ labelSelector: { matchLabels: { app } }, topologyKey });
  const labelled = (app: string) => ({ labels: { app } });

  test('required, puts a pod beside the one it wants to be with', async () => {
    await using cluster = await withNodes(zones);
    await cluster.create(Pod, pod('cache', { nodeName: 'a1' }, labelled('cache')));
    const affinity = { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term('cache', zone)] } };
    await cluster.create(Pod, pod('web', { affinity }));
    await cluster.settles();
    expect(placeOf(cluster, 'web')).toBe('a1');
  });

  test('required, lets the first of a group go anywhere, and the others follow', async () => {
    await using cluster = await withNodes(zones);
    const affinity = {
      podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term('web', 'kubernetes.io/hostname')] },
    };
    for (const name of ['w1', 'w2', 'w3']) await cluster.create(Pod, pod(name, { affinity }, labelled('web')));
    await cluster.settles();
    const places = ['w1', 'w2', 'w3'].map((name) => placeOf(cluster, name));
    expect(places[0]).toBeDefined();
    expect(new Set(places).size).toBe(1);
  });

  test('anti, keeps pods of a kind in different zones, and says why the third waits', async () => {
    await using cluster = await withNodes(zones);
    const affinity = { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term('web', zone)] } };
    for (const name of ['w1', 'w2', 'w3']) await cluster.create(Pod, pod(name, { affinity }, labelled('web')));
    await cluster.settles();
    expect(['w1', 'w2'].map((name) => placeOf(cluster, name)?.[0]).sort()).toEqual(['a', 'b']);
    expect(whyNot(cluster, 'w3')).toBe(
      `0/3 nodes are available: 3 node(s) didn't match pod anti-affinity rules. ${EMPTY_PREEMPTION(3)}`,
    );
  });

  test('anti, of a pod that is there holds against a newcomer that says nothing', async () => {
    await using cluster = await withNodes({ a1: zones.a1 });
    const affinity = { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term('web', zone)] } };
    await cluster.create(Pod, pod('lonely', { affinity, nodeName: 'a1' }, labelled('db')));
    await cluster.create(Pod, pod('web', {}, labelled('web')));
    await cluster.settles();
    expect(whyNot(cluster, 'web')).toContain("1 node(s) didn't satisfy existing pods anti-affinity rules");
  });

  test('reaches into other namespaces only by a namespace selector', async () => {
    await using cluster = await withNodes(zones);
    await cluster.create(Namespace, namespace('shop', { labels: { team: 'shop' } }));
    await cluster.create(Pod, pod('cache', { nodeName: 'b1' }, { namespace: 'shop', ...labelled('cache') }));
    const own = { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term('cache', zone)] } };
    const others = {
      podAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: [
          { ...term('cache', zone), namespaceSelector: { matchLabels: { team: 'shop' } } },
        ],
      },
    };
    await cluster.create(Pod, pod('alone', { affinity: own }));
    await cluster.create(Pod, pod('with', { affinity: others }));
    await cluster.settles();
    expect(placeOf(cluster, 'with')?.[0]).toBe('b');
    expect(whyNot(cluster, 'alone')).toContain("3 node(s) didn't match pod affinity rules");
  });

  test('preferred, decides between nodes that fit', async () => {
    await using cluster = await withNodes(zones);
    await cluster.create(Pod, pod('cache', { nodeName: 'a1' }, labelled('cache')));
    const preferred = [{ weight: 100, podAffinityTerm: term('cache', zone) }];
    await cluster.create(
      Pod,
      pod('web', { affinity: { podAffinity: { preferredDuringSchedulingIgnoredDuringExecution: preferred } } }),
    );
    await cluster.settles();
    expect(placeOf(cluster, 'web')).toBe('a1');
  });
});

describe('topology spread', () => {
  const zone = 'topology.kubernetes.io/zone';
  const spread = (maxSkew: number, topologyKey: string) => ({
    topologySpreadConstraints: [
      {
        maxSkew,
        topologyKey,
        whenUnsatisfiable: 'DoNotSchedule' as const,
        labelSelector: { matchLabels: { app: 'web' } },
      },
    ],
  });

  test('strict, keeps the difference between zones within maxSkew', async () => {
    await using cluster = await withNodes({
      a1: { labels: { [zone]: 'a' } },
      a2: { labels: { [zone]: 'a' } },
      b1: { labels: { [zone]: 'b' } },
    });
    for (let i = 0; i < 6; i++) await cluster.create(Pod, pod(`w${i}`, spread(1, zone), { labels: { app: 'web' } }));
    await cluster.settles();
    const zones = cluster.list(Pod).map(({ spec }) => spec.nodeName?.[0]);
    expect(zones.sort()).toEqual(['a', 'a', 'a', 'b', 'b', 'b']);
  });

  test('strict, says why a pod waits', async () => {
    await using cluster = await withNodes({
      node1: {},
      node2: { spec: { unschedulable: true } },
      node3: { labels: { 'kubernetes.io/hostname': '' } },
    });
    await cluster.create(
      Pod,
      pod('w1', { ...spread(1, 'kubernetes.io/hostname'), nodeName: 'node1' }, { labels: { app: 'web' } }),
    );
    await cluster.create(Pod, pod('w2', spread(1, 'rack'), { labels: { app: 'web' } }));
    await cluster.settles();
    expect(whyNot(cluster, 'w2')).toBe(
      `0/3 nodes are available: 1 node(s) were unschedulable, 2 node(s) didn't match pod topology spread constraints (missing required label). ${USELESS_PREEMPTION(3)}`,
    );
  });
});

test('the emptier node is preferred', async () => {
  await using cluster = await withNodes({ node1: {}, node2: {} });
  await cluster.create(Pod, podAsking('there', { cpu: '2', memory: '4Gi' }, { nodeName: 'node1' }));
  await cluster.create(Pod, podAsking('web', { cpu: '1', memory: '1Gi' }));
  await cluster.settles();
  expect(placeOf(cluster, 'web')).toBe('node2');
});

test('what was just placed counts before the API says so: no node is overbooked', async () => {
  await using cluster = await withNodes({ node1: { capacity: { cpu: '1' } }, node2: { capacity: { cpu: '1' } } });
  for (let i = 0; i < 30; i++) await cluster.create(Pod, podAsking(`p${i}`, { cpu: '100m' }));
  await cluster.settles();
  const on = (name: string) => cluster.list(Pod).filter(({ spec }) => spec.nodeName === name).length;
  expect([on('node1'), on('node2')]).toEqual([10, 10]);
});

test('a binding that the API refuses gives its place back, and is tried again', async () => {
  await using cluster = await withNodes({});
  await cluster.create(Pod, pod('web'));
  await cluster.settles();
  const stored = cluster.get(Pod, 'default/web')!;
  // Somebody else binds the pod before the scheduler tries again.
  const which = { verb: 'create', resource: 'pods/binding', user: 'system:kube-scheduler', times: 1 };
  const refused = cluster.faults.fail(which, { reason: 'Conflict' });
  await addNode(cluster, 'node1', { capacity: { pods: '1' } });
  await cluster.settles();
  expect(refused.hits).toBe(1);
  await cluster.client.createSubresource(
    Pod,
    { namespace: 'default', name: 'web', subresource: 'binding' },
    {
      apiVersion: 'v1',
      kind: 'Binding',
      metadata: { name: 'web', uid: stored.metadata.uid },
      target: { kind: 'Node', name: 'elsewhere' },
    },
  );
  await cluster.create(Pod, pod('other'));
  await cluster.passes(5_000);
  expect(placeOf(cluster, 'web')).toBe('elsewhere');
  expect(placeOf(cluster, 'other')).toBe('node1');
});
