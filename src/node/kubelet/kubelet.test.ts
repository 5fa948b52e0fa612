import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { Lease } from '#api/coordination/v1/lease.ts';
import { Event } from '#api/core/v1/event.ts';
import { Node } from '#api/core/v1/node.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { isReady } from '#api/core/v1/pod-conditions.ts';
import { RuntimeError } from '#node/runtime/runtime-error.ts';
import { IMAGE, withKubelet } from '../../../test/node/simulated-kubelet.ts';

const containers = (more: object = {}) => [{ name: 'main', image: IMAGE, ...more }];
const statusOf = (pod: Pod | undefined) => pod?.status?.containerStatuses?.[0];

test('the node is registered and ready, and its lease is renewed every ten seconds', () =>
  withKubelet({}, async ({ cluster }) => {
    await cluster.settles();
    const node = cluster.get(Node, 'node-1');
    expect(node?.status?.conditions?.find(({ type }) => type === 'Ready')).toMatchObject({
      status: 'True',
      reason: 'KubeletReady',
      message: 'kubelet is posting ready status',
    });
    const before = cluster.get(Lease, 'kube-node-lease/node-1')?.spec?.renewTime ?? '';
    await cluster.passes(11_000);
    const after = cluster.get(Lease, 'kube-node-lease/node-1')?.spec;
    expect(after).toMatchObject({ holderIdentity: 'node-1', leaseDurationSeconds: 40 });
    expect((after?.renewTime ?? '') > before).toBe(true);
  }));

test('extended resources that somebody advertises by the capacity alone may all be given away, until they are withdrawn', () =>
  withKubelet({}, async ({ cluster }) => {
    await cluster.settles();
    const at = { name: 'node-1', subresource: 'status' };
    const advertise = async (dongles: string | null) => {
      const patch = { status: { capacity: { 'example.com/dongle': dongles } } };
      await cluster.client.patch(Node, at, { type: 'merge', patch });
      await cluster.passes(11_000);
    };
    const node = () => cluster.get(Node, 'node-1');
    await advertise('3');
    expect(node()?.status?.allocatable?.['example.com/dongle']).toBe('3');
    const resourceVersion = node()?.metadata.resourceVersion;
    await cluster.passes(30_000);
    expect(node()?.metadata.resourceVersion).toBe(resourceVersion);
    await advertise(null);
    expect(node()?.status?.allocatable).not.toHaveProperty(['example.com/dongle']);
  }));

test('a crashing container waits 10 s, 20 s, 40 s … and never more than 5 min between its runs', () =>
  withKubelet({ programs: { main: { runsForMs: 0, exitCode: 1 } } }, async ({ cluster, create, pod }) => {
    await create('crash');
    const counts: number[] = [];
    const waits: string[] = [];
    for (const seconds of [0, 9, 2, 20, 40, 80, 160, 300, 300]) {
      await cluster.passes(seconds * 1000);
      counts.push(statusOf(pod('crash'))?.restartCount ?? -1);
      waits.push(/back-off (\w+)/.exec(statusOf(pod('crash'))?.state?.waiting?.message ?? '')?.[1] ?? '');
    }
    expect(counts).toEqual([1, 1, 2, 3, 4, 5, 6, 7, 8]);
    expect(waits).toEqual(['10s', '10s', '20s', '40s', '1m20s', '2m40s', '5m0s', '5m0s', '5m0s']);
  }));

for (const { restartPolicy, exitCode, phase } of [
  { restartPolicy: 'Never', exitCode: 0, phase: 'Succeeded' },
  { restartPolicy: 'Never', exitCode: 2, phase: 'Failed' },
  { restartPolicy: 'OnFailure', exitCode: 0, phase: 'Succeeded' },
] as const)
  test(`with restartPolicy ${restartPolicy}, a container that exits with ${exitCode} makes the pod ${phase}`, () =>
    withKubelet({ programs: { main: { runsForMs: 0, exitCode } } }, async ({ cluster, create, pod, runtime }) => {
      await create('once', { restartPolicy });
      await cluster.passes(60_000);
      expect(pod('once')?.status?.phase).toBe(phase);
      expect(runtime.calls.filter((call) => call.startsWith('StartContainer'))).toHaveLength(1);
    }));

test('a deleted pod is told to stop, killed when its grace is over, and only then gone', () =>
  withKubelet({ programs: { main: { onTerm: 'ignore' } } }, async ({ cluster, create, pod, runtime }) => {
    await create('stubborn');
    expect(isReady(pod('stubborn')!)).toBe(true);
    await cluster.delete(Pod, 'default/stubborn');
    await cluster.passes(4_000);
    expect(pod('stubborn')?.metadata.deletionTimestamp).toBeDefined();
    await cluster.passes(2_000);
    expect(pod('stubborn')).toBeUndefined();
    expect(runtime.calls).toContain('StopContainer main 5');
    expect(await runtime.listContainers()).toEqual([]);
    expect(await runtime.listPodSandboxes()).toEqual([]);
  }));

