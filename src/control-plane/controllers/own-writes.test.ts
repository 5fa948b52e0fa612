import { expect, test } from 'vitest';
import { ReplicaSet } from '#api/apps/v1/replica-set.ts';
import { ConfigMap } from '#api/core/v1/config-map.ts';
import { replicaSet, startCluster } from '#testing/cluster.ts';
import { countedSteps } from '#testing/counted-steps.ts';
import { defineController, settled, watching } from './define-controller.ts';
import { OwnWrites } from './own-writes.ts';
import { startControllers } from './start-controllers.ts';

const KEY = 'default/web';

function ownWrites() {
  const added: string[] = [];
  const own = new OwnWrites();
  return { added, own, told: (version?: string) => own.told(KEY, version, (key) => added.push(`${key} ${version}`)) };
}

test('what nobody is at work on asks for a step at once', () => {
  const { told, added } = ownWrites();
  told('5');
  expect(added).toEqual(['default/web 5']);
});

test('of what is told while a step is at work, its end adds what the step has not written', () => {
  const { own, told, added } = ownWrites();
  own.begin(KEY);
  told('5');
  own.wrote(KEY, '5');
  told('6');
  expect(added).toEqual([]);
  own.end(KEY);
  expect(added).toEqual(['default/web 6']);
});

test('a write of which the cache hears after the step is known again, as often as it is told', () => {
  const { own, told, added } = ownWrites();
  own.begin(KEY);
  own.wrote(KEY, '5');
  own.end(KEY);
  told('5');
  told('5');
  expect(added).toEqual([]);
  told('6');
  expect(added).toEqual(['default/web 6']);
});

test('a deletion is never a write of its own', () => {
  const { own, told, added } = ownWrites();
  own.begin(KEY);
  own.wrote(KEY, '5');
  told(undefined);
  own.end(KEY);
  told(undefined);
  expect(added).toHaveLength(2);
});

test('the writes of a step are forgotten with the next, and with the object', () => {
  const { own, told, added } = ownWrites();
  own.begin(KEY);
  own.wrote(KEY, '5');
  own.end(KEY);
  own.begin(KEY);
  own.end(KEY);
  told('5');
  expect(added).toHaveLength(1);
  own.begin(KEY);
  own.wrote(KEY, '6');
  own.forget(KEY);
  told('6');
  expect(added).toHaveLength(2);
});

const stating = (reckonsWith: readonly 'status'[]) =>
  countedSteps(
    defineController({
      name: 'stating',
      reconciles: ReplicaSet,
      writes: { status: [ReplicaSet] },
      reckonsWith,
      async reconcile(web, { api }) {
        await api.updateStatus(web, { replicas: 1, observedGeneration: web.metadata.generation ?? 0 });
        return settled;
      },
    }),
  );

test('who does not reckon with its status looks again when it has written it', async () => {
  const { controller, steps } = stating([]);
  await using cluster = await startCluster({ controllers: [controller] });
  await cluster.create(ReplicaSet, replicaSet('web'));
  await cluster.settles();
  expect(steps).toEqual([KEY, KEY]);
});

test('who does looks again only when somebody else has changed the object, its status too', async () => {
  const { controller, steps } = stating(['status']);
  await using cluster = await startCluster({ controllers: [controller] });
  await cluster.create(ReplicaSet, replicaSet('web'));
  await cluster.settles();
  expect(steps).toEqual([KEY]);
  await cluster.updateStatus(ReplicaSet, { ...cluster.get(ReplicaSet, KEY)!, status: { replicas: 7 } });
  await cluster.settles();
  expect(steps).toEqual([KEY, KEY]);
  expect(cluster.get(ReplicaSet, KEY)?.status?.replicas).toBe(1);
  await cluster.patch(ReplicaSet, KEY, { spec: { replicas: 3 } });
  await cluster.settles();
  expect(steps).toEqual([KEY, KEY, KEY]);
});

test('what comes while a step waits for an answer is looked at when it has ended', async () => {
  const { controller, steps } = countedSteps(
    defineController({
      name: 'waiting',
      reconciles: ReplicaSet,
      watches: [watching(ConfigMap, () => [KEY])],
      writes: { status: [ReplicaSet] },
      reckonsWith: ['status'],
      async reconcile(web, { api, cached }) {
        await api.updateStatus(web, { replicas: cached(ConfigMap).inNamespace('default').length });
        return settled;
      },
    }),
  );
  await using cluster = await startCluster({ controllers: [controller] });
  await cluster.create(ConfigMap, { metadata: { name: 'a', namespace: 'default' } });
  await cluster.create(ReplicaSet, replicaSet('web'));
  await cluster.settles();
  steps.length = 0;
  const late = cluster.faults.delay({ verb: 'update', resource: 'replicasets.apps/status', times: 1 }, '5s');
  await cluster.create(ConfigMap, { metadata: { name: 'b', namespace: 'default' } });
  await cluster.passes('1s');
  await cluster.create(ConfigMap, { metadata: { name: 'c', namespace: 'default' } });
  await cluster.passes('10s');
  expect([late.hits, steps.length, cluster.get(ReplicaSet, KEY)?.status?.replicas]).toEqual([1, 2, 3]);
});

test('who has nothing to do for what is gone does not look at it', async () => {
  const seeing = (gone: boolean) =>
    defineController({
      name: 'seeing',
      reconciles: ConfigMap,
      reconcile: async () => settled,
      ...(gone && { gone: async () => settled }),
    });
  await using cluster = await startCluster();
  const running = [true, false].map((gone) => startControllers({ controllers: [seeing(gone)], ...cluster.services }));
  for (const each of running) cluster.add(each);
  await cluster.settles();
  const before = running.map((each) => each.stats()[0]!.reconciled);
  await cluster.create(ConfigMap, { metadata: { name: 'a', namespace: 'default' } });
  await cluster.settles();
  await cluster.delete(ConfigMap, 'default/a');
  await cluster.settles();
  expect(running.map((each, i) => each.stats()[0]!.reconciled - before[i]!)).toEqual([2, 1]);
});
