import { describe, expect, test } from 'vitest';
import { Node } from '#api/core/v1/node.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { SharedInformers } from '#client/informers.ts';
import type { NodeOptions, TestCluster } from '#testing/cluster.ts';
import { node, pod, podAsking, startCluster } from '#testing/cluster.ts';
import { definePlugin, fits } from '../define-plugin.ts';
import { FollowedCluster } from '../followed-cluster.ts';
import { defaultProfile } from '../profile.ts';
import { SchedulingQueue } from '../queue.ts';
import { startScheduler } from '../start-scheduler.ts';
import { explain } from './explanation.ts';

async function clusterOf(nodes: Record<string, NodeOptions>): Promise<TestCluster> {
  const cluster = await startCluster({ scheduler: true });
  for (const [name, of] of Object.entries(nodes)) {
    await cluster.create(Node, node(name, of));
    await cluster.patch(Node, name, { spec: { taints: of.spec?.taints ?? null } });
  }
  return cluster;
}

/** As a scheduler that has just come sees it. */
async function why(cluster: TestCluster, name: string) {
  await cluster.settles();
  const stopping = new AbortController();
  const { client, clock } = cluster;
  const random = { next: () => 0 };
  const informers = new SharedInformers({ client, clock, random, signal: stopping.signal });
  const profile = defaultProfile();
  const queue = new SchedulingQueue({ clock, order: () => 0, gateOf: () => undefined, onReady: () => undefined });
  const reads = new Set(profile.plugins.flatMap(({ reads: own = [] }) => own));
  const followed = new FollowedCluster({ informers, clock, queue, reads, isOurs: () => true, onGone: () => undefined });
  const following = followed.follow(stopping.signal);
  await cluster.settles();
  await following;
  const subject = cluster.get(Pod, `default/${name}`)!;
  const known = subject.spec.schedulerName === profile.schedulerName ? profile : undefined;
  const told = await explain(subject, { cluster: followed.view, profile: known, breathe: () => undefined });
  stopping.abort();
  followed.stop();
  queue.stop();
  return told;
}

const complaints = (told: Awaited<ReturnType<typeof why>>) =>
  told.nodes.flatMap((one) => one.complaints.map(({ plugin, changes }) => [one.name, plugin, ...changes]));

describe('of a pod that fits nowhere every plugin is heard about every node, and what would help', () => {
  test.each<[string, Record<string, NodeOptions>, ReturnType<typeof pod>, string[][]]>([
    [
      'room',
      { n1: { capacity: { cpu: '1' } } },
      podAsking('web', { cpu: '1500m', memory: '1Gi' }),
      [['n1', 'NodeResourcesFit', 'ask for no more than 1 cpu']],
    ],
    [
      'taints and labels',
      { n1: { spec: { taints: [{ key: 'gpu', value: 'yes', effect: 'NoSchedule' }] } } },
      pod('web', { nodeSelector: { disk: 'ssd' } }),
      [
        ['n1', 'TaintToleration', 'tolerate taint gpu=yes:NoSchedule'],
        ['n1', 'NodeAffinity', 'add label disk=ssd'],
      ],
    ],
    [
      'a cordoned node',
      { n1: { spec: { unschedulable: true } } },
      pod('web'),
      [['n1', 'NodeUnschedulable', 'uncordon node n1']],
    ],
    [
      'what older kubelets cannot do',
      { n1: {} },
      pod('web', {
        containers: [
          {
            name: 'main',
            image: 'example/main:1',
            restartPolicy: 'Never',
            restartPolicyRules: [{ action: 'RestartAllContainers', exitCodes: { operator: 'In', values: [1] } }],
          },
        ],
      }),
      [['n1', 'NodeDeclaredFeatures', 'run a kubelet on node n1 that declares RestartAllContainersOnContainerExits']],
    ],
    [
      'labels that affinity asks for: the term that lacks least',
      { n1: { labels: { tier: 'a' } } },
      pod('web', {
        affinity: {
          nodeAffinity: {
            requiredDuringSchedulingIgnoredDuringExecution: {
              nodeSelectorTerms: [
                {
                  matchExpressions: [
                    { key: 'x', operator: 'Exists' },
                    { key: 'y', operator: 'Exists' },
                  ],
                },
                {
                  matchExpressions: [
                    { key: 'tier', operator: 'In', values: ['a'] },
                    { key: 'disk', operator: 'In', values: ['ssd', 'nvme'] },
                  ],
                },
              ],
            },
          },
        },
      }),
      [['n1', 'NodeAffinity', 'add label disk=ssd|nvme']],
    ],
    [
      'a domain to be spread over',
      { n1: {} },
      pod('web', {
        topologySpreadConstraints: [
          { maxSkew: 1, topologyKey: 'rack', whenUnsatisfiable: 'DoNotSchedule', labelSelector: {} },
        ],
      }),
      [['n1', 'PodTopologySpread', 'add label rack']],
    ],
  ])('%s', async (_, nodes, subject, expected) => {
    await using cluster = await clusterOf(nodes);
    await cluster.create(Pod, subject);
    const told = await why(cluster, 'web');
    expect(told.state).toBe('waiting');
    expect(told.message).toMatch(/^0\/1 nodes are available: /);
    expect(complaints(told)).toEqual(expected);
  });

  test('how much is to be freed', async () => {
    await using cluster = await clusterOf({ n1: { capacity: { cpu: '2', memory: '2Gi' } } });
    await cluster.create(Pod, podAsking('there', { cpu: '1700m', memory: '1536Mi' }));
    await cluster.settles();
    await cluster.create(Pod, podAsking('web', { cpu: '800m', memory: '1Gi' }));
    const told = await why(cluster, 'web');
    expect(complaints(told)).toEqual([['n1', 'NodeResourcesFit', 'free 500m cpu', 'free 512Mi memory']]);
  });
});