test('a shorter grace given later shortens a stop that is under way', () =>
  withKubelet({ programs: { main: { onTerm: 'ignore' } } }, async ({ cluster, create, pod, runtime }) => {
    await create('slow', { terminationGracePeriodSeconds: 600 });
    await cluster.delete(Pod, 'default/slow');
    await cluster.passes(10_000);
    await cluster.delete(Pod, 'default/slow', { gracePeriodSeconds: 3 });
    await cluster.passes(5_000);
    expect(pod('slow')).toBeUndefined();
    expect(runtime.calls.filter((call) => call.startsWith('StopContainer'))).toEqual([
      'StopContainer main 600',
      'StopContainer main 3',
    ]);
  }));

test('a liveness probe that fails three times in a row restarts its container; readiness follows its own probe', () => {
  let alive = 0;
  const exec = () => ({ runsForMs: 0, exitCode: alive });
  return withKubelet({ programs: { main: { exec } } }, async ({ cluster, create, pod, runtime }) => {
    const probe = { exec: { command: ['check'] }, periodSeconds: 10, failureThreshold: 3 };
    await create('probed', { containers: containers({ livenessProbe: probe }) });
    await cluster.passes(5_000);
    alive = 1;
    await cluster.passes(24_000);
    expect(statusOf(pod('probed'))?.restartCount).toBe(0);
    await cluster.passes(10_000);
    expect(statusOf(pod('probed'))?.restartCount).toBe(1);
    expect(runtime.calls).toContain('StopContainer main 5');
    const messages = cluster.list(Event).map(({ message }) => message);
    expect(messages).toContain('Container main failed liveness probe, will be restarted');
  });
});

test('until its startup probe has succeeded a container is neither started nor ready', () => {
  let up = 1;
  const exec = () => ({ runsForMs: 0, exitCode: up });
  return withKubelet({ programs: { main: { exec } } }, async ({ cluster, create, pod }) => {
    const probe = { exec: { command: ['check'] }, periodSeconds: 1, failureThreshold: 30 };
    await create('starting', {
      containers: containers({ startupProbe: probe, readinessProbe: { ...probe, failureThreshold: 1 } }),
    });
    await cluster.passes(5_000);
    expect(statusOf(pod('starting'))).toMatchObject({ started: false, ready: false });
    up = 0;
    await cluster.passes(1_500);
    expect(statusOf(pod('starting'))).toMatchObject({ started: true, ready: true });
  });
});

test('an image that cannot be pulled is tried again after 10 s, then 20 s', () =>
  withKubelet({}, async ({ cluster, create, pod, runtime }) => {
    await create('missing', { containers: containers({ image: 'example/none:1', imagePullPolicy: 'IfNotPresent' }) });
    const pulls = () => runtime.calls.filter((call) => call.startsWith('PullImage')).length;
    expect(statusOf(pod('missing'))?.state?.waiting?.reason).toMatch(/ErrImagePull|ImagePullBackOff/);
    expect(pulls()).toBe(1);
    await cluster.passes(10_500);
    expect(pulls()).toBe(2);
    await cluster.passes(5_000);
    expect([pulls(), pod('missing')?.status?.phase]).toEqual([2, 'Pending']);
    await cluster.passes(15_500);
    expect(pulls()).toBe(3);
  }));

test('init containers run one after the other, then the others; a sidecar starts before the next and stops last', () =>
  withKubelet(
    { programs: { first: { runsForMs: 0 }, last: { runsForMs: 0 } } },
    async ({ cluster, create, pod, runtime }) => {
      await create('steps', {
        initContainers: [
          { name: 'first', image: IMAGE },
          { name: 'beside', image: IMAGE, restartPolicy: 'Always' },
          { name: 'last', image: IMAGE },
        ],
      });
      await cluster.passes(1_000);
      expect(isReady(pod('steps')!)).toBe(true);
      await cluster.delete(Pod, 'default/steps');
      await cluster.passes(1_000);
      const names = (verb: string) =>
        runtime.calls.filter((call) => call.startsWith(`${verb} `)).map((call) => call.split(' ')[1]);
      expect(names('StartContainer')).toEqual(['first', 'beside', 'last', 'main']);
      expect(names('StopContainer')).toEqual(['main', 'beside']);
    },
  ));

test('a sandbox that died is made anew, with the containers in it', () =>
  withKubelet({}, async ({ cluster, create, pod, runtime }) => {
    await create('phoenix');
    const [sandbox] = await runtime.listPodSandboxes();
    const oldIP = pod('phoenix')?.status?.podIP;
    await runtime.stopPodSandbox(sandbox?.id ?? '');
    await cluster.passes(12_000);
    expect(isReady(pod('phoenix')!)).toBe(true);
    expect(pod('phoenix')?.status?.podIP).not.toBe(oldIP);
    expect(cluster.list(Event).map(({ message }) => message)).toContain(
      'Pod sandbox changed, it will be killed and re-created.',
    );
  }));

