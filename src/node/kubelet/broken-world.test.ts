/** A kubelet whose world does not keep to the rules: registries that hang, clocks that are set, a server that is gone. */
import { expect, test, vi } from 'vitest';
import { Lease } from '#api/coordination/v1/lease.ts';
import { Event } from '#api/core/v1/event.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { isReady } from '#api/core/v1/pod-conditions.ts';
import { RuntimeError } from '#node/runtime/runtime-error.ts';
import type { TestCluster } from '#testing/cluster.ts';
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

const LOST = 'is in "unknown" state, try killing it before restart';
const named = (name: string, more: object = {}) => ({ name, image: 'example/main:1', ...more });
const killings = (cluster: TestCluster) =>
  cluster.list(Event).flatMap(({ reason, message }) => (reason === 'Killing' ? [message] : []));

test.each(['Always', 'Never'] as const)(
  'a container that the runtime has lost sight of is killed and begins again, with restartPolicy %s too',
  (restartPolicy) =>
    withKubelet({}, async ({ cluster, create, pod, runtime }) => {
      await create('lost', { restartPolicy, containers: [named('main'), named('other')] });
      const first = runtime.newest('main')?.id ?? '';
      runtime.lose(first);
      await cluster.settles();
      expect(killings(cluster)).toEqual([`Container ${LOST}`]);
      const [main, other] = pod('lost')?.status?.containerStatuses ?? [];
      expect(main).toMatchObject({ restartCount: 1, state: { running: {} }, lastState: { terminated: {} } });
      expect(main?.lastState?.terminated?.containerID).toBe(`containerd://${first}`);
      expect(other?.restartCount).toBe(0);
      expect(runtime.calls.filter((call) => call.startsWith('StopContainer'))).toEqual(['StopContainer main 5']);
    }),
);

test('a container that is lost and cannot be killed is not said to wait as if it had never begun', () =>
  withKubelet({}, async ({ cluster, create, pod, runtime }) => {
    await create('lost');
    const { id = '' } = runtime.newest('main') ?? {};
    const stop = vi.spyOn(runtime, 'stopContainer').mockRejectedValue(new RuntimeError('Unknown', 'no shim'));
    runtime.lose(id);
    await cluster.passes(30_000);
    expect(pod('lost')?.status).toMatchObject({
      phase: 'Running',
      containerStatuses: [
        {
          restartCount: 0,
          ready: false,
          state: { terminated: { exitCode: 137, reason: 'ContainerStatusUnknown', containerID: `containerd://${id}` } },
        },
      ],
    });
    expect(runtime.calls.filter((call) => call === 'CreateContainer main')).toHaveLength(1);
    stop.mockRestore();
    await cluster.passes(30_000);
    expect(statusOf(pod('lost'))).toMatchObject({ restartCount: 1, state: { running: {} } });
  }));

test('sidecars and init containers that are lost begin again; where none may, the pod fails', () =>
  withKubelet({ programs: { init: {} } }, async ({ cluster, create, pod, runtime }) => {
    const initContainers = [named('side', { restartPolicy: 'Always' }), named('init')];
    await create('again', { restartPolicy: 'OnFailure', initContainers });
    for (const name of ['init', 'side']) {
      runtime.lose(runtime.newest(name)?.id ?? '');
      await cluster.settles();
    }
    expect(killings(cluster)).toEqual([`Init container ${LOST}`, `Init container ${LOST}`]);
    const counts = pod('again')?.status?.initContainerStatuses?.map(
      ({ name, restartCount }) => `${name} ${restartCount}`,
    );
    expect(counts).toEqual(['side 1', 'init 1']);
    await create('never', { restartPolicy: 'Never', initContainers: [named('init')] });
    runtime.lose(runtime.newest('init')?.id ?? '');
    await cluster.passes(30_000);
    expect(pod('never')?.status?.phase).toBe('Failed');
  }));

test('a container that the runtime cannot remove keeps no other, nor its pod’s address', () =>
  withKubelet({}, async ({ cluster, create, runtime }) => {
    await create('stuck', { containers: [named('main'), named('other')] });
    const { id = '' } = runtime.newest('main') ?? {};
    const remove = runtime.removeContainer.bind(runtime);
    const spy = vi.spyOn(runtime, 'removeContainer').mockImplementation(async (each) => {
      if (each === id) throw new RuntimeError('Unknown', 'cannot delete running task');
      await remove(each);
    });
    const sandbox = vi.spyOn(runtime, 'removePodSandbox').mockRejectedValue(new RuntimeError('Unknown', 'not empty'));
    await cluster.delete(Pod, 'default/stuck', { gracePeriodSeconds: 0 });
    await cluster.passes(30_000);
    expect((await runtime.listContainers()).map((each) => each.id)).toEqual([id]);
    expect((await runtime.listPodSandboxes()).map(({ state }) => state)).toEqual(['SANDBOX_NOTREADY']);
    for (const each of [spy, sandbox]) each.mockRestore();
    await cluster.passes(30_000);
    expect([await runtime.listContainers(), await runtime.listPodSandboxes()]).toEqual([[], []]);
  }));
