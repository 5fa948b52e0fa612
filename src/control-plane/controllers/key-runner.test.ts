import { expect, test } from 'vitest';
import { ReplicaSet } from '#api/apps/v1/replica-set.ts';
import { ConfigMap } from '#api/core/v1/config-map.ts';
import { Namespace } from '#api/core/v1/namespace.ts';
import { replicaSet, startCluster } from '#testing/cluster.ts';
import { defineController, settled, watching } from './define-controller.ts';

const counting = (objects: number, steps: string[]) =>
  defineController({
    name: 'counting',
    reconciles: Namespace,
    watches: [watching(ConfigMap, ({ metadata }) => [metadata.namespace ?? ''])],
    async reconcile({ metadata: { name, labels } }, { weighs, cached }) {
      weighs(objects);
      if (name === 'default')
        steps.push(`${cached(ConfigMap).inNamespace(name).length} ${labels?.['seen'] ?? ''}`.trim());
      return settled;
    },
  });

async function stepsOf(objects: number): Promise<string[]> {
  const steps: string[] = [];
  await using cluster = await startCluster({ controllers: [counting(objects, steps)] });
  steps.length = 0;
  for (let i = 1; i <= 3; i++) {
    await cluster.create(ConfigMap, { metadata: { name: `m${i}`, namespace: 'default' } });
    await cluster.settles();
  }
  await cluster.patch(Namespace, 'default', { metadata: { labels: { seen: 'yes' } } });
  await cluster.settles();
  const soon = steps.length;
  await cluster.passes('1s');
  return [...steps.slice(0, soon), '…', ...steps.slice(soon)];
}

test('a light step is taken for every change', async () => {
  expect(await stepsOf(300)).toEqual(['1', '2', '3', '3 yes', '…']);
});

test('before a heavy one, changes of other objects gather; a change of the object itself is looked at at once', async () => {
  expect(await stepsOf(5_000)).toEqual(['3 yes', '…', '3 yes']);
});

test('what it says itself of a heavy object does not ask for the next step at once', async () => {
  let steps = 0;
  const saying = defineController({
    name: 'saying',
    reconciles: ReplicaSet,
    writes: { status: [ReplicaSet] },
    async reconcile(web, { weighs, api }) {
      weighs(5_000);
      steps++;
      // Each time another, as with pods that become ready meanwhile.
      if (steps < 9) await api.updateStatus(web, { replicas: steps });
      return settled;
    },
  });
  await using cluster = await startCluster({ controllers: [saying] });
  await cluster.create(ReplicaSet, replicaSet('web', { replicas: 1 }));
  await cluster.settles();
  expect(steps).toBe(1);
  await cluster.passes('250ms');
  expect(steps).toBe(2);
  await cluster.patch(ReplicaSet, 'default/web', { metadata: { annotations: { seen: 'yes' } } });
  await cluster.settles();
  expect(steps).toBe(3);
});