test('a kubelet that begins again starts nothing twice, and stops what the API has forgotten', () =>
  withKubelet({}, async ({ cluster, create, runtime, restart }) => {
    await create('stays');
    await create('forgotten');
    const before = [...runtime.calls];
    await cluster.settles();
    await restart();
    await cluster.delete(Pod, 'default/forgotten', { gracePeriodSeconds: 0 });
    await cluster.passes(30_000);
    const after = runtime.calls.slice(before.length);
    expect(after.filter((call) => /^(Create|Start|Run)/.test(call))).toEqual([]);
    const left = await runtime.listPodSandboxes();
    expect(left.map(({ metadata }) => metadata.name)).toEqual(['stays']);
  }));

test('what a killed kubelet has left of pods that nobody knows is removed, and nothing else', () =>
  withKubelet({}, async ({ cluster, create, root, kubelet }) => {
    await create('stays');
    const { logs } = kubelet().folders;
    const before = readdirSync(logs);
    mkdirSync(join(logs, 'default_gone_6a9d278e-890e-4c11-9bad-83e1a3c4d814/main'), { recursive: true });
    mkdirSync(join(root, 'pods/8de90f81-5e71-40de-b336-dfd2b4e2ff6a/volumes'), { recursive: true });
    mkdirSync(join(logs, 'somebodys'));
    await cluster.passes(30_000);
    expect(readdirSync(logs).sort()).toEqual([...before, 'somebodys'].sort());
    expect(readdirSync(join(root, 'pods'))).toHaveLength(1);
  }));

test('as whom a container began is said where the runtime says it', () => {
  const user = { uid: 1000, gid: 3000, supplementalGroups: [3000, 4000] };
  return withKubelet({ user }, async ({ create, pod }) => {
    await create('somebody');
    expect(pod('somebody')?.status?.containerStatuses?.[0]?.user).toEqual({ linux: user });
  });
});

test('a pod that is past its deadline fails', () =>
  withKubelet({}, async ({ cluster, create, pod }) => {
    await create('limited', { activeDeadlineSeconds: 30, restartPolicy: 'Never' });
    await cluster.passes(20_000);
    expect(pod('limited')?.status?.phase).toBe('Running');
    await cluster.passes(15_000);
    expect(pod('limited')?.status).toMatchObject({ phase: 'Failed', reason: 'DeadlineExceeded' });
  }));

test('a pod that nothing happens to is not asked after when its time comes again; one that has lost its container is', () =>
  withKubelet({}, async ({ cluster, create, pod, runtime }) => {
    await create('quiet');
    await cluster.passes(1_000);
    const looks = [vi.spyOn(runtime, 'podSandboxStatus'), vi.spyOn(runtime, 'containerStatus')];
    await cluster.passes(200_000); // twice, at least
    expect(looks.map(({ mock }) => mock.calls.length)).toEqual([0, expect.any(Number)]);
    const [running] = await runtime.listContainers();
    await runtime.stopContainer(running?.id ?? '', 0);
    await cluster.passes(1_000);
    expect(looks[0]?.mock.calls.length).toBeGreaterThan(0);
    expect(statusOf(pod('quiet'))?.restartCount).toBe(1);
  }));

test('every ten seconds the runtime’s containers are listed once, for all who want to know of them', () =>
  withKubelet({}, async ({ cluster, create, runtime }) => {
    await create('quiet');
    await cluster.passes(1_000);
    const lists = vi.spyOn(runtime, 'listContainers');
    await cluster.passes(20_000);
    const { length } = lists.mock.calls;
    await cluster.passes(100_000);
    // and each half minute for images that nobody uses
    expect(lists.mock.calls.length - length).toBeLessThanOrEqual(10 + 4);
  }));

test('while the runtime tells of nothing all is looked at each second, and what has ended meanwhile is noticed', () =>
  withKubelet({}, async ({ cluster, create, pod, runtime, restart }) => {
    await create('quiet');
    await cluster.passes(1_000);
    vi.spyOn(runtime, 'events').mockImplementation(async function* () {
      yield* [];
      throw new RuntimeError('Unavailable', 'gone');
    });
    await restart();
    const lists = vi.spyOn(runtime, 'listPodSandboxes');
    await cluster.passes(20_000);
    expect(lists.mock.calls.length).toBeGreaterThanOrEqual(18);
    const [running] = await runtime.listContainers();
    await runtime.stopContainer(running?.id ?? '', 0);
    await cluster.passes(3_000);
    expect(statusOf(pod('quiet'))?.restartCount).toBe(1);
  }));
