import { expect, test } from 'vitest';
import { ControllerRevision } from '#api/apps/v1/controller-revision.ts';
import { DaemonSet } from '#api/apps/v1/daemon-set.ts';
import { Event } from '#api/core/v1/event.ts';
import { Node } from '#api/core/v1/node.ts';
import { Pod } from '#api/core/v1/pod.ts';
import type { DaemonSet as DaemonSetObject, Submitted } from '#api/generated/schema.ts';
import { node, startCluster, type TestCluster } from '#testing/cluster.ts';
import { podsThatRun } from '#testing/pods-that-run.ts';
import { daemonSetController } from './daemon-set.ts';

const template = (image = 'daemon:1', spec: object = {}) => ({
  metadata: { labels: { app: 'daemon' } },
  spec: { containers: [{ name: 'main', image }], ...spec },
});
const daemonSet = (spec: Submitted<DaemonSetObject['spec']> = {}) => ({
  metadata: { name: 'daemon', namespace: 'default' },
  spec: { selector: { matchLabels: { app: 'daemon' } }, template: template(), ...spec } as Submitted<
    DaemonSetObject['spec']
  >,
});

async function withNodes(names: string[], options: Parameters<typeof podsThatRun>[0] = {}) {
  const cluster = await startCluster({ controllers: [daemonSetController, podsThatRun(options)], scheduler: true });
  for (const name of names) await join(cluster, name);
  await cluster.settles();
  return cluster;
}
/** With these taints only: the one that every new node has is taken away when it is ready. */
async function join(cluster: TestCluster, name: string, taints: { key: string; effect: string }[] = []) {
  await cluster.create(Node, node(name));
  await cluster.patch(Node, name, { spec: { taints } });
}
const placed = (cluster: TestCluster) =>
  cluster
    .list(Pod)
    .map(({ spec }) => spec.nodeName)
    .sort();
const status = (cluster: TestCluster) => cluster.get(DaemonSet, 'default/daemon')!.status!;
const images = (cluster: TestCluster) => cluster.list(Pod).map(({ spec }) => spec.containers[0]?.image);

test('every node has one pod, a new node gets one, and the status counts them', async () => {
  await using cluster = await withNodes(['a', 'b']);
  await cluster.create(DaemonSet, daemonSet());
  await cluster.settles();
  expect(placed(cluster)).toEqual(['a', 'b']);
  await join(cluster, 'c');
  await cluster.settles();
  expect(placed(cluster)).toEqual(['a', 'b', 'c']);
  expect(status(cluster)).toEqual({
    currentNumberScheduled: 3,
    numberMisscheduled: 0,
    desiredNumberScheduled: 3,
    numberReady: 3,
    observedGeneration: 1,
    updatedNumberScheduled: 3,
    numberAvailable: 3,
  });
});

test('a node selector chooses nodes; a node that no longer fits loses its pod', async () => {
  await using cluster = await withNodes(['a', 'b']);
  await cluster.patch(Node, 'a', { metadata: { labels: { colour: 'blue' } } });
  await cluster.create(DaemonSet, daemonSet({ template: template('daemon:1', { nodeSelector: { colour: 'blue' } }) }));
  await cluster.settles();
  expect(placed(cluster)).toEqual(['a']);
  await cluster.patch(Node, 'a', { metadata: { labels: { colour: 'green' } } });
  await cluster.patch(Node, 'b', { metadata: { labels: { colour: 'blue' } } });
  await cluster.settles();
  expect(placed(cluster)).toEqual(['b']);
});

