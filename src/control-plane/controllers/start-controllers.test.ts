import { expect, test } from 'vitest';
import { ConfigMap } from '#api/core/v1/config-map.ts';
import { Secret } from '#api/core/v1/secret.ts';
import type { Transport, UserInfo } from '#client/transport.ts';
import { startCluster } from '#testing/cluster.ts';
import { type Controller, defineController, settled } from './define-controller.ts';
import { garbageCollector } from './garbage-collector/garbage-collector.ts';
import { serviceAccountController } from './service-account.ts';
import { startControllers } from './start-controllers.ts';

test('who follows every kind shares the informers of those who follow whole objects, in whatever order they stand', async () => {
  await using cluster = await startCluster();
  const watched: string[] = [];
  const transportFor = (user: UserInfo): Transport => {
    const inner = cluster.services.transportFor(user);
    return {
      request: (request) => inner.request(request),
      watch(request) {
        watched.push(request.path.replace(/\?.*/, ''));
        return inner.watch(request);
      },
    };
  };
  const controllers = [garbageCollector, serviceAccountController];
  const running = startControllers({ controllers, ...cluster.services, transportFor });
  cluster.add(running);
  await cluster.settles();
  expect(watched).toContain('/api/v1/serviceaccounts');
  expect(watched).toContain('/apis/apps/v1/deployments');
  expect(watched).toEqual([...new Set(watched)]);
  expect(running.stats().map(({ name }) => name)).toEqual([serviceAccountController.name, garbageCollector.name]);
});

test('a controller that comes later works on what is there already, and none is started twice or after the end', async () => {
  await using cluster = await startCluster();
  const seen: string[] = [];
  const watcher = (name: string) =>
    defineController({
      name,
      reconciles: ConfigMap,
      async reconcile({ metadata }) {
        if (metadata.namespace === 'default') seen.push(`${name} ${metadata.name}`);
        return settled;
      },
    });
  const [first, second, third] = ['first', 'second', 'third'].map(watcher) as [Controller, Controller, Controller];
  const running = startControllers({ controllers: [first], ...cluster.services });
  cluster.add(running);
  await cluster.create(ConfigMap, { metadata: { name: 'early', namespace: 'default' } });
  await cluster.settles();
  running.startMissing([first, second]);
  running.startMissing([first, second]);
  await cluster.settles();
  expect(seen).toEqual(['first early', 'second early']);
  expect(running.stats().map(({ name }) => name)).toEqual(['first', 'second']);
  running.stop();
  running.startMissing([third]);
  expect(running.stats()).toHaveLength(2);
});

test('an object that is new and of no interest begins no step: not when it comes, nor when the controller does', async () => {
  await using cluster = await startCluster();
  const seen: string[] = [];
  const onlyOdd = (name: string) =>
    defineController({
      name,
      reconciles: ConfigMap,
      whenNew: (now) => now.data?.['odd'] === 'yes',
      async reconcile({ metadata }) {
        seen.push(`${name} ${metadata.name}`);
        return settled;
      },
    });
  const running = startControllers({ controllers: [onlyOdd('first')], ...cluster.services });
  cluster.add(running);
  const put = (name: string, odd: string) =>
    cluster.create(ConfigMap, { metadata: { name, namespace: 'default' }, data: { odd } });
  await put('odd', 'yes');
  await put('even', 'no');
  await cluster.settles();
  expect(seen).toEqual(['first odd']);
  running.startMissing([onlyOdd('second')]);
  await cluster.settles();
  expect(seen).toEqual(['first odd', 'second odd']);
  await cluster.patch(ConfigMap, 'default/even', { data: { odd: 'yes' } }); // a change is no news
  await cluster.settles();
  expect(seen.slice(2).sort()).toEqual(['first even', 'second even']);
});

test('what an owner has no interest in begins no step; what comes, goes or has another owner does', async () => {
  await using cluster = await startCluster();
  let steps: string[] = [];
  const owner = defineController({
    name: 'owner',
    reconciles: ConfigMap,
    owns: [Secret],
    whenOwned: (now, before) => now.metadata.labels?.['tell'] !== before.metadata.labels?.['tell'],
    async reconcile({ metadata }) {
      steps.push(metadata.name);
      return settled;
    },
  });
  cluster.add(startControllers({ controllers: [owner], ...cluster.services }));
  const at = { namespace: 'default' };
  const configMaps: ConfigMap[] = [];
  for (const name of ['a', 'b']) configMaps.push(await cluster.create(ConfigMap, { metadata: { name, ...at } }));
  const by = ({ metadata: { name, uid } }: ConfigMap) => ({
    ...{ apiVersion: 'v1', kind: 'ConfigMap', name, uid, controller: true },
  });
  const stepsOf = async (act: () => Promise<unknown>) => {
    await cluster.settles();
    steps = [];
    await act();
    await cluster.settles();
    return steps.sort();
  };
  const [a, b] = configMaps.map(by);
  const change = (metadata: object) => () =>
    cluster.client.patch(Secret, { name: 's', ...at }, { type: 'merge', patch: { metadata } });
  const created = { metadata: { name: 's', ...at, ownerReferences: [a!] } };
  expect(await stepsOf(() => cluster.create(Secret, created))).toEqual(['a']);
  expect(await stepsOf(change({ labels: { other: 'yes' } }))).toEqual([]);
  expect(await stepsOf(change({ labels: { tell: 'yes' } }))).toEqual(['a']);
  expect(await stepsOf(change({ ownerReferences: [b] }))).toEqual(['a', 'b']);
  expect(await stepsOf(() => cluster.client.delete(Secret, { name: 's', ...at }))).toEqual(['b']);
});
