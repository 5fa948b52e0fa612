import { expect, test } from 'vitest';
import { Deployment } from '#api/apps/v1/deployment.ts';
import { ReplicaSet } from '#api/apps/v1/replica-set.ts';
import { ConfigMap } from '#api/core/v1/config-map.ts';
import { Event } from '#api/core/v1/event.ts';
import { Node } from '#api/core/v1/node.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { defineKind } from '#api/machinery/define-kind.ts';
import type { KubeObject, OwnerReference } from '#api/machinery/object.ts';
import type { Transport } from '#client/transport.ts';
import type { TestCluster } from '#testing/cluster.ts';
import { deployment, startCluster } from '#testing/cluster.ts';
import { podsThatRun } from '#testing/pods-that-run.ts';
import { deploymentController } from '../deployment/deployment.ts';
import { replicaSetController } from '../replica-set.ts';
import { type RunningControllers, startControllers } from '../start-controllers.ts';
import { garbageCollector } from './garbage-collector.ts';

const start = () =>
  startCluster({ controllers: [garbageCollector, deploymentController, replicaSetController, podsThatRun()] });

const ownedBy = ({ apiVersion, kind, metadata }: KubeObject, blockOwnerDeletion = false): OwnerReference => ({
  apiVersion,
  kind,
  name: metadata.name,
  uid: metadata.uid,
  blockOwnerDeletion,
});
const configMap = (cluster: TestCluster, name: string, ownerReferences: OwnerReference[] = []) =>
  cluster.create(ConfigMap, { metadata: { name, namespace: 'default', ownerReferences } });
const names = (cluster: TestCluster) => cluster.list(ConfigMap).map(({ metadata }) => metadata.name);

test('with a Deployment go its ReplicaSets and their pods', async () => {
  await using cluster = await start();
  await cluster.create(Deployment, deployment('web', { replicas: 2 }));
  await cluster.settles();
  await cluster.delete(Deployment, 'default/web');
  await cluster.settles();
  expect([cluster.list(Deployment), cluster.list(ReplicaSet), cluster.list(Pod)]).toEqual([[], [], []]);
});

test('whether an owner is gone that nobody saw go the server is asked once for each dependent', async () => {
  await using cluster = await startCluster();
  const owner = await configMap(cluster, 'owner');
  for (const name of ['first', 'second']) await configMap(cluster, name, [ownedBy(owner)]);
  await cluster.delete(ConfigMap, 'default/owner');
  const { asked } = collecting(cluster);
  await cluster.settles();
  expect(names(cluster)).toEqual([]);
  expect(asked.filter((path) => path.endsWith('/owner'))).toHaveLength(2);
});

test('an owner that was seen to go is not asked for', async () => {
  await using cluster = await startCluster();
  const { asked } = collecting(cluster);
  const owner = await configMap(cluster, 'owner');
  for (const name of ['first', 'second']) await configMap(cluster, name, [ownedBy(owner)]);
  await cluster.settles();
  await cluster.delete(ConfigMap, 'default/owner');
  await cluster.settles();
  expect(names(cluster)).toEqual([]);
  expect(asked.filter((path) => path.endsWith('/owner'))).toEqual([]);
});

test('what has an owner that lives is not looked at', async () => {
  await using cluster = await startCluster();
  const { steps } = collecting(cluster);
  const owner = await configMap(cluster, 'owner');
  await configMap(cluster, 'child', [ownedBy(owner)]);
  await cluster.settles();
  const before = steps();
  const metadata = { finalizers: ['example.com/mine'] };
  await cluster.patch(ConfigMap, 'default/child', { metadata });
  await configMap(cluster, 'sibling', [ownedBy(owner)]);
  await cluster.settles();
  expect(steps()).toBe(before);
});

/** A collector of its own: what it asks for, and how many steps it has taken. */
function collecting(cluster: TestCluster): { asked: string[]; steps(): number } {
  const asked: string[] = [];
  let running: RunningControllers;
  cluster.run('collector', (services) => {
    const transportFor: typeof services.transportFor = (user) =>
      noting(services.transportFor(user), (path) => asked.push(path));
    running = startControllers({ controllers: [garbageCollector], ...services, transportFor });
    return running;
  });
  return { asked, steps: () => running.stats()[0]!.reconciled };
}

