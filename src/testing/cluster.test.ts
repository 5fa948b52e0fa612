import { expect, test } from 'vitest';
import { APIService } from '#api/apiregistration/v1/api-service.ts';
import { Deployment } from '#api/apps/v1/deployment.ts';
import { ReplicaSet } from '#api/apps/v1/replica-set.ts';
import { ConfigMap } from '#api/core/v1/config-map.ts';
import { Event } from '#api/core/v1/event.ts';
import { Namespace } from '#api/core/v1/namespace.ts';
import { Node } from '#api/core/v1/node.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { isReady } from '#api/core/v1/pod-conditions.ts';
import { Service } from '#api/core/v1/service.ts';
import { EndpointSlice } from '#api/discovery/v1/endpoint-slice.ts';
import type { Kind } from '#api/machinery/kind.ts';
import { type KubeObject, keyOf } from '#api/machinery/object.ts';
import { defineController, settled } from '#control-plane/controllers/define-controller.ts';
import { controllersFor } from '#control-plane/controllers/index.ts';
import { replicaSetController } from '#control-plane/controllers/replica-set.ts';
import { deployment, namespace, replicaSet, service, startCluster, type TestCluster } from './cluster.ts';

const everything = () =>
  startCluster({ controllers: controllersFor({ rootCa: 'PEM' }), scheduler: true, rbac: true, serviceAccounts: true });

const readyOn = (cluster: TestCluster) =>
  cluster
    .list(Pod)
    .filter((pod) => isReady(pod) && !pod.metadata.deletionTimestamp)
    .map(({ spec }) => spec.nodeName)
    .sort();

test('a Deployment and its Service come up, roll over and go, every part under its own rights', async () => {
  await using cluster = await everything();
  await cluster.simulateNodes({ count: 2 });
  await cluster.create(Service, service('web'));
  await cluster.create(Deployment, deployment('web', { replicas: 3 }));
  await cluster.passes(5_000);
  expect(new Set(readyOn(cluster))).toEqual(new Set(['node1', 'node2']));
  const endpoints = () =>
    cluster
      .list(EndpointSlice)
      .flatMap((slice) => slice.endpoints)
      .filter(({ conditions }) => conditions?.ready);
  expect(endpoints()).toHaveLength(3);

  await cluster.patch(Deployment, 'default/web', {
    spec: { template: { spec: { containers: [{ name: 'main', image: 'example/main:2' }] } } },
  });
  await cluster.passes(20_000);
  expect(cluster.list(Pod).map(({ spec }) => spec.containers[0]?.image)).toEqual(Array(3).fill('example/main:2'));
  expect(endpoints()).toHaveLength(3);

  await cluster.patch(Deployment, 'default/web', { spec: { replicas: 20 } });
  await cluster.passes(10_000);
  expect(readyOn(cluster)).toHaveLength(20);
  await cluster.delete(Deployment, 'default/web');
  await cluster.delete(Service, 'default/web');
  await cluster.passes(40_000);
  expect([cluster.list(ReplicaSet), cluster.list(Pod), cluster.list(EndpointSlice)]).toEqual([[], [], []]);
});

test('a node that fails is given up, and its pods run elsewhere', async () => {
  await using cluster = await everything();
  await cluster.simulateNodes({ names: ['node1'] });
  const second = await cluster.simulateNodes({ names: ['node2'] });
  await cluster.create(Deployment, deployment('web', { replicas: 4 }));
  await cluster.passes(5_000);
  expect(readyOn(cluster)).toEqual(['node1', 'node1', 'node2', 'node2']);
  second.stop();
  await cluster.passes(400_000);
  expect(cluster.get(Node, 'node2')?.status?.conditions?.find(({ type }) => type === 'Ready')?.status).toBe('Unknown');
  expect(readyOn(cluster)).toEqual(Array(4).fill('node1'));
});

test('a namespace is deleted with all that runs in it', async () => {
  await using cluster = await everything();
  await cluster.simulateNodes({ count: 1 });
  await cluster.create(Namespace, namespace('shop'));
  await cluster.settles();
  await cluster.create(Deployment, deployment('web', { replicas: 2 }, { namespace: 'shop' }));
  await cluster.passes(5_000);
  expect(cluster.list(Pod, { namespace: 'shop' })).toHaveLength(2);
  await cluster.delete(Namespace, 'shop');
  await cluster.passes(60_000);
  expect(cluster.get(Namespace, 'shop')).toBeUndefined();
  expect(cluster.list(Pod)).toEqual([]);
});