test('of a pod that is placed the scores are told as if it were not there, best first', async () => {
  await using cluster = await clusterOf({ n1: {}, n2: {}, n3: { spec: { unschedulable: true } } });
  await cluster.create(Pod, podAsking('busy', { cpu: '2', memory: '4Gi' }, { nodeName: 'n1' }));
  await cluster.create(Pod, podAsking('web', { cpu: '1', memory: '2Gi' }));
  const told = await why(cluster, 'web');
  expect([told.state, told.nodeName]).toEqual(['placed', 'n2']);
  expect(told.nodes.map(({ name }) => name)).toEqual(['n2', 'n1', 'n3']);
  const [best, second] = told.nodes;
  expect(best!.scores).toContainEqual({ plugin: 'NodeResourcesFit', score: 75, weight: 1 });
  expect(best!.total).toBeGreaterThan(second!.total);
  expect(best!.total).toBe(best!.scores.reduce((sum, { score, weight }) => sum + score * weight, 0));
});

test('gates, claims and other schedulers are told without nodes', async () => {
  await using cluster = await clusterOf({ n1: {} });
  await cluster.create(Pod, pod('gated', { schedulingGates: [{ name: 'example.org/a' }] }));
  await cluster.create(Pod, pod('foreign', { schedulerName: 'other' }));
  const volumes = [{ name: 'v', persistentVolumeClaim: { claimName: 'gone' } }];
  await cluster.create(Pod, pod('lacking', { volumes }));
  expect(await why(cluster, 'gated')).toMatchObject({
    state: 'gated',
    general: { plugin: 'SchedulingGates', changes: ['remove scheduling gate example.org/a'] },
  });
  expect(await why(cluster, 'foreign')).toMatchObject({ state: 'elsewhere', schedulerName: 'other', nodes: [] });
  expect(await why(cluster, 'lacking')).toMatchObject({
    state: 'waiting',
    general: {
      plugin: 'VolumeRestrictions',
      reasons: ['persistentvolumeclaim "gone" not found'],
      changes: ['create persistentvolumeclaim "gone"'],
    },
    nodes: [],
  });
});

test('on many nodes others run in between: no more than four milliseconds go by, and no change comes in before its end', async () => {
  const names = Array.from({ length: 60 }, (_, i) => `n${i}`);
  await using cluster = await clusterOf(Object.fromEntries(names.map((name) => [name, {}])));
  await cluster.create(Pod, pod('web', { schedulerName: 'patient' }));
  await cluster.settles();
  const { clock } = cluster.services;
  // Each look at it is a millisecond later than the one before.
  let ms = 0;
  let pauses = 0;
  let longestMs = 0;
  let heldSinceMs = 0;
  const slow = { now: () => clock.now(), monotonicMs: () => ++ms, timer: clock.timer.bind(clock) };
  const scheduler = startScheduler({
    ...cluster.services,
    clock: slow,
    profiles: [{ ...defaultProfile(), schedulerName: 'patient' }],
    async breathe() {
      pauses++;
      longestMs = Math.max(longestMs, ms - heldSinceMs);
      if (pauses === 3) await cluster.delete(Node, 'n0');
      await new Promise((resolve) => setImmediate(resolve));
      heldSinceMs = ms;
    },
  });
  await expect.poll(() => cluster.get(Pod, 'default/web')?.spec.nodeName, { timeout: 30_000 }).toBeDefined();
  [ms, heldSinceMs, pauses, longestMs] = [0, 0, 0, 0];
  const told = await scheduler.explain('default/web');
  scheduler.stop();
  expect(told?.nodes).toHaveLength(60);
  expect(pauses).toBeGreaterThan(60 / 4);
  expect(longestMs).toBeLessThanOrEqual(5);
});

test('questions are answered one after the other, also by a scheduler that has ended', async () => {
  const names = Array.from({ length: 10 }, (_, i) => `n${i}`);
  await using cluster = await clusterOf(Object.fromEntries(names.map((name) => [name, {}])));
  for (const name of ['first', 'second']) await cluster.create(Pod, pod(name, { schedulerName: 'patient' }));
  await cluster.settles();
  const { clock } = cluster.services;
  let ms = 0;
  const asked: string[] = [];
  const spy = definePlugin({
    name: 'Spy',
    filter({ metadata }) {
      asked.push(metadata.name);
      return fits;
    },
    retryWhen: [],
  });
  const profile = defaultProfile();
  const scheduler = startScheduler({
    ...cluster.services,
    clock: { now: () => clock.now(), monotonicMs: () => ++ms, timer: clock.timer.bind(clock) },
    profiles: [{ ...profile, plugins: [...profile.plugins, spy], schedulerName: 'patient' }],
    breathe: () => new Promise((resolve) => setImmediate(resolve)),
  });
  await expect.poll(() => cluster.list(Pod).every(({ spec }) => spec.nodeName), { timeout: 30_000 }).toBe(true);
  scheduler.stop();
  asked.length = 0;
  await Promise.all(['first', 'second'].map((name) => scheduler.explain(`default/${name}`)));
  expect(asked).toEqual(['first', 'second'].flatMap((name) => names.map(() => name)));
});
