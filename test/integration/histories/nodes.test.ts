import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ReplicaSet } from '#api/apps/v1/replica-set.ts';
import { Lease } from '#api/coordination/v1/lease.ts';
import { Node } from '#api/core/v1/node.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { isActive, isReady } from '#api/core/v1/pod-conditions.ts';
import { microTimestampOf, timestampOf } from '#api/machinery/timestamp.ts';
import { nodeLifecycle } from '#control-plane/controllers/nodes/node-lifecycle.ts';
import { podGarbageCollector } from '#control-plane/controllers/nodes/pod-garbage-collector.ts';
import { taintEviction } from '#control-plane/controllers/nodes/taint-eviction.ts';
import { replicaSetController } from '#control-plane/controllers/replica-set.ts';
import { node, pod, replicaSet } from '#testing/cluster.ts';
import { podsThatRun } from '#testing/pods-that-run.ts';
import { history, runs, type Trouble, troubles, World } from './history.ts';

const NODES = 4;
const NAMES = Array.from({ length: NODES }, (_, index) => `node${index}`);
const TOLERANCE_SECONDS = 30;

type Step = { act: 'falls silent' | 'speaks again' | 'is removed' | 'is cordoned' | 'is uncordoned'; on: number };

const steps: fc.Arbitrary<Step> = fc.record({
  act: fc.constantFrom('falls silent', 'speaks again', 'is removed', 'is cordoned', 'is uncordoned'),
  on: fc.nat(NODES - 1),
});

/** What kubelets do: those of the living nodes. */
class Kubelets {
  readonly living = new Set(NAMES);
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  async join(name: string): Promise<void> {
    const { cluster } = this.#world;
    const { items } = await cluster.client.list(Node);
    if (!items.some(({ metadata }) => metadata.name === name)) await cluster.create(Node, node(name));
    this.living.add(name);
  }

  /** They renew their leases, and say that they are ready where they no longer seem so. */
  async speak(): Promise<void> {
    const { cluster } = this.#world;
    const now = cluster.clock.now();
    for (const name of this.living) {
      const spec = { holderIdentity: name, renewTime: microTimestampOf(now) };
      const lease = { name, namespace: 'kube-node-lease' };
      await cluster
        .patch(Lease, lease, { spec })
        .catch(() => cluster.create(Lease, { metadata: lease, spec: { ...spec, leaseDurationSeconds: 40 } }));
      const condition = { type: 'Ready', status: 'True', reason: 'KubeletReady', lastHeartbeatTime: timestampOf(now) };
      await cluster.patch(Node, { name, subresource: 'status' }, { status: { conditions: [condition] } }, 'strategic');
    }
  }

  async go(seconds: number): Promise<void> {
    for (let passed = 0; passed < seconds; passed += 10) {
      await this.speak();
      await this.#world.cluster.passes(10_000);
    }
  }
}

const acting =
  (world: World, kubelets: Kubelets) =>
  async (step: Step): Promise<unknown> => {
    const { cluster } = world;
    const name = NAMES[step.on]!;
    switch (step.act) {
      case 'falls silent':
        return kubelets.living.delete(name);
      case 'speaks again':
        return kubelets.join(name);
      case 'is removed':
        kubelets.living.delete(name);
        return cluster.delete(Node, name);
      case 'is cordoned':
      case 'is uncordoned':
        return cluster.patch(Node, name, { spec: { unschedulable: step.act === 'is cordoned' } });
    }
  };

test('lost nodes lose their pods and get their taints, living ones have neither, whatever became of nodes and controllers', async () => {
  await fc.assert(
    fc.asyncProperty(history<Step | Trouble>(steps, troubles()), async (moments) => {
      await using world = await World.begin({
        shaky: [nodeLifecycle(), taintEviction, podGarbageCollector(), replicaSetController],
        steady: [podsThatRun({ neverEnd: true })],
      });
      const { cluster } = world;
      const kubelets = new Kubelets(world);
      for (const name of NAMES) await kubelets.join(name);
      await kubelets.go(20);
      const tolerations = ['not-ready', 'unreachable'].map((what) => ({
        key: `node.kubernetes.io/${what}`,
        operator: 'Exists' as const,
        effect: 'NoExecute' as const,
        tolerationSeconds: TOLERANCE_SECONDS,
      }));
      for (const name of NAMES) await cluster.create(Pod, pod(`on-${name}`, { nodeName: name, tolerations }));
      await cluster.create(ReplicaSet, replicaSet('web', { replicas: 2 }));
      for (let at = 0; at < moments.length; at += 4) {
        await world.lives(moments.slice(at, at + 4), acting(world, kubelets));
        await kubelets.speak();
        cluster.clock.jump(10_000);
      }
      // Half of them live: when most of a small zone seems down, nothing is taken away.
      for (const name of NAMES.slice(0, 2)) await kubelets.join(name);
      await world.comesToRest(0);
      await kubelets.go(400);
      const living = [...kubelets.living].sort();
      for (const each of cluster.list(Node)) {
        const { metadata, spec, status } = each;
        const lives = kubelets.living.has(metadata.name);
        const ready = status?.conditions?.find(({ type }) => type === 'Ready')?.status;
        expect([metadata.name, ready]).toEqual([metadata.name, lives ? 'True' : 'Unknown']);
        const taints = (spec.taints ?? []).map(({ key, effect }) => `${key.split('/')[1]}:${effect}`).sort();
        const cordoned = spec.unschedulable ? ['unschedulable:NoSchedule'] : [];
        const lost = lives ? [] : ['unreachable:NoExecute', 'unreachable:NoSchedule'];
        expect(taints).toEqual([...lost, ...cordoned].sort());
      }
      // Nobody makes these anew: on a living node they may have gone while it was silent.
      const staying = cluster.list(Pod).filter((each) => isActive(each) && each.spec.nodeName);
      for (const { spec } of staying) expect(living).toContain(spec.nodeName);
      expect(staying.filter((each) => !isReady(each)).length).toBeLessThanOrEqual(living.length);
      const nodes = new Set(cluster.list(Node).map(({ metadata }) => metadata.name));
      expect(cluster.list(Pod).filter(({ spec }) => spec.nodeName && !nodes.has(spec.nodeName))).toEqual([]);
    }),
    runs(6),
  );
});