test('daemons come to nodes that are not well, not to those with taints of their own', async () => {
  await using cluster = await withNodes([]);
  await join(cluster, 'sick', [{ key: 'node.kubernetes.io/not-ready', effect: 'NoExecute' }]);
  await join(cluster, 'cordoned', [{ key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' }]);
  await join(cluster, 'reserved', [{ key: 'dedicated', effect: 'NoSchedule' }]);
  await cluster.create(DaemonSet, daemonSet());
  await cluster.settles();
  expect(placed(cluster)).toEqual(['cordoned', 'sick']);
  // NoSchedule does not send away what is there.
  await cluster.patch(Node, 'sick', { spec: { taints: [{ key: 'dedicated', effect: 'NoSchedule' }] } });
  await cluster.settles();
  expect(placed(cluster)).toEqual(['cordoned', 'sick']);
  expect(status(cluster)).toMatchObject({ desiredNumberScheduled: 1, numberMisscheduled: 1 });
});

test('a failed daemon is replaced, and the next time only after a while', async () => {
  await using cluster = await withNodes(['a']);
  await cluster.create(DaemonSet, daemonSet());
  await cluster.settles();
  const fail = async () => {
    const [pod] = cluster.list(Pod);
    await cluster.updateStatus(Pod, { ...pod!, status: { ...pod?.status, phase: 'Failed' } });
    await cluster.settles();
    return pod!.metadata.uid;
  };
  const first = await fail();
  expect(cluster.list(Pod)[0]?.metadata.uid).not.toBe(first);
  expect(cluster.list(Event).map(({ reason }) => reason)).toContain('FailedDaemonPod');
  const second = await fail();
  expect(cluster.list(Pod)[0]?.metadata.uid).toBe(second);
  await cluster.passes(2_000);
  expect(cluster.list(Pod)[0]?.metadata.uid).not.toBe(second);
});

test('a controller that begins anew has not heard of daemons that failed before', async () => {
  await using cluster = await withNodes(['a'], { neverEnd: true });
  await cluster.create(DaemonSet, daemonSet());
  await cluster.settles();
  const failing = async () => {
    const [pod] = cluster.list(Pod);
    await cluster.updateStatus(Pod, { ...pod!, status: { ...pod?.status, phase: 'Failed' } });
    return pod!.metadata.uid;
  };
  await failing();
  await cluster.settles();
  const second = await failing();
  await cluster.settles();
  expect(cluster.list(Pod)[0]?.metadata.uid).toBe(second); // it waits

  cluster.restartController(daemonSetController.name);
  await cluster.settles();
  expect(cluster.list(Pod)[0]?.metadata.uid).not.toBe(second);
});

test('a daemon that has ended well is replaced, and told', async () => {
  await using cluster = await withNodes(['a']);
  await cluster.create(DaemonSet, daemonSet());
  await cluster.settles();
  const [pod] = cluster.list(Pod);
  await cluster.updateStatus(Pod, { ...pod!, status: { ...pod?.status, phase: 'Succeeded' } });
  await cluster.settles();
  expect(placed(cluster)).toEqual(['a']);
  expect(cluster.list(Pod)[0]?.metadata.uid).not.toBe(pod?.metadata.uid);
  const { name } = pod!.metadata;
  expect(cluster.list(Event).find(({ reason }) => reason === 'SucceededDaemonPod')).toMatchObject({
    type: 'Normal',
    message: `Found succeeded daemon pod default/${name} on node a, will try to delete it`,
  });
});

test('a failed daemon goes, too, from a node that no longer fits', async () => {
  await using cluster = await withNodes(['a']);
  await cluster.create(DaemonSet, daemonSet());
  await cluster.settles();
  const [pod] = cluster.list(Pod);
  await cluster.patch(DaemonSet, 'default/daemon', {
    spec: { template: template('daemon:1', { nodeSelector: { colour: 'blue' } }) },
  });
  await cluster.updateStatus(Pod, { ...pod!, status: { ...pod?.status, phase: 'Failed' } });
  await cluster.settles();
  expect(cluster.list(Pod)).toEqual([]);
});

test('a new template is rolled out one node at a time, and back without restarting what is right', async () => {
  await using cluster = await withNodes(['a', 'b', 'c'], { brokenImage: 'daemon:broken' });
  await cluster.create(DaemonSet, daemonSet());
  await cluster.settles();
  const before = cluster.list(Pod).map(({ metadata }) => metadata.uid);
  await cluster.patch(DaemonSet, 'default/daemon', { spec: { template: template('daemon:broken') } });
  await cluster.settles();
  expect(images(cluster).sort()).toEqual(['daemon:1', 'daemon:1', 'daemon:broken']);
  expect(
    cluster
      .list(ControllerRevision)
      .map(({ revision }) => revision)
      .sort(),
  ).toEqual([1, 2]);
  expect(status(cluster)).toMatchObject({ updatedNumberScheduled: 1, numberUnavailable: 1 });

  await cluster.patch(DaemonSet, 'default/daemon', { spec: { template: template() } });
  await cluster.settles();
  expect(images(cluster)).toEqual(['daemon:1', 'daemon:1', 'daemon:1']);
  const kept = cluster.list(Pod).filter(({ metadata }) => before.includes(metadata.uid));
  expect(kept).toHaveLength(2);
  expect(
    cluster
      .list(ControllerRevision)
      .map(({ revision }) => revision)
      .sort(),
  ).toEqual([2, 3]);
});

test('with a surge the new pod is ready before the old one goes', async () => {
  await using cluster = await withNodes(['a', 'b'], { brokenImage: 'daemon:broken' });
  const rollingUpdate = { maxSurge: 1, maxUnavailable: 0 };
  await cluster.create(DaemonSet, daemonSet({ updateStrategy: { type: 'RollingUpdate', rollingUpdate } }));
  await cluster.settles();
  await cluster.patch(DaemonSet, 'default/daemon', { spec: { template: template('daemon:broken') } });
  await cluster.settles();
  expect(images(cluster).sort()).toEqual(['daemon:1', 'daemon:1', 'daemon:broken']);
  await cluster.patch(DaemonSet, 'default/daemon', { spec: { template: template('daemon:2') } });
  await cluster.settles();
  expect(images(cluster)).toEqual(['daemon:2', 'daemon:2']);
  expect(status(cluster)).toMatchObject({ numberAvailable: 2, updatedNumberScheduled: 2 });
});

test('OnDelete replaces only what somebody deletes', async () => {
  await using cluster = await withNodes(['a', 'b']);
  await cluster.create(DaemonSet, daemonSet({ updateStrategy: { type: 'OnDelete' } }));
  await cluster.settles();
  await cluster.patch(DaemonSet, 'default/daemon', { spec: { template: template('daemon:2') } });
  await cluster.settles();
  expect(images(cluster)).toEqual(['daemon:1', 'daemon:1']);
  await cluster.delete(Pod, `default/${cluster.list(Pod)[0]?.metadata.name}`);
  await cluster.settles();
  expect(images(cluster).sort()).toEqual(['daemon:1', 'daemon:2']);
});

test('as many old templates are kept as it is told', async () => {
  await using cluster = await withNodes(['a']);
  await cluster.create(DaemonSet, daemonSet({ revisionHistoryLimit: 1 }));
  for (const image of ['daemon:2', 'daemon:3', 'daemon:4']) {
    await cluster.settles();
    await cluster.patch(DaemonSet, 'default/daemon', { spec: { template: template(image) } });
  }
  await cluster.settles();
  expect(
    cluster
      .list(ControllerRevision)
      .map(({ revision }) => revision)
      .sort(),
  ).toEqual([3, 4]);
});

const unready = async (cluster: TestCluster, image: string) => {
  const pod = cluster.list(Pod).find(({ spec }) => spec.containers[0]?.image === image)!;
  const conditions = (pod.status?.conditions ?? []).map((each) => ({ ...each, status: 'False' }));
  await cluster.updateStatus(Pod, { ...pod, status: { ...pod.status!, conditions } });
  await cluster.settles();
};
const SURGE = { updateStrategy: { type: 'RollingUpdate' as const, rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } } };

test('with a surge an old pod that no longer serves goes before the new one is ready', async () => {
  await using cluster = await withNodes(['a'], { brokenImage: 'daemon:broken' });
  await cluster.create(DaemonSet, daemonSet(SURGE));
  await cluster.settles();
  await cluster.patch(DaemonSet, 'default/daemon', { spec: { template: template('daemon:broken') } });
  await cluster.settles();
  expect(images(cluster).sort()).toEqual(['daemon:1', 'daemon:broken']);
  await unready(cluster, 'daemon:1');
  expect(images(cluster)).toEqual(['daemon:broken']);
});

test('with a surge a new pod comes while the old one is still going', async () => {
  await using cluster = await withNodes(['a'], { neverEnd: true });
  await cluster.create(DaemonSet, daemonSet(SURGE));
  await cluster.settles();
  await cluster.delete(Pod, `default/${cluster.list(Pod)[0]?.metadata.name}`);
  await cluster.settles();
  expect(cluster.list(Pod)).toHaveLength(2);
});

test('a pod that is going still counts for its node, as ready as it is', async () => {
  await using cluster = await withNodes(['a'], { neverEnd: true });
  await cluster.create(DaemonSet, daemonSet());
  await cluster.settles();
  await cluster.delete(Pod, `default/${cluster.list(Pod)[0]?.metadata.name}`);
  await cluster.settles();
  expect(status(cluster)).toMatchObject({ currentNumberScheduled: 1, numberReady: 1, updatedNumberScheduled: 1 });
  expect(cluster.list(Pod)).toHaveLength(1);
});

test('a pod on a node where no new one would come is not left with an old template', async () => {
  await using cluster = await withNodes(['a', 'b']);
  await cluster.create(DaemonSet, daemonSet());
  await cluster.settles();
  await cluster.patch(Node, 'b', { spec: { taints: [{ key: 'mine', effect: 'NoSchedule' }] } });
  await cluster.settles();
  expect(placed(cluster)).toEqual(['a', 'b']);
  expect(status(cluster)).toMatchObject({ desiredNumberScheduled: 1, numberMisscheduled: 1 });
  await cluster.patch(DaemonSet, 'default/daemon', { spec: { template: template('daemon:2') } });
  await cluster.settles();
  expect([placed(cluster), images(cluster)]).toEqual([['a'], ['daemon:2']]);
});

test('a failed pod of an old template is replaced at once, however often it has failed', async () => {
  await using cluster = await withNodes(['a']);
  await cluster.create(DaemonSet, daemonSet());
  await cluster.settles();
  for (const _ of [1, 2]) {
    const [pod] = cluster.list(Pod);
    await cluster.updateStatus(Pod, { ...pod!, status: { ...pod?.status, phase: 'Failed' } });
    await cluster.settles();
  }
  expect(cluster.list(Pod)[0]?.status?.phase).toBe('Failed');
  await cluster.patch(DaemonSet, 'default/daemon', { spec: { template: template('daemon:2') } });
  await cluster.settles();
  expect([images(cluster), cluster.list(Pod)[0]?.status?.phase]).toEqual([['daemon:2'], 'Running']);
});

test('a daemon tolerates a lost node for ever, whatever its template says', async () => {
  await using cluster = await withNodes(['a']);
  const unreachable = { key: 'node.kubernetes.io/unreachable', operator: 'Exists', effect: 'NoExecute' };
  const tolerations = [
    { ...unreachable, tolerationSeconds: 30 },
    { key: 'own', operator: 'Exists' },
  ];
  await cluster.create(DaemonSet, daemonSet({ template: template('daemon:1', { tolerations }) as never }));
  await cluster.settles();
  const all = cluster.list(Pod)[0]?.spec.tolerations ?? [];
  expect(all.slice(0, 2)).toEqual([unreachable, tolerations[1]]);
  expect(all.filter(({ key }) => key === unreachable.key)).toHaveLength(1);
});

test('a daemon tolerates what befalls its node, and with its network the node that has none yet', async () => {
  await using cluster = await withNodes(['a']);
  await cluster.create(DaemonSet, daemonSet({ template: template('daemon:1', { hostNetwork: true }) as never }));
  await cluster.settles();
  const exists = (condition: string, effect: string) => ({
    key: `node.kubernetes.io/${condition}`,
    operator: 'Exists',
    effect,
  });
  expect(cluster.list(Pod)[0]?.spec.tolerations).toEqual([
    exists('not-ready', 'NoExecute'),
    exists('unreachable', 'NoExecute'),
    exists('disk-pressure', 'NoSchedule'),
    exists('memory-pressure', 'NoSchedule'),
    exists('pid-pressure', 'NoSchedule'),
    exists('unschedulable', 'NoSchedule'),
    exists('network-unavailable', 'NoSchedule'),
  ]);
});

test('a daemon counts only once it has been ready for minReadySeconds: until then no older one goes', async () => {
  await using cluster = await withNodes(['a', 'b']);
  await cluster.create(DaemonSet, daemonSet({ minReadySeconds: 30 }));
  await cluster.passes('29s');
  expect(status(cluster)).toMatchObject({ numberReady: 2, numberUnavailable: 2 });
  await cluster.passes('2s');
  expect(status(cluster)).toMatchObject({ numberReady: 2, numberAvailable: 2 });
  await cluster.patch(DaemonSet, 'default/daemon', { spec: { template: template('daemon:2') } });
  await cluster.passes('20s');
  expect(images(cluster).sort()).toEqual(['daemon:1', 'daemon:2']);
  await cluster.passes('12s');
  expect(images(cluster)).toEqual(['daemon:2', 'daemon:2']);
});
