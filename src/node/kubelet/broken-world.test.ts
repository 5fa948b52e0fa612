/** A kubelet whose world does not keep to the rules: registries that hang, clocks that are set, a server that is gone. */
import { expect, test } from 'vitest';
import { Lease } from '#api/coordination/v1/lease.ts';
import { Event } from '#api/core/v1/event.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { isReady } from '#api/core/v1/pod-conditions.ts';
import { withKubelet } from '../../../test/node/simulated-kubelet.ts';

const HOUR_MS = 3_600_000;
const pulled = (image: string) => ({ containers: [{ name: 'main', image, imagePullPolicy: 'IfNotPresent' as const }] });
const statusOf = (pod: Pod | undefined) => pod?.status?.containerStatuses?.[0];

test('a pod whose registry never answers is deleted at once, its pull is given up, and others get theirs', () => {
  const options = { hangs: ['slow.example/a:1'], pulls: ['quick.example/b:1'] };
  return withKubelet(options, async ({ cluster, create, pod, runtime }) => {
    await create('hangs', pulled('slow.example/a:1'));
    await create('shares', pulled('slow.example/a:1'));
    await cluster.passes(600_000);
    expect(statusOf(pod('hangs'))?.state?.waiting).toEqual({ reason: 'ContainerCreating' });
    expect(cluster.list(Event).map(({ message }) => message)).toContain('Pulling image "slow.example/a:1"');
    await cluster.delete(Pod, 'default/hangs');
    await cluster.passes(10_000);
    expect(pod('hangs')).toBeUndefined();
    expect(runtime.calls).not.toContain('CancelPull slow.example/a:1'); // the other one still waits for it
    await create('other', pulled('quick.example/b:1'));
    await cluster.delete(Pod, 'default/shares');
    await cluster.passes(10_000);
    expect(pod('shares')).toBeUndefined();
    expect(runtime.calls).toContain('CancelPull slow.example/a:1');
    expect(isReady(pod('other')!)).toBe(true);
    const left = await runtime.listPodSandboxes();
    expect(left.map(({ metadata }) => metadata.name)).toEqual(['other']);
  });
});

test('a pod with a volume whose registry never answers is deleted at once, and its pull is given up', () =>
  withKubelet({ hangs: ['slow.example/a:1'] }, async ({ cluster, create, pod, runtime }) => {
    await create('hangs', {
      containers: [{ name: 'main', image: 'example/main:1', volumeMounts: [{ name: 'data', mountPath: '/data' }] }],
      volumes: [{ name: 'data', image: { reference: 'slow.example/a:1' } }],
    });
    await cluster.passes(60_000);
    expect(runtime.calls).toContain('PullImage slow.example/a:1');
    await cluster.delete(Pod, 'default/hangs');
    await cluster.passes(10_000);
    expect(pod('hangs')).toBeUndefined();
    expect(runtime.calls).toContain('CancelPull slow.example/a:1');
  }));

for (const { direction, byMs } of [
  { direction: 'forward', byMs: HOUR_MS },
  { direction: 'back', byMs: -HOUR_MS },
])
  test(`a wall clock set ${direction} by an hour ends no pod, stops no lease and holds up no restart`, () =>
    withKubelet(
      { programs: { crashing: { runsForMs: 0, exitCode: 1 } } },
      async ({ cluster, create, pod, runtime, setWallClock }) => {
        await create('stays');
        await create('crashes', { containers: [{ name: 'crashing', image: 'example/main:1' }] });
        await cluster.passes(15_000);
        const runs = () => runtime.calls.filter((call) => call === 'StartContainer crashing').length;
        const before = runs();
        setWallClock(byMs);
        await cluster.passes(45_000);
        expect(runs()).toBeGreaterThan(before);
        expect(isReady(pod('stays')!)).toBe(true);
        expect(statusOf(pod('stays'))?.restartCount).toBe(0);
        const { renewTime = '' } = cluster.get(Lease, 'kube-node-lease/node-1')?.spec ?? {};
        expect(cluster.clock.now() + byMs - Date.parse(renewTime)).toBeLessThan(15_000);
      },
    ));

test('what was said of a pod while its node was thought lost is put right, and no more than that', () =>
  withKubelet({}, async ({ cluster, create, pod }) => {
    await create('doubted');
    const conditions = (pod('doubted')?.status?.conditions ?? []).map((condition) =>
      condition.type === 'Ready' ? { ...condition, status: 'False' } : condition,
    );
    const others = [{ type: 'example.com/mine', status: 'True' }];
    await cluster.client.patch(
      Pod,
      { namespace: 'default', name: 'doubted', subresource: 'status' },
      { type: 'merge', patch: { status: { conditions: [...conditions, ...others] } } },
    );
    await cluster.settles();
    expect(isReady(pod('doubted')!)).toBe(true);
    expect(pod('doubted')?.status?.conditions).toContainEqual(expect.objectContaining(others[0]));
    const version = pod('doubted')?.metadata.resourceVersion;
    await cluster.passes(300_000);
    expect(pod('doubted')?.metadata.resourceVersion).toBe(version);
  }));
