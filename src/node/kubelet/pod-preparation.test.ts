import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { ConfigMap } from '#api/core/v1/config-map.ts';
import { Event } from '#api/core/v1/event.ts';
import { Pod } from '#api/core/v1/pod.ts';
import type { Client } from '#client/client.ts';
import { detectMachineFacts } from '#node/runtime/machine-facts.ts';
import { pod as podOf } from '#testing/cluster.ts';
import { IMAGE, noMounts, withKubelet } from '../../../test/node/simulated-kubelet.ts';

const secretInMemory = { name: 'token', projected: { sources: [{ configMap: { name: 'settings' } }] } };
const settings = { metadata: { name: 'settings', namespace: 'default' } };

/** Nobody is told of ConfigMaps, not even which there are, before `until` lets them. */
function holdConfigMaps(client: Client, until: () => Promise<void>): void {
  const watch = client.watch.bind(client);
  vi.spyOn(client, 'watch').mockImplementation(async function* (kind, options) {
    if (kind.kind === 'ConfigMap') await until();
    yield* watch(kind, options);
  });
}

test('a sandbox is made while the volumes are, and all that is asked of the runtime is what has to be known', async () => {
  let mounted: () => void = () => undefined;
  const mounting = new Promise<void>((resolve) => {
    mounted = resolve;
  });
  await withKubelet(
    { kubelet: { mounter: { ...noMounts, tmpfs: () => mounting } } },
    async ({ cluster, create, pod, runtime }) => {
      const looks = (['listPodSandboxes', 'listContainers', 'podSandboxStatus', 'containerStatus'] as const).map(
        (name) => vi.spyOn(runtime, name),
      );
      const asked = () => looks.map(({ mock }) => mock.calls.length);
      const before = asked();
      await cluster.create(ConfigMap, { ...settings, data: { a: '1' } });
      // The first pod here that names this object: it has to be asked for.
      const made = create('quick', { volumes: [secretInMemory] });
      await vi.waitFor(() => expect(runtime.calls).toContain('RunPodSandbox default/quick'), { timeout: 20_000 });
      expect(runtime.calls).not.toContain('CreateContainer main');
      mounted();
      await made;
      expect(pod('quick')?.status?.phase).toBe('Running');
      // Both lists are asked for once in a kubelet's life: what an earlier one has left.
      expect(asked().map((count, index) => count - (before[index] ?? 0))).toEqual([1, 1, 1, 1]);
    },
  );
});

test('a pod whose volumes fail beside its sandbox keeps none, and has its volumes first from then on', async () => {
  let isFull = true;
  const tmpfs = async () => {
    if (isFull) throw new Error('no memory');
  };
  await withKubelet({ kubelet: { mounter: { ...noMounts, tmpfs } } }, async ({ cluster, create, pod, runtime }) => {
    await create('unlucky', { volumes: [{ name: 'scratch', emptyDir: { medium: 'Memory' } }] });
    expect(runtime.calls).toEqual(['RunPodSandbox default/unlucky', 'StopPodSandbox default/unlucky']);
    expect(await runtime.listPodSandboxes()).toEqual([]);
    const conditions = pod('unlucky')?.status?.conditions ?? [];
    expect(conditions.find(({ type }) => type === 'PodReadyToStartContainers')?.status).toBe('False');
    expect(cluster.list(Event).map(({ reason }) => reason)).toContain('FailedMount');
    await cluster.passes(20_000);
    expect(runtime.calls).toHaveLength(2);
    isFull = false;
    await cluster.passes(20_000);
    expect(pod('unlucky')?.status?.phase).toBe('Running');
  });
});

test('a pod that names an object that is missing has no sandbox', () =>
  withKubelet({}, async ({ cluster, create, pod, runtime }) => {
    await create('waits', { volumes: [secretInMemory], containers: [{ name: 'main', image: IMAGE }] });
    await cluster.passes(15_000);
    expect(runtime.calls).toEqual([]);
    await cluster.create(ConfigMap, { ...settings, data: { a: '1' } });
    await cluster.passes(15_000);
    expect(pod('waits')?.status?.phase).toBe('Running');
  }));

test('a pod that goes while nobody answers what it names goes nevertheless', () =>
  withKubelet({}, async ({ cluster, pod, runtime }) => {
    const asked = vi.fn();
    holdConfigMaps(cluster.client, () => {
      asked();
      return new Promise(() => undefined);
    });
    await cluster.client.create(Pod, podOf('waits', { nodeName: 'node-1', volumes: [secretInMemory] }) as Pod);
    await vi.waitFor(() => expect(asked).toHaveBeenCalled(), { timeout: 20_000 });
    await cluster.client.delete(Pod, { namespace: 'default', name: 'waits' });
    await vi.waitFor(() => expect(pod('waits')).toBeUndefined(), { timeout: 20_000 });
    expect(runtime.calls).toEqual([]);
  }));

test('what was there for an earlier pod is not waited for by the next one; where it has gone, that one has no sandbox', () =>
  withKubelet({}, async ({ cluster, create, pod, runtime }) => {
    await cluster.create(ConfigMap, { ...settings, data: { a: '1' } });
    await create('first', { volumes: [secretInMemory] });
    await cluster.client.delete(Pod, { namespace: 'default', name: 'first' });
    await cluster.passes(60_000);
    expect(pod('first')).toBeUndefined();
    let answer: () => void = () => undefined;
    const answered = new Promise<void>((resolve) => {
      answer = resolve;
    });
    holdConfigMaps(cluster.client, () => answered);
    await cluster.client.delete(ConfigMap, { namespace: 'default', name: 'settings' });
    await cluster.client.create(Pod, podOf('second', { nodeName: 'node-1', volumes: [secretInMemory] }) as Pod);
    await vi.waitFor(() => expect(runtime.calls).toContain('RunPodSandbox default/second'), { timeout: 20_000 });
    answer();
    await cluster.passes(30_000);
    expect(await runtime.listPodSandboxes()).toEqual([]);
    await cluster.create(ConfigMap, { ...settings, data: { a: '2' } });
    await cluster.passes(30_000);
    expect(pod('second')?.status?.phase).toBe('Running');
  }));

test('a control group is told its limits when there is something to begin, not whenever its pod is looked at', async () => {
  const root = mkdtempSync(join(tmpdir(), 'kedge-cgroups-'));
  try {
    const machine = { ...detectMachineFacts(), cgroups: { version: 2, root } } as const;
    await withKubelet({ kubelet: { machine } }, async ({ cluster, create, pod, runtime }) => {
      await create('quiet');
      const group = join(root, 'kubepods', 'besteffort', `pod${pod('quiet')?.metadata.uid}`);
      const weight = join(group, 'cpu.weight');
      mkdirSync(group, { recursive: true });
      writeFileSync(weight, 'as it was');
      await cluster.passes(200_000);
      expect(readFileSync(weight, 'utf8')).toBe('as it was');
      const [running] = await runtime.listContainers();
      await runtime.stopContainer(running?.id ?? '', 0);
      await cluster.passes(1_000);
      expect(readFileSync(weight, 'utf8')).toMatch(/^1/);
    });
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
});
