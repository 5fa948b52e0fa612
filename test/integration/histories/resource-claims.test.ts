import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Pod } from '#api/core/v1/pod.ts';
import { isTerminal } from '#api/core/v1/pod-conditions.ts';
import { DeviceClass } from '#api/resource/v1/device-class.ts';
import { ResourceClaim } from '#api/resource/v1/resource-claim.ts';
import { ResourceClaimTemplate } from '#api/resource/v1/resource-claim-template.ts';
import { garbageCollector } from '#control-plane/controllers/garbage-collector/garbage-collector.ts';
import { podResourceClaims } from '#control-plane/controllers/resource-claims/pod-resource-claims.ts';
import { resourceClaims } from '#control-plane/controllers/resource-claims/resource-claim.ts';
import { pod, SCHEDULER, type Sent, type TestCluster } from '#testing/cluster.ts';
import { addNodeWith } from '#testing/device-fixture.ts';
import { history, runs, type Seen, type Trouble, troubles, World } from './history.ts';

const PODS = 6;
/** Two on each node. */
const DEVICES = 4;

type Step =
  | { act: 'come with a claim of its own' | 'come for the common claim' | 'go' | 'end'; n: number }
  | { act: 'the scheduler restarts' | 'the scheduler’s watches break' }
  | { act: 'writes of the scheduler fail' | 'answers to the scheduler are lost'; times: number };

const n = fc.nat(PODS - 1);
const times = fc.integer({ min: 1, max: 2 });
const steps: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ act: fc.constantFrom('come with a claim of its own' as const, 'come for the common claim' as const), n }),
  fc.record({ act: fc.constantFrom('go' as const, 'end' as const), n }),
  fc.record({ act: fc.constantFrom('the scheduler restarts' as const, 'the scheduler’s watches break' as const) }),
  fc.record({
    act: fc.constantFrom('writes of the scheduler fail' as const, 'answers to the scheduler are lost' as const),
    times,
  }),
);

const spec = { devices: { requests: [{ name: 'r', exactly: { deviceClassName: 'gpu' } }] } };
const SCHEDULER_USER = 'system:kube-scheduler';
/** Whose informers it shares as long as it has not died. */
const SHARED = 'system:kube-controller-manager';
const CLAIM_WRITES = { user: SCHEDULER_USER, verb: 'update', resource: 'resourceclaims.resource.k8s.io/status' };

async function furnish(cluster: TestCluster): Promise<void> {
  await cluster.create(DeviceClass, { metadata: { name: 'gpu' }, spec: {} });
  const metadata = { namespace: 'default', name: 'gpus' };
  await cluster.create(ResourceClaimTemplate, { metadata, spec: { spec } } as Sent<ResourceClaimTemplate>);
  const common = { metadata: { namespace: 'default', name: 'common' }, spec };
  await cluster.create(ResourceClaim, common as Sent<ResourceClaim>);
  for (const name of ['node1', 'node2']) await addNodeWith(cluster, name, ['a', 'b']);
}

const acting =
  ({ cluster }: World) =>
  async (step: Step): Promise<unknown> => {
    const come = (claim: object) =>
      'n' in step && cluster.create(Pod, pod(`p${step.n}`, { resourceClaims: [{ name: 'gpu', ...claim }] }));
    switch (step.act) {
      case 'come with a claim of its own':
        return come({ resourceClaimTemplateName: 'gpus' });
      case 'come for the common claim':
        return come({ resourceClaimName: 'common' });
      case 'go':
        return cluster.delete(Pod, `default/p${step.n}`, { gracePeriodSeconds: 0 });
      case 'end': {
        const status = { phase: 'Succeeded' };
        return cluster.patch(Pod, { name: `p${step.n}`, namespace: 'default', subresource: 'status' }, { status });
      }
      case 'the scheduler restarts':
        return cluster.restartController(SCHEDULER);
      case 'the scheduler’s watches break':
        for (const user of [SCHEDULER_USER, SHARED]) cluster.faults.dropWatch({ user }, 'expired');
        return;
      case 'writes of the scheduler fail':
        return cluster.faults.fail({ ...CLAIM_WRITES, times: step.times });
      case 'answers to the scheduler are lost':
        return cluster.faults.drop({ ...CLAIM_WRITES, times: step.times });
    }
  };

const devicesOf = ({ status }: ResourceClaim): string[] =>
  status?.allocation?.devices?.results?.map(({ pool, device }) => `${pool}/${device}`) ?? [];

/** Devices that two claims had at one time. */
function givenTwice(seen: readonly Seen<ResourceClaim>[]): string[] {
  const holder = new Map<string, string>();
  const twice: string[] = [];
  for (const { type, object } of seen) {
    const { uid } = object.metadata;
    const has = type === 'DELETED' ? [] : devicesOf(object);
    for (const [device, who] of holder) if (who === uid && !has.includes(device)) holder.delete(device);
    for (const device of has) {
      if ((holder.get(device) ?? uid) !== uid) twice.push(device);
      holder.set(device, uid);
    }
  }
  return twice;
}

test('no device is ever given to two claims, and in the end every pod has its device that can, and no other claim has one', async () => {
  await fc.assert(
    fc.asyncProperty(history<Step | Trouble>(steps, steps, troubles({ lostAnswers: true })), async (moments) => {
      await using world = await World.begin({
        shaky: [podResourceClaims, resourceClaims],
        steady: [garbageCollector],
        scheduler: true,
      });
      const { cluster } = world;
      await furnish(cluster);
      const seen = world.follow(ResourceClaim);
      await world.lives(moments, acting(world));
      cluster.faults.clear();
      await world.comesToRest(600_000);

      expect(givenTwice(seen)).toEqual([]);
      const pods = cluster.list(Pod).filter((each) => !isTerminal(each));
      const claims = cluster.list(ResourceClaim);
      const claimOf = ({ spec: { resourceClaims: [asked] = [] }, status }: Pod) => {
        const name = asked?.resourceClaimName ?? status?.resourceClaimStatuses?.[0]?.resourceClaimName;
        return claims.find(({ metadata }) => metadata.name === name);
      };
      for (const each of pods.filter((one) => one.spec.nodeName)) {
        const claim = claimOf(each);
        expect(devicesOf(claim!).map((device) => device.split('/')[0])).toEqual([each.spec.nodeName]);
        expect(claim?.status?.reservedFor?.map(({ uid }) => uid)).toContain(each.metadata.uid);
      }
      const taken = claims.flatMap(devicesOf);
      if (pods.some((each) => !each.spec.nodeName)) expect(taken).toHaveLength(DEVICES);
      // Nothing is kept for those that are gone, or done.
      const wanted = new Set(pods.map((each) => claimOf(each)?.metadata.uid));
      const kept = claims.filter(({ metadata }) => metadata.name !== 'common');
      expect(kept.filter(({ metadata }) => !wanted.has(metadata.uid))).toEqual([]);
      const living = new Set(pods.map(({ metadata }) => metadata.uid));
      for (const { status } of claims)
        expect((status?.reservedFor ?? []).every(({ uid }) => living.has(uid))).toBe(true);
      for (const claim of claims)
        expect(devicesOf(claim).length > 0).toBe((claim.status?.reservedFor ?? []).length > 0);
    }),
    runs(10),
  );
});