test('a reference that is put right while its owner is looked for is looked at anew', async () => {
  await using cluster = await startCluster();
  const owner = await configMap(cluster, 'owner');
  const reference = ownedBy(owner);
  await configMap(cluster, 'child', [{ ...reference, name: 'misnamed' }]);
  cluster.run('collector', (services) =>
    startControllers({
      controllers: [garbageCollector],
      ...services,
      transportFor: (user) =>
        noting(services.transportFor(user), async (path) => {
          if (!path.endsWith('/misnamed')) return;
          const metadata = { ownerReferences: [reference] };
          await cluster.client.patch(
            ConfigMap,
            { name: 'child', namespace: 'default' },
            { type: 'merge', patch: { metadata } },
          );
        }),
    }),
  );
  await cluster.settles();
  expect(names(cluster).sort()).toEqual(['child', 'owner']);
});

/** Tells the path of everything that is to be got. */
const noting = (inner: Transport, note: (path: string) => unknown): Transport => ({
  async request(request) {
    if (request.method === 'GET') await note(request.path);
    return inner.request(request);
  },
  watch: (request) => inner.watch(request),
});

test('orphaned, they stay and have no owner any more', async () => {
  await using cluster = await start();
  await cluster.create(Deployment, deployment('web', { replicas: 2 }));
  await cluster.settles();
  await cluster.delete(Deployment, 'default/web', { propagationPolicy: 'Orphan' });
  await cluster.settles();
  expect(cluster.list(Deployment)).toEqual([]);
  expect(cluster.list(ReplicaSet).map(({ metadata }) => metadata.ownerReferences ?? [])).toEqual([[]]);
  expect(cluster.list(Pod)).toHaveLength(2);
});

test('in the foreground, the owner stays until the last dependent that blocks it has gone', async () => {
  await using cluster = await startCluster({ controllers: [garbageCollector] });
  const owner = await configMap(cluster, 'owner');
  await cluster.create(ConfigMap, {
    metadata: {
      name: 'held',
      namespace: 'default',
      finalizers: ['example.org/hold'],
      ownerReferences: [ownedBy(owner, true)],
    },
  });
  await configMap(cluster, 'free', [ownedBy(owner, false)]);
  await cluster.delete(ConfigMap, 'default/owner', { propagationPolicy: 'Foreground' });
  await cluster.settles();
  expect(cluster.get(ConfigMap, 'default/owner')?.metadata.finalizers).toEqual(['foregroundDeletion']);
  expect(cluster.get(ConfigMap, 'default/held')?.metadata.deletionTimestamp).toBeDefined();
  await cluster.patch(ConfigMap, 'default/held', { metadata: { finalizers: null } });
  await cluster.settles();
  expect(names(cluster)).toEqual([]);
});

test('one of two owners gone, the dependent stays and forgets that one', async () => {
  await using cluster = await startCluster({ controllers: [garbageCollector] });
  const first = await configMap(cluster, 'first');
  const second = await configMap(cluster, 'second');
  await configMap(cluster, 'child', [ownedBy(first), ownedBy(second)]);
  await cluster.delete(ConfigMap, 'default/first');
  await cluster.settles();
  expect(cluster.get(ConfigMap, 'default/child')?.metadata.ownerReferences).toEqual([
    { apiVersion: 'v1', kind: 'ConfigMap', name: 'second', uid: second.metadata.uid, blockOwnerDeletion: false },
  ]);
});

test('an owner waiting for its dependents does not take one that has another, living owner', async () => {
  await using cluster = await startCluster({ controllers: [garbageCollector] });
  const going = await configMap(cluster, 'going');
  const staying = await configMap(cluster, 'staying');
  await configMap(cluster, 'child', [ownedBy(going, true), ownedBy(staying)]);
  await cluster.delete(ConfigMap, 'default/going', { propagationPolicy: 'Foreground' });
  await cluster.settles();
  expect(names(cluster)).toEqual(['child', 'staying']);
});