test('a cluster at rest writes nothing but leases', async () => {
  await using cluster = await everything();
  await cluster.simulateNodes({ count: 2 });
  await cluster.create(Deployment, deployment('web', { replicas: 2 }));
  await cluster.passes(60_000);
  const versions = () =>
    ([Deployment, ReplicaSet, Pod, Node, Event] as Kind[]).flatMap((kind) =>
      cluster.list(kind).map(({ metadata }) => metadata.resourceVersion),
    );
  const before = versions();
  await cluster.passes(120_000);
  expect(versions()).toEqual(before);
});

test('a bug in a controller makes the test fail, not hang', async () => {
  const broken = defineController({
    name: 'broken',
    reconciles: ConfigMap,
    async reconcile() {
      throw new TypeError('a bug');
    },
  });
  await using cluster = await startCluster({ controllers: [broken] });
  await cluster.create(ConfigMap, { metadata: { name: 'a', namespace: 'default' } });
  await expect(cluster.settles()).rejects.toThrow('a bug');
});

test('a controller does not see its own write as missing: it waits until its cache has it', async () => {
  const steps: string[] = [];
  const copying = defineController({
    name: 'copying',
    reconciles: Namespace,
    owns: [ConfigMap],
    writes: { create: [ConfigMap], delete: [ConfigMap] },
    async reconcile({ metadata }, { cached, api }) {
      const copies = cached(ConfigMap).inNamespace(metadata.name);
      steps.push(`${metadata.name} ${copies.length}`);
      if (copies.length === 0)
        await api.create(ConfigMap, { metadata: { generateName: 'copy-', namespace: metadata.name } });
      return settled;
    },
  });
  await using cluster = await startCluster({ controllers: [copying] });
  steps.length = 0;
  const shop = await cluster.create(Namespace, namespace('shop'));
  for (let i = 0; i < 20; i++)
    await cluster.patch(Namespace, shop.metadata.name, { metadata: { labels: { i: String(i) } } });
  await cluster.settles();
  expect(cluster.list(ConfigMap, { namespace: 'shop' })).toHaveLength(1);
  expect(steps.filter((step) => step === 'shop 0')).toHaveLength(1);
});

test('what a cluster does to the objects that it has begun with, no other one sees', async () => {
  const labelled = { metadata: { labels: { touched: 'yes' } } };
  await using one = await startCluster();
  await using other = await startCluster();
  for (const kind of [...one.kinds.all()].filter(({ virtual }) => !virtual))
    for (const { metadata } of one.list(kind)) await one.patch(kind, keyOf({ metadata } as KubeObject), labelled);
  await one.settles();
  await using later = await startCluster();
  for (const cluster of [other, later]) {
    const all = [...cluster.kinds.all()].filter(({ virtual }) => !virtual).flatMap((kind) => cluster.list(kind));
    expect(all.length).toBeGreaterThan(30);
    expect(all.filter(({ metadata }) => metadata.labels?.['touched'])).toEqual([]);
  }
});

test('a cluster begins with what its own kinds need, whatever others of the process have', async () => {
  const groups = async (simulatedNodePools: boolean) => {
    await using cluster = await startCluster({ simulatedNodePools });
    return cluster.list(APIService).map(({ spec }) => spec.group);
  };
  const [without, withPools, again] = [await groups(false), await groups(true), await groups(false)];
  expect([without, withPools, again].map((each) => each.includes('kedge.dev'))).toEqual([false, true, false]);
});

test('two clusters of one seed are the same: objects, UIDs, versions, order', async () => {
  const life = async () => {
    await using cluster = await startCluster({
      seed: 7,
      controllers: [replicaSetController],
      scheduler: true,
      simulatedNodes: 2,
    });
    await cluster.create(ReplicaSet, replicaSet('web', { replicas: 3 }));
    await cluster.clock.advance('65m'); // all watches have been opened anew
    const kinds = [...cluster.kinds.all()].filter(({ virtual }) => !virtual);
    return kinds.flatMap((kind) => cluster.list(kind));
  };
  const first = await life();
  expect(first.map(({ kind }) => kind)).toEqual(expect.arrayContaining(['APIService', 'Namespace', 'Node', 'Pod']));
  expect(await life()).toEqual(first);
});
