import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Deployment } from '#api/apps/v1/deployment.ts';
import { ReplicaSet } from '#api/apps/v1/replica-set.ts';
import { Job } from '#api/batch/v1/job.ts';
import { ConfigMap } from '#api/core/v1/config-map.ts';
import { Namespace } from '#api/core/v1/namespace.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { deploymentController } from '#control-plane/controllers/deployment/deployment.ts';
import { garbageCollector } from '#control-plane/controllers/garbage-collector/garbage-collector.ts';
import { jobController } from '#control-plane/controllers/job/job.ts';
import { namespaceController } from '#control-plane/controllers/namespace.ts';
import { replicaSetController } from '#control-plane/controllers/replica-set.ts';
import { deployment, namespace } from '#testing/cluster.ts';
import { history, refused, runs, type Trouble, troubles, World } from './history.ts';
import { kubelets } from './pods-that-end.ts';

type Step =
  | { act: 'a Deployment' | 'a Job' | 'the namespace goes' | 'the namespace comes' | 'what holds lets go' }
  | { act: 'a ConfigMap'; held: boolean; n: number };

const steps: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    act: fc.constantFrom(
      ...(['a Deployment', 'a Job', 'the namespace goes', 'the namespace comes', 'what holds lets go'] as const),
    ),
  }),
  fc.record({ act: fc.constant('a ConfigMap' as const), held: fc.boolean(), n: fc.nat(3) }),
);

const IN_SHOP = { namespace: 'shop' };
const HOLD = 'example.com/hold';

const acting =
  (world: World) =>
  async (step: Step): Promise<unknown> => {
    const { cluster } = world;
    switch (step.act) {
      case 'a Deployment':
        return cluster.create(Deployment, deployment('web', { replicas: 2 }, IN_SHOP));
      case 'a Job': {
        const template = {
          spec: { restartPolicy: 'Never' as const, containers: [{ name: 'a', image: 'example/a:1' }] },
        };
        return cluster.create(Job, { metadata: { name: 'work', ...IN_SHOP }, spec: { template, parallelism: 2 } });
      }
      case 'a ConfigMap': {
        const metadata = { name: `m${step.n}`, ...IN_SHOP, ...(step.held && { finalizers: [HOLD] }) };
        return cluster.create(ConfigMap, { metadata });
      }
      case 'the namespace goes':
        return cluster.delete(Namespace, 'shop');
      case 'the namespace comes':
        return cluster.create(Namespace, namespace('shop'));
      case 'what holds lets go':
        return lets(world);
    }
  };

async function lets({ cluster }: World): Promise<void> {
  const { items } = await cluster.client.list(ConfigMap, IN_SHOP);
  for (const { metadata } of items)
    await refused(cluster.patch(ConfigMap, `shop/${metadata.name}`, { metadata: { finalizers: null } }));
}

test('a namespace that is deleted goes with everything in it, and can come anew', async () => {
  await fc.assert(
    fc.asyncProperty(history<Step | Trouble>(steps, troubles({ lostAnswers: true })), async (moments) => {
      await using world = await World.begin({
        shaky: [namespaceController, garbageCollector, deploymentController, replicaSetController, jobController],
        steady: kubelets(),
      });
      const { cluster } = world;
      await cluster.create(Namespace, namespace('shop'));
      await world.lives(moments, acting(world));
      await refused(cluster.delete(Namespace, 'shop'));
      await lets(world);
      await world.comesToRest(120_000);
      await lets(world);
      await world.comesToRest(120_000);
      expect(cluster.get(Namespace, 'shop')).toBeUndefined();
      const left = [Deployment, ReplicaSet, Pod, Job, ConfigMap].flatMap((kind) =>
        cluster.list(kind as typeof Pod, IN_SHOP),
      );
      expect(left).toEqual([]);
      await cluster.create(Namespace, namespace('shop'));
      await cluster.create(Deployment, deployment('web', { replicas: 2 }, IN_SHOP));
      await cluster.settles();
      expect(cluster.list(Pod, IN_SHOP)).toHaveLength(2);
    }),
    runs(6),
  );
});
