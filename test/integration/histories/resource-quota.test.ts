import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ConfigMap } from '#api/core/v1/config-map.ts';
import { PersistentVolumeClaim } from '#api/core/v1/persistent-volume-claim.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { isTerminal } from '#api/core/v1/pod-conditions.ts';
import { ResourceQuota } from '#api/core/v1/resource-quota.ts';
import { Service } from '#api/core/v1/service.ts';
import { resourceQuotaController } from '#control-plane/controllers/resource-quota/resource-quota.ts';
import { pod, service } from '#testing/cluster.ts';
import { claim } from '#testing/volumes-fixture.ts';
import { history, runs, type Seen, type Trouble, troubles, World } from './history.ts';

const NAMES = 8;
/** It stays as it is; the other ones come, go and change. */
const FIXED = { pods: '4', 'requests.cpu': '1', 'count/configmaps': '5', persistentvolumeclaims: '3' };

/** What was charged for something that was refused later on comes back when all is counted anew. */
const RECOUNT_MS = 6 * 60_000;

type Step =
  | { act: 'pod comes'; n: number; cpu: number | undefined }
  | { act: 'pod ends' | 'pod goes' | 'map comes' | 'map goes' | 'claim goes' | 'many come'; n: number }
  | { act: 'claim comes'; n: number; gigabytes: number }
  | { act: 'service comes'; n: number; type: 'ClusterIP' | 'NodePort' }
  | { act: 'service changes' | 'service goes'; n: number }
  | { act: 'quota comes' | 'quota changes'; most: number }
  | { act: 'quota goes' };

const n = fc.nat(NAMES - 1);
const steps: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ act: fc.constant('pod comes' as const), n, cpu: fc.constantFrom(100, 300, 600) }),
  fc.record({
    act: fc.constantFrom(...(['pod ends', 'pod goes', 'map comes', 'map goes', 'claim goes', 'many come'] as const)),
    n,
  }),
  fc.record({ act: fc.constant('claim comes' as const), n, gigabytes: fc.integer({ min: 1, max: 3 }) }),
  fc.record({ act: fc.constant('service comes' as const), n, type: fc.constantFrom('ClusterIP', 'NodePort') }),
  fc.record({ act: fc.constantFrom('service changes' as const, 'service goes' as const), n }),
  fc.record({
    act: fc.constantFrom('quota comes' as const, 'quota changes' as const),
    most: fc.integer({ max: 9, min: 2 }),
  }),
  fc.record({ act: fc.constant('quota goes' as const) }),
);

const named = (letter: string, number: number) => ({ name: `${letter}${number}`, namespace: 'default' });
const map = (number: number) => ({ metadata: named('m', number) });
const asking = (number: number, milliCpu: number | undefined) =>
  pod(`p${number}`, {
    containers: [
      { name: 'main', image: 'i', resources: milliCpu === undefined ? {} : { requests: { cpu: `${milliCpu}m` } } },
    ],
  });
const moving = (most: number) => ({
  pods: `${most}`,
  'services.nodeports': `${most}`,
  services: `${most}`,
  'requests.storage': `${2 * most}Gi`,
  'count/pods': `${most + 2}`,
});

const acting =
  (world: World) =>
  async (step: Step): Promise<unknown> => {
    const { cluster } = world;
    switch (step.act) {
      case 'pod comes':
        return cluster.create(Pod, asking(step.n, step.cpu));
      case 'pod ends':
        return world.podEnds(await world.nthPod(step.n), 'Succeeded');
      case 'pod goes':
        return cluster.delete(Pod, named('p', step.n), { gracePeriodSeconds: 0 });
      case 'map comes':
        return cluster.create(ConfigMap, map(step.n));
      case 'map goes':
        return cluster.delete(ConfigMap, named('m', step.n));
      case 'many come': {
        const all = Array.from({ length: NAMES }, (_, i) => cluster.create(ConfigMap, map(i)));
        return Promise.allSettled([...all, cluster.create(Pod, asking(step.n, 300))]);
      }
      case 'claim comes': {
        const resources = { requests: { storage: `${step.gigabytes}Gi` } };
        return cluster.create(PersistentVolumeClaim, claim(`c${step.n}`, { resources }));
      }
      case 'claim goes':
        return cluster.delete(PersistentVolumeClaim, named('c', step.n));
      case 'service comes':
        return cluster.create(Service, service(`s${step.n}`, { type: step.type }));
      case 'service changes':
        return cluster.patch(Service, named('s', step.n), { spec: { type: 'NodePort' } });
      case 'service goes':
        return cluster.delete(Service, named('s', step.n));
      case 'quota comes':
        return cluster.create(ResourceQuota, {
          metadata: { name: 'moving', namespace: 'default' },
          spec: { hard: moving(step.most) },
        });
      case 'quota changes':
        return cluster.patch(ResourceQuota, 'default/moving', { spec: { hard: moving(step.most) } });
      case 'quota goes':
        return cluster.delete(ResourceQuota, 'default/moving');
    }
  };