test('three that own each other in a circle all go when one is deleted', async () => {
  await using cluster = await startCluster({ controllers: [garbageCollector] });
  const [a, b, c] = [await configMap(cluster, 'a'), await configMap(cluster, 'b'), await configMap(cluster, 'c')];
  const own = (name: string, owner: KubeObject) =>
    cluster.patch(ConfigMap, `default/${name}`, { metadata: { ownerReferences: [ownedBy(owner, true)] } });
  await own('a', c);
  await own('b', a);
  await own('c', b);
  await cluster.delete(ConfigMap, 'default/a', { propagationPolicy: 'Foreground' });
  await cluster.passes(60_000);
  expect(names(cluster)).toEqual([]);
});

test('a dependent that names an owner that never was is collected, one of an unknown kind is left alone', async () => {
  await using cluster = await startCluster({ controllers: [garbageCollector] });
  const never = { apiVersion: 'v1', kind: 'ConfigMap', name: 'never', uid: '00000000-0000-4000-8000-000000000000' };
  await configMap(cluster, 'a', [never]);
  await configMap(cluster, 'b', [{ ...never, apiVersion: 'example.org/v1', kind: 'Widget' }]);
  await cluster.settles();
  expect(names(cluster)).toEqual(['b']);
});

test('whether an owner is there is told once its kind is served', async () => {
  await using cluster = await startCluster({ controllers: [garbageCollector] });
  const uid = '00000000-0000-4000-8000-000000000000';
  await configMap(cluster, 'b', [{ apiVersion: 'example.org/v1', kind: 'Widget', name: 'never', uid }]);
  await cluster.passes(60_000);
  expect(names(cluster)).toEqual(['b']);
  const called = { kind: 'Widget', plural: 'widgets' };
  cluster.kinds.add(defineKind({ group: 'example.org', version: 'v1', ...called, scope: 'Namespaced' }));
  await cluster.passes('20m');
  expect(names(cluster)).toEqual([]);
});

test('who names an owner that is in another namespace is collected, and an Event says why', async () => {
  await using cluster = await startCluster({ controllers: [garbageCollector], rbac: true });
  const owner = await configMap(cluster, 'owner');
  const ownerReferences = [ownedBy(owner)];
  await cluster.create(ConfigMap, { metadata: { name: 'astray', namespace: 'kube-public', ownerReferences } });
  await cluster.create(Node, { metadata: { name: 'wide', ownerReferences } });
  await cluster.settles();
  expect(names(cluster)).toEqual(['owner']);
  expect(cluster.get(Node, 'wide')).toBeDefined();
  const said = cluster.list(Event).filter(({ reason }) => reason === 'OwnerRefInvalidNamespace');
  const of = (namespace: string) => `[v1/ConfigMap, namespace: ${namespace}, name: owner, uid: ${owner.metadata.uid}]`;
  expect(
    said.map(({ type, involvedObject, source, message }) => [
      type,
      `${involvedObject.kind} ${involvedObject.name}`,
      source?.component,
      message,
    ]),
  ).toEqual([
    ['Warning', 'Node wide', 'garbage-collector-controller', `ownerRef ${of('')} does not exist in namespace ""`],
    [
      'Warning',
      'ConfigMap astray',
      'garbage-collector-controller',
      `ownerRef ${of('kube-public')} does not exist in namespace "kube-public"`,
    ],
  ]);
});

test('a kind that is defined while running takes part', async () => {
  const Widget = defineKind({
    group: 'example.org',
    version: 'v1',
    kind: 'Widget',
    plural: 'widgets',
    scope: 'Namespaced',
  });
  await using cluster = await startCluster({ controllers: [garbageCollector] });
  cluster.kinds.add(Widget);
  await cluster.settles();
  const widget = await cluster.create(Widget, { metadata: { name: 'w', namespace: 'default' } });
  await configMap(cluster, 'child', [ownedBy(widget)]);
  await cluster.settles();
  expect(names(cluster)).toEqual(['child']);
  await cluster.delete(Widget, 'default/w');
  await cluster.settles();
  expect(names(cluster)).toEqual([]);
});
