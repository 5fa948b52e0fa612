import { describe, expect, test } from 'vitest';
import { Event } from '#api/core/v1/event.ts';
import { Node } from '#api/core/v1/node.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { conditionOf } from '#api/core/v1/pod-conditions.ts';
import { PriorityClass } from '#api/scheduling/v1/priority-class.ts';
import type { TestCluster } from '#testing/cluster.ts';
import { node, pod, podAsking, startCluster } from '#testing/cluster.ts';
import { profilesOf } from '../configuration/configured-profiles.ts';
import type { ConfiguredExtender } from '../configuration/scheduler-configuration.ts';
import { httpExtender, type SendJson } from './http-extender.ts';

type Asked = { url: string; body: Record<string, unknown> };
type Answers = Record<string, unknown>;

async function clusterWith(more: Partial<ConfiguredExtender>, answers: Answers, capacity: Record<string, string> = {}) {
  const asked: Asked[] = [];
  const send: SendJson = async (url, body) => {
    asked.push({ url, body: body as Asked['body'] });
    const answer = answers[url.split('/').at(-1) ?? ''];
    if (answer === undefined) return { problem: 'dial tcp 10.0.0.1:80: connect: connection refused' };
    return typeof answer === 'number' ? { code: answer, text: '' } : { code: 200, text: JSON.stringify(answer) };
  };
  const configured = { urlPrefix: 'http://10.0.0.1/api/', ...more };
  const profiles = profilesOf({ extenders: [configured] }, [httpExtender(configured, send)]);
  const cluster = await startCluster({ scheduler: profiles });
  for (const name of ['node1', 'node2']) {
    await cluster.create(Node, node(name, { capacity }));
    await cluster.patch(Node, name, { spec: { taints: null } });
  }
  return Object.assign(cluster, { asked });
}

const placeOf = (cluster: TestCluster, name: string) => cluster.get(Pod, `default/${name}`)?.spec.nodeName;
const whyNot = (cluster: TestCluster) => conditionOf(cluster.get(Pod, 'default/web')!, 'PodScheduled')?.message;

