import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ControllerRevision } from '#api/apps/v1/controller-revision.ts';
import { DaemonSet } from '#api/apps/v1/daemon-set.ts';
import { Node } from '#api/core/v1/node.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { isActive, isReady } from '#api/core/v1/pod-conditions.ts';
import { nodeOf } from '#control-plane/controllers/daemon-set/daemon-pods.ts';
import { daemonSetController } from '#control-plane/controllers/daemon-set/daemon-set.ts';
import { podGarbageCollector } from '#control-plane/controllers/nodes/pod-garbage-collector.ts';
import { node, templateWithImage } from '#testing/cluster.ts';
import { history, namedLike, runs, type Seen, type Trouble, troubles, World } from './history.ts';
import { kubelets } from './pods-that-end.ts';

const NODES = 4;

type Step =
  | {
      act: 'node comes' | 'node goes' | 'is labelled' | 'is not labelled' | 'is tainted' | 'is not tainted';
      on: number;
    }
  | { act: 'image'; version: number }
  | { act: 'everywhere' | 'where labelled' }
  | { act: 'fails' | 'is deleted'; n: number };

const steps: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    act: fc.constantFrom(
      ...(['node comes', 'node goes', 'is labelled', 'is not labelled', 'is tainted', 'is not tainted'] as const),
    ),
    on: fc.nat(NODES),
  }),
  fc.record({ act: fc.constant('image' as const), version: fc.integer({ min: 1, max: 3 }) }),
  fc.record({ act: fc.constantFrom('everywhere' as const, 'where labelled' as const) }),
  fc.record({ act: fc.constantFrom('fails' as const, 'is deleted' as const), n: fc.nat() }),
);

const TAINT = { key: 'reserved', effect: 'NoExecute' };

/** Admission says of every new node that it is not ready; nobody else is here to take that back. */
async function comes({ cluster }: World, name: string): Promise<void> {
  await cluster.create(Node, node(name));
  await cluster.patch(Node, name, { spec: { taints: null } });
}

const acting =
  (world: World) =>
  async (step: Step): Promise<unknown> => {
    const { cluster } = world;
    const onNode = (patch: object) => cluster.patch(Node, `node${'on' in step ? step.on : 0}`, patch);
    const template = (patch: object) => cluster.patch(DaemonSet, 'default/logs', { spec: { template: patch } });
    switch (step.act) {
      case 'node comes':
        return comes(world, `node${step.on}`);
      case 'node goes':
        return cluster.delete(Node, `node${step.on}`);
      case 'is labelled':
      case 'is not labelled':
        return onNode({ metadata: { labels: { logs: step.act === 'is labelled' ? 'yes' : null } } });
      case 'is tainted':
      case 'is not tainted':
        return onNode({ spec: { taints: step.act === 'is tainted' ? [TAINT] : null } });
      case 'image':
        return template({ spec: { containers: [{ name: 'main', image: `example/main:${step.version}` }] } });
      case 'everywhere':
      case 'where labelled':
        return template({ spec: { nodeSelector: step.act === 'everywhere' ? null : { logs: 'yes' } } });
      case 'fails':
        return world.podEnds(await world.nthPod(step.n, isActive), 'Failed');
      case 'is deleted': {
        const pod = await world.nthPod(step.n);
        return pod && cluster.delete(Pod, namedLike(pod));
      }
    }
  };

const logs = (rollingUpdate: object) => ({
  metadata: { name: 'logs', namespace: 'default' },
  spec: {
    selector: { matchLabels: { app: 'logs' } },
    template: templateWithImage('logs', 'example/main:1'),
    updateStrategy: { type: 'RollingUpdate' as const, rollingUpdate },
  },
});

/** On any node, of either template. */
function mostOnANode(seen: readonly Seen<Pod>[]): number {
  const active = new Map<string, string>();
  let most = 0;
  for (const { type, object: pod } of seen) {
    active.delete(pod.metadata.uid);
    if (type !== 'DELETED' && isActive(pod)) active.set(pod.metadata.uid, nodeOf(pod));
    most = Math.max(most, [...active.values()].filter((name) => name === nodeOf(pod)).length);
  }
  return most;
}

for (const { how, rollingUpdate, most } of [
  { how: 'one after the other', rollingUpdate: { maxUnavailable: 1 }, most: 1 },
  { how: 'with a surge', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 }, most: 2 },
]) {
  test(`a DaemonSet that is updated ${how} ends with one pod on each node that fits, and never has more than ${most}`, async () => {
    await fc.assert(
      fc.asyncProperty(history<Step | Trouble>(steps, steps, troubles()), async (moments) => {
        await using world = await World.begin({
          shaky: [daemonSetController],
          steady: [...kubelets(), podGarbageCollector()],
        });
        const { cluster } = world;
        const seen = world.follow(Pod);
        for (let i = 0; i < NODES; i++) await comes(world, `node${i}`);
        await cluster.create(DaemonSet, logs(rollingUpdate));
        await world.lives(moments, acting(world));
        await world.comesToRest(300_000);
        const { spec, status, metadata } = cluster.get(DaemonSet, 'default/logs')!;
        const { nodeSelector, containers } = spec.template.spec;
        const wanted = cluster
          .list(Node)
          .filter((each) => !nodeSelector || each.metadata.labels?.['logs'] === 'yes')
          .filter((each) => !each.spec.taints?.some(({ key }) => key === TAINT.key))
          .map(({ metadata: { name } }) => name);
        const pods = cluster.list(Pod).filter(({ metadata: { ownerReferences } }) => ownerReferences);
        expect(pods.map(nodeOf).sort()).toEqual(wanted.sort());
        expect(pods.map((pod) => [pod.spec.containers[0]?.image, isReady(pod)])).toEqual(
          pods.map(() => [containers[0]?.image, true]),
        );
        expect(status).toMatchObject({
          observedGeneration: metadata.generation,
          desiredNumberScheduled: wanted.length,
          currentNumberScheduled: wanted.length,
          numberReady: wanted.length,
          numberMisscheduled: 0,
        });
        expect(status?.updatedNumberScheduled ?? 0).toBe(wanted.length);
        const templates = cluster.list(ControllerRevision).map(({ data }) => JSON.stringify(data));
        expect(new Set(templates).size).toBe(templates.length);
        expect(mostOnANode(seen)).toBeLessThanOrEqual(most);
      }),
      runs(8),
    );
  });
}
