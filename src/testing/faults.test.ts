import { expect, test } from 'vitest';
import { ReplicaSet } from '#api/apps/v1/replica-set.ts';
import { ConfigMap } from '#api/core/v1/config-map.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { hasReason } from '#api/machinery/status.ts';
import { Unreachable } from '#client/transport.ts';
import { replicaSetController } from '#control-plane/controllers/replica-set.ts';
import { replicaSet, startCluster, type TestCluster } from './cluster.ts';

const map = (name: string) => ({ metadata: { name, namespace: 'default' } });
const names = (cluster: TestCluster) => cluster.list(ConfigMap).map(({ metadata }) => metadata.name);

test('a request that is failed changes nothing, and only as often as wanted', async () => {
  await using cluster = await startCluster();
  const fault = cluster.faults.fail(
    { verb: 'create', resource: 'configmaps', times: 1 },
    { reason: 'TooManyRequests', message: 'not now' },
  );
  const refused = await cluster.create(ConfigMap, map('a')).catch((error: unknown) => error);
  expect(hasReason(refused, 'TooManyRequests')).toBe(true);
  expect((refused as Error).message).toBe('not now');
  await cluster.create(ConfigMap, map('b'));
  await cluster.settles();
  expect(names(cluster)).toEqual(['b']);
  expect(fault.hits).toBe(1);
});

for (const carriedOut of [true, false])
  test(`a request whose answer is lost ${carriedOut ? 'took effect' : 'can have been lost itself'}`, async () => {
    await using cluster = await startCluster();
    cluster.faults.drop({ verb: 'create', resource: 'configmaps', name: '', times: 1 }, { carriedOut });
    await expect(cluster.create(ConfigMap, map('a'))).rejects.toThrow(Unreachable);
    await cluster.settles();
    expect(names(cluster)).toEqual(carriedOut ? ['a'] : []);
  });

test('a request that is delayed waits on the clock of the cluster', async () => {
  await using cluster = await startCluster();
  cluster.faults.delay({ verb: 'create', resource: 'configmaps' }, '30s');
  const creating = cluster.create(ConfigMap, map('a'));
  await cluster.clock.advance('29s');
  expect(names(cluster)).toEqual([]);
  await cluster.clock.advance('1s');
  await creating;
  expect(names(cluster)).toEqual(['a']);
});

test('a controller whose write is delayed waits for the time, and the cluster settles meanwhile', async () => {
  await using cluster = await startCluster({ controllers: [replicaSetController] });
  const late = cluster.faults.delay({ verb: 'create', resource: 'pods', times: 1 }, '30s');
  await cluster.create(ReplicaSet, replicaSet('web', { replicas: 3 }));
  await cluster.clock.advance('29s');
  const before = cluster.list(Pod).length;
  await cluster.clock.advance('1s');
  expect([before, cluster.list(Pod).length, late.hits]).toEqual([0, 3, 1]);
});

test('a controller whose watch is opened late hears of everything then, and the cluster settles meanwhile', async () => {
  await using cluster = await startCluster({ controllers: [replicaSetController] });
  await cluster.create(ReplicaSet, replicaSet('web', { replicas: 3 }));
  await cluster.settles();
  const late = cluster.faults.delay({ verb: 'watch', resource: 'pods' }, '30s');
  cluster.faults.dropWatch({ resource: 'pods' }, 'closed');
  await cluster.delete(Pod, cluster.list(Pod)[0]!.metadata, { gracePeriodSeconds: 0 });
  await cluster.clock.advance('29s');
  const before = cluster.list(Pod).length;
  await cluster.clock.advance('5s');
  expect([before, cluster.list(Pod).length, late.hits]).toEqual([2, 3, 1]);
});

test('only what was named is met: verb, resource with group and subresource, namespace, name, user', async () => {
  await using cluster = await startCluster();
  const { faults } = cluster;
  for (const which of [
    { verb: 'update' },
    { resource: 'secrets' },
    { resource: 'configmaps.apps' },
    { resource: 'configmaps/status' },
    { namespace: 'other' },
    { name: 'a' },
    { user: 'somebody' },
  ])
    faults.fail(which);
  await cluster.create(ConfigMap, map('b'));
  faults.fail({ verb: 'create', resource: 'configmaps', namespace: 'default', user: 'admin' });
  await expect(cluster.create(ConfigMap, map('c'))).rejects.toThrow('a fault of the test');
  faults.clear();
  await cluster.create(ConfigMap, map('d'));
  await cluster.settles();
  expect(names(cluster)).toEqual(['b', 'd']);
});

for (const how of ['closed', 'lost', 'expired'] as const)
  test(`a controller whose watch was ${how} goes on with the state of the world`, async () => {
    await using cluster = await startCluster({ controllers: [replicaSetController] });
    await cluster.create(ReplicaSet, replicaSet('web', { replicas: 2 }));
    await cluster.settles();
    expect(cluster.faults.dropWatch({ resource: 'pods' }, how)).toBe(1);
    const [first] = cluster.list(Pod);
    await cluster.delete(Pod, first!.metadata, { gracePeriodSeconds: 0 });
    await cluster.clock.advance('1m');
    expect(cluster.list(Pod)).toHaveLength(2);
    expect(cluster.faults.dropWatch({ resource: 'pods' }, how)).toBe(1); // it watches again
  });

test('a controller that cannot begin to follow begins when it can: within the process it lists by its watch', async () => {
  await using cluster = await startCluster({ controllers: [replicaSetController] });
  cluster.stop(replicaSetController.name);
  const refused = ['watch', 'list'].map((verb) => cluster.faults.fail({ verb, resource: 'pods' }));
  cluster.start(replicaSetController.name);
  await cluster.create(ReplicaSet, replicaSet('web', { replicas: 2 }));
  await cluster.clock.advance('1m');
  const hits = refused.map((fault) => fault.hits);
  expect([hits[0]! > 0, hits[1], cluster.list(Pod)]).toEqual([true, 0, []]);
  cluster.faults.clear();
  await cluster.clock.advance('1m');
  expect(cluster.list(Pod)).toHaveLength(2);
});

test('a write whose answer was lost is not made twice by its controller', async () => {
  await using cluster = await startCluster({ controllers: [replicaSetController] });
  const lost = cluster.faults.drop({ verb: 'create', resource: 'pods', times: 2 });
  await cluster.create(ReplicaSet, replicaSet('web', { replicas: 3 }));
  await cluster.clock.advance('1m');
  expect(lost.hits).toBe(2);
  expect(cluster.list(Pod)).toHaveLength(3);
});

test('a controller whose watch is lost in the middle of its writes waits until it has seen them', async () => {
  await using cluster = await startCluster({ controllers: [replicaSetController] });
  await cluster.create(ReplicaSet, replicaSet('web', { replicas: 20 }));
  const watch = new AbortController();
  let seen = 0;
  for await (const { type } of cluster.client.watch(Pod, { signal: watch.signal }))
    if (type === 'ADDED' && ++seen === 3) break;
  watch.abort();
  cluster.faults.dropWatch({ resource: 'pods' }, 'lost');
  await cluster.patch(ReplicaSet, 'default/web', { spec: { replicas: 22 } });
  await cluster.settles();
  await cluster.clock.advance('1m');
  expect(cluster.list(Pod)).toHaveLength(22);
});