describe('an extender', () => {
  test('refuses nodes, in its own words', async () => {
    const answers = {
      filter: { nodenames: [], failedNodes: { node1: 'no licence' }, failedAndUnresolvableNodes: { node2: 'too old' } },
    };
    await using cluster = await clusterWith({ filterVerb: 'filter', nodeCacheCapable: true }, answers);
    await cluster.create(Pod, pod('web'));
    await cluster.settles();
    expect(whyNot(cluster)).toMatch(/^0\/2 nodes are available: 1 no licence, 1 too old\. /);
    expect(cluster.asked[0]?.url).toBe('http://10.0.0.1/api/filter');
    expect(cluster.asked[0]?.body).toMatchObject({ Nodes: null, NodeNames: ['node1', 'node2'], Pod: { kind: 'Pod' } });
  });

  test('may write names as Go does', async () => {
    const answers = { filter: { NodeNames: ['node2'], FailedNodes: { node1: 'no licence' }, Error: '' } };
    await using cluster = await clusterWith({ filterVerb: 'filter', nodeCacheCapable: true }, answers);
    await cluster.create(Pod, pod('web'));
    await cluster.settles();
    expect(placeOf(cluster, 'web')).toBe('node2');
  });

  test('may leave nodes out without a word', async () => {
    const answers = { filter: { nodenames: [] } };
    await using cluster = await clusterWith({ filterVerb: 'filter', nodeCacheCapable: true }, answers);
    await cluster.create(Pod, pod('web'));
    await cluster.settles();
    expect(whyNot(cluster)).toBe(
      '0/2 nodes are available: no new claims to deallocate, preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.',
    );
  });

  test('is sent whole nodes where it does not know them', async () => {
    const answers = { filter: { nodes: { items: [{ metadata: { name: 'node2' } }] } } };
    await using cluster = await clusterWith({ filterVerb: 'filter' }, answers);
    await cluster.create(Pod, pod('web'));
    await cluster.settles();
    expect(placeOf(cluster, 'web')).toBe('node2');
    expect(cluster.asked[0]?.body).toMatchObject({ Nodes: { items: [{ kind: 'Node' }, { kind: 'Node' }] } });
  });

  test('adds to the scores', async () => {
    const prioritize = [
      { host: 'node1', score: 0 },
      { host: 'node2', score: 10 },
    ];
    await using cluster = await clusterWith({ prioritizeVerb: 'prioritize', weight: 100 }, { prioritize });
    for (const name of ['a', 'b', 'c']) await cluster.create(Pod, pod(name));
    await cluster.settles();
    expect(['a', 'b', 'c'].map((name) => placeOf(cluster, name))).toEqual(['node2', 'node2', 'node2']);
  });

  test('has no opinion where its scores are no whole numbers', async () => {
    const prioritize = [
      { host: 'node1', score: 'much' },
      { host: 'node2', score: 10 },
    ];
    await using cluster = await clusterWith({ prioritizeVerb: 'prioritize', weight: 100 }, { prioritize });
    for (const name of ['a', 'b']) await cluster.create(Pod, podAsking(name, { cpu: '1' }));
    await cluster.settles();
    expect(['a', 'b'].map((name) => placeOf(cluster, name)).sort()).toEqual(['node1', 'node2']);
  });

  test('binds in place of the scheduler', async () => {
    await using cluster = await clusterWith({ bindVerb: 'bind' }, { bind: {} });
    const { metadata } = await cluster.create(Pod, pod('web'));
    await cluster.settles();
    expect(cluster.asked[0]?.body).toEqual({
      ...{ PodName: 'web', PodNamespace: 'default', PodUID: metadata.uid },
      Node: expect.any(String),
    });
    expect(placeOf(cluster, 'web')).toBeUndefined(); // it said so, and did nothing
  });

  test('is asked only about pods with its resources, which the scheduler may leave to it', async () => {
    const managedResources = [{ name: 'example.org/fpga', ignoredByScheduler: true }];
    const filter = { nodenames: ['node2'] };
    await using cluster = await clusterWith(
      { filterVerb: 'filter', nodeCacheCapable: true, managedResources },
      { filter },
    );
    await cluster.create(Pod, pod('plain'));
    await cluster.settles();
    expect(cluster.asked).toEqual([]);
    await cluster.create(
      Pod,
      pod('fpga', {
        containers: [{ name: 'main', image: 'i', resources: { limits: { 'example.org/fpga': '1' } } }],
      }),
    );
    await cluster.settles();
    expect(placeOf(cluster, 'fpga')).toBe('node2');
  });

  test.each<[string, unknown, string]>([
    [
      'does not answer',
      undefined,
      'Post "http://10.0.0.1/api/filter": dial tcp 10.0.0.1:80: connect: connection refused',
    ],
    ['answers with an error', { error: 'out of order' }, 'out of order'],
    ['answers with a redirect', 302, 'failed filter with extender at URL http://10.0.0.1/api/, code 302'],
  ])('that %s keeps the pod waiting, and is asked again', async (_, filter, message) => {
    const answers: Answers = { filter };
    await using cluster = await clusterWith({ filterVerb: 'filter', nodeCacheCapable: true }, answers);
    await cluster.create(Pod, podAsking('web', { cpu: '100m' }));
    await cluster.settles();
    expect(whyNot(cluster)).toBe(message);
    expect(cluster.list(Event).find(({ reason }) => reason === 'FailedScheduling')?.message).toBe(message);
    answers['filter'] = { nodenames: ['node1', 'node2'] };
    await cluster.passes(1_000);
    expect(placeOf(cluster, 'web')).toBeDefined();
  });

  test('that may be ignored and does not answer is ignored', async () => {
    await using cluster = await clusterWith({ filterVerb: 'filter', ignorable: true }, {});
    await cluster.create(Pod, pod('web'));
    await cluster.settles();
    expect(placeOf(cluster, 'web')).toBeDefined();
  });

  describe('that has a say in preemption', () => {
    const FULL = { cpu: '1' };
    /** Two nodes, each full with a pod of low priority; on node1 the lesser one, which would go. */
    async function full(more: Partial<ConfiguredExtender>, answers: Answers) {
      const configured = { preemptVerb: 'preempt', nodeCacheCapable: true, ...more };
      const cluster = await clusterWith(configured, answers, FULL);
      for (const [name, value] of [['low', 1] as const, ['middle', 2] as const, ['high', 3] as const])
        await cluster.create(PriorityClass, { metadata: { name }, value });
      const ask = (name: string, priorityClassName: string, nodeName?: string) =>
        cluster.create(Pod, podAsking(name, { cpu: '1' }, { priorityClassName, ...(nodeName && { nodeName }) }));
      const victims = [await ask('a', 'low', 'node1'), await ask('b', 'middle', 'node2')] as const;
      await cluster.settles();
      return Object.assign(cluster, { victims, preempt: () => ask('web', 'high').then(() => cluster.settles()) });
    }
    const going = (cluster: TestCluster) =>
      cluster
        .list(Pod)
        .filter(({ metadata }) => metadata.deletionTimestamp)
        .map(({ metadata }) => metadata.name);
    const meta = (...uids: string[]) => ({ Pods: uids.map((UID) => ({ UID })), NumPDBViolations: 0 });

    test('chooses among the victims, and is told them by uid', async () => {
      const answers: Answers = {};
      await using cluster = await full({}, answers);
      const [a, b] = cluster.victims.map(({ metadata }) => metadata.uid) as [string, string];
      answers['preempt'] = { NodeNameToMetaVictims: { node2: meta(b) } };
      await cluster.preempt();
      expect(going(cluster)).toEqual(['b']);
      expect(cluster.asked[0]?.body).toMatchObject({
        Pod: { metadata: { name: 'web' } },
        NodeNameToVictims: null,
        NodeNameToMetaVictims: { node1: meta(a), node2: meta(b) },
      });
    });

    test('is told whole pods where it does not know them', async () => {
      const answers: Answers = {};
      await using cluster = await full({ nodeCacheCapable: false }, answers);
      answers['preempt'] = { NodeNameToMetaVictims: { node1: meta(cluster.victims[0].metadata.uid) } };
      await cluster.preempt();
      expect(going(cluster)).toEqual(['a']);
      expect(cluster.asked[0]?.body).toMatchObject({
        NodeNameToVictims: { node1: { Pods: [{ kind: 'Pod', metadata: { name: 'a' } }], NumPDBViolations: 0 } },
      });
    });

    test.each<[string, Partial<ConfiguredExtender>, unknown, string]>([
      ['that agrees to nothing', {}, { NodeNameToMetaVictims: {} }, 'no candidate node for preemption'],
      [
        'that does not answer',
        {},
        undefined,
        'Post "http://10.0.0.1/api/preempt": dial tcp 10.0.0.1:80: connect: connection refused',
      ],
      [
        'that names a node without victims',
        {},
        { NodeNameToMetaVictims: { node1: meta() } },
        'expected at least one victim pod on node "node1"',
      ],
      [
        'that names a node that is not there',
        {},
        { NodeNameToMetaVictims: { node9: meta('x') } },
        'nodeinfo not found for node name "node9"',
      ],
    ])('one %s keeps everybody where they are', async (_, more, answer, message) => {
      await using cluster = await full(more, { preempt: answer });
      await cluster.preempt();
      expect(going(cluster)).toEqual([]);
      expect(whyNot(cluster)).toContain(`preemption: ${message}`);
    });

    test('one that may be ignored and does not answer is ignored', async () => {
      await using cluster = await full({ ignorable: true }, {});
      await cluster.preempt();
      expect(going(cluster)).toEqual(['a']);
    });
  });
});