const milliCpuOf = ({ spec }: Pod): number =>
  Number.parseInt(spec.containers[0]?.resources?.requests?.['cpu'] ?? '0', 10);
const gigabytesOf = ({ spec }: PersistentVolumeClaim): number =>
  Number.parseInt(spec.resources?.requests?.['storage'] ?? '0', 10);
const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);
/** `0`, `1600m`, `2`: as quantities are written. */
const cores = (milli: number): string => (milli % 1000 === 0 ? `${milli / 1000}` : `${milli}m`);
const gibibytes = (count: number): string => (count === 0 ? '0' : `${count}Gi`);

/** What there is, counted here. */
function existing({ cluster }: World): Record<string, string> {
  const pods = cluster.list(Pod);
  const running = pods.filter((each) => !isTerminal(each));
  const services = cluster.list(Service).filter(({ metadata }) => metadata.namespace === 'default');
  const maps = cluster.list(ConfigMap).filter(({ metadata }) => metadata.namespace === 'default');
  const claims = cluster.list(PersistentVolumeClaim);
  const nodePorts = services.filter(({ spec }) => spec.type === 'NodePort').flatMap(({ spec }) => spec.ports ?? []);
  return {
    pods: `${running.length}`,
    'count/pods': `${pods.length}`,
    'requests.cpu': cores(sum(running.map(milliCpuOf))),
    'count/configmaps': `${maps.length}`,
    persistentvolumeclaims: `${claims.length}`,
    'requests.storage': gibibytes(sum(claims.map(gigabytesOf))),
    services: `${services.length}`,
    'services.nodeports': `${nodePorts.length}`,
  };
}

/** The most of them that ever were at once, and the most that they ever asked for. */
function most(seen: readonly Seen<Pod>[]): { count: number; milliCpu: number } {
  const running = new Map<string, Pod>();
  const highest = { count: 0, milliCpu: 0 };
  for (const { type, object } of seen) {
    running.delete(object.metadata.uid);
    if (type !== 'DELETED' && !isTerminal(object)) running.set(object.metadata.uid, object);
    highest.count = Math.max(highest.count, running.size);
    highest.milliCpu = Math.max(highest.milliCpu, sum([...running.values()].map(milliCpuOf)));
  }
  return highest;
}

test('a quota says what there is, lets in no more than it says, and all that it has room for', async () => {
  await fc.assert(
    fc.asyncProperty(history<Step | Trouble>(steps, steps, troubles({ lostAnswers: true })), async (moments) => {
      await using world = await World.begin({ shaky: [resourceQuotaController] });
      const { cluster } = world;
      const seen = world.follow(Pod);
      await cluster.create(ResourceQuota, {
        metadata: { name: 'fixed', namespace: 'default' },
        spec: { hard: FIXED },
      });
      await cluster.settles();
      await world.lives(moments, acting(world));
      await world.comesToRest(RECOUNT_MS);
      const there = existing(world);
      for (const { metadata, spec, status } of cluster.list(ResourceQuota)) {
        const names = Object.keys(spec.hard ?? {});
        expect([metadata.name, status?.hard]).toEqual([metadata.name, spec.hard]);
        expect([metadata.name, status?.used]).toEqual([
          metadata.name,
          Object.fromEntries(names.map((name) => [name, there[name]])),
        ]);
      }
      const highest = most(seen);
      expect(highest.count).toBeLessThanOrEqual(Number(FIXED.pods));
      expect(highest.milliCpu).toBeLessThanOrEqual(1000 * Number(FIXED['requests.cpu']));
      const room = Number(FIXED['count/configmaps']) - Number(there['count/configmaps']);
      const more = Array.from({ length: NAMES }, (_, i) => cluster.create(ConfigMap, map(NAMES + i)));
      const outcomes = await Promise.allSettled(more);
      expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(room);
    }),
    runs(12),
  );
});
