import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ControllerRevision } from '#api/apps/v1/controller-revision.ts';
import { StatefulSet } from '#api/apps/v1/stateful-set.ts';
import { PersistentVolumeClaim } from '#api/core/v1/persistent-volume-claim.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { isReady } from '#api/core/v1/pod-conditions.ts';
import { statefulSetController } from '#control-plane/controllers/stateful-set/stateful-set.ts';
import { type Sent, templateWithImage } from '#testing/cluster.ts';
import { history, namedLike, runs, type Seen, type Trouble, troubles, World } from './history.ts';
import { kubelets } from './pods-that-end.ts';

type Step =
  | { act: 'scale'; replicas: number }
  | { act: 'image'; version: number }
  | { act: 'partition'; partition: number }
  | { act: 'start'; start: number }
  | { act: 'fails' | 'succeeds' | 'is deleted' | 'loses its name'; n: number };

const steps: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ act: fc.constant('scale' as const), replicas: fc.nat(4) }),
  fc.record({ act: fc.constant('image' as const), version: fc.integer({ min: 1, max: 3 }) }),
  fc.record({ act: fc.constant('partition' as const), partition: fc.nat(3) }),
  fc.record({ act: fc.constant('start' as const), start: fc.nat(2) }),
  fc.record({
    act: fc.constantFrom('fails' as const, 'succeeds' as const, 'is deleted' as const, 'loses its name' as const),
    n: fc.nat(),
  }),
);

const acting =
  (world: World) =>
  async (step: Step): Promise<unknown> => {
    const { cluster } = world;
    const spec = (patch: object) => cluster.patch(StatefulSet, 'default/db', { spec: patch });
    switch (step.act) {
      case 'scale':
        return spec({ replicas: step.replicas });
      case 'image':
        return spec({ template: templateWithImage('db', `example/main:${step.version}`) });
      case 'partition':
        return spec({ updateStrategy: { rollingUpdate: { partition: step.partition } } });
      case 'start':
        return spec({ ordinals: { start: step.start } });
      case 'fails':
        return world.podEnds(await world.nthPod(step.n), 'Failed');
      case 'succeeds':
        return world.podEnds(await world.nthPod(step.n), 'Succeeded');
      case 'is deleted': {
        const pod = await world.nthPod(step.n);
        return pod && cluster.delete(Pod, namedLike(pod));
      }
      case 'loses its name': {
        const pod = await world.nthPod(step.n);
        return (
          pod &&
          cluster.patch(Pod, namedLike(pod), {
            metadata: { labels: { 'statefulset.kubernetes.io/pod-name': null, 'apps.kubernetes.io/pod-index': null } },
          })
        );
      }
    }
  };

const set = (spec: object): Sent<StatefulSet> => ({
  metadata: { name: 'db', namespace: 'default' },
  spec: {
    serviceName: 'db',
    replicas: 3,
    selector: { matchLabels: { app: 'db' } },
    template: templateWithImage('db', 'example/main:1'),
    volumeClaimTemplates: [
      {
        metadata: { name: 'data' },
        spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
      },
    ],
    ...spec,
  },
});

/** In order: a pod comes when all below it are there and ready, and goes when none above it is left. */
function outOfOrder(seen: readonly Seen<Pod>[]): string[] {
  const ready = new Map<number, boolean>();
  const wrong: string[] = [];
  for (const { type, object: pod } of seen) {
    const ordinal = Number(
      pod.metadata.labels?.['apps.kubernetes.io/pod-index'] ?? pod.metadata.name.split('-').at(-1),
    );
    if (type === 'ADDED')
      for (const [other, isUp] of ready)
        if (other < ordinal && !isUp) wrong.push(`${ordinal} came while ${other} was down`);
    if (type === 'DELETED') ready.delete(ordinal);
    else ready.set(ordinal, isReady(pod) && !pod.metadata.deletionTimestamp);
  }
  return wrong;
}

for (const podManagementPolicy of ['OrderedReady', 'Parallel'] as const) {
  test(`a StatefulSet (${podManagementPolicy}) ends as it was declared last, its claims with it`, async () => {
    await fc.assert(
      fc.asyncProperty(history<Step | Trouble>(steps, troubles({ lostAnswers: true })), async (moments) => {
        await using world = await World.begin({ shaky: [statefulSetController], steady: kubelets() });
        const { cluster } = world;
        await cluster.create(StatefulSet, set({ podManagementPolicy }));
        await world.lives(moments, acting(world));
        await cluster.patch(StatefulSet, 'default/db', {
          spec: { updateStrategy: { rollingUpdate: { partition: 0 } } },
        });
        await world.comesToRest(120_000);
        const { spec, status, metadata } = cluster.get(StatefulSet, 'default/db')!;
        const start = spec.ordinals?.start ?? 0;
        const pods = cluster.list(Pod);
        const names = Array.from({ length: spec.replicas }, (_, index) => `db-${start + index}`);
        expect(pods.map(({ metadata: { name } }) => name)).toEqual(names);
        const { image } = spec.template.spec.containers[0]!;
        expect(pods.map((pod) => [pod.spec.containers[0]?.image, isReady(pod)])).toEqual(
          names.map(() => [image, true]),
        );
        expect(pods.map((pod) => pod.metadata.labels?.['apps.kubernetes.io/pod-index'])).toEqual(
          names.map((name) => name.slice(3)),
        );
        const { replicas } = spec;
        expect(status).toMatchObject({
          observedGeneration: metadata.generation,
          replicas,
          availableReplicas: replicas,
        });
        expect(status?.updatedReplicas ?? 0).toBe(replicas);
        expect(status?.currentRevision).toBe(status?.updateRevision);
        const claims = cluster.list(PersistentVolumeClaim).map(({ metadata: { name } }) => name);
        expect(names.filter((name) => !claims.includes(`data-${name}`))).toEqual([]);
        const templates = cluster.list(ControllerRevision).map(({ data }) => JSON.stringify(data));
        expect(new Set(templates).size).toBe(templates.length);
      }),
      runs(8),
    );
  });
}

test('pods of a StatefulSet come in order, whatever is asked for and whatever becomes of the controller', async () => {
  await fc.assert(
    fc.asyncProperty(
      history<Step | Trouble>(
        steps.filter(({ act }) => act === 'scale' || act === 'image' || act === 'partition'),
        troubles(),
      ),
      async (moments) => {
        await using world = await World.begin({ shaky: [statefulSetController], steady: kubelets() });
        const { cluster } = world;
        const seen = world.follow(Pod);
        await cluster.create(StatefulSet, set({}));
        await world.lives(moments, acting(world));
        await world.comesToRest(120_000);
        expect(outOfOrder(seen)).toEqual([]);
      },
    ),
    runs(8),
  );
});
