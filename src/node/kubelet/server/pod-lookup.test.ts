import { expect, test, vi } from 'vitest';
import { ManualClock } from '#base/manual-clock.ts';
import type { ContainerRuntime } from '#node/runtime/runtime.ts';
import { RuntimeError } from '#node/runtime/runtime-error.ts';
import { CONTAINER_NAME, POD_UID } from '../runtime-labels.ts';
import { RuntimePods } from '../runtime-pods.ts';
import { askRunning, findRunning } from './pod-lookup.ts';

test('of a container that does not run only that is said: clients put in front what they could not do', () => {
  const pod = { metadata: { name: 'p', uid: 'u' }, spec: { containers: [{ name: 'c' }] } };
  const found = { pod, now: { containers: [] } } as unknown as Parameters<typeof findRunning>[0];
  expect(() => findRunning(found, 'c')).toThrow(/^container not found \("c"\)$/);
});

/** A pod whose one container has this id; `looks` are the calls that look at it. */
async function kubeletWith(containerId: string) {
  const labels = { [POD_UID]: 'u', [CONTAINER_NAME]: 'c' };
  const now = { containerId };
  const sandbox = { id: 's', state: 'SANDBOX_READY', labels, metadata: { attempt: 0 }, ips: [] };
  const container = () => ({ id: now.containerId, state: 'CONTAINER_RUNNING', labels, metadata: { attempt: 0 } });
  const runtime = {
    listPodSandboxes: vi.fn(async () => [sandbox]),
    listContainers: vi.fn(async () => [container()]),
    podSandboxStatus: vi.fn(async () => sandbox),
    containerStatus: vi.fn(async (id: string) => (id === now.containerId ? container() : undefined)),
  };
  const runtimePods = new RuntimePods(runtime as unknown as ContainerRuntime, new ManualClock());
  await runtimePods.read('u');
  const pod = { metadata: { name: 'p', uid: 'u' }, spec: { containers: [{ name: 'c' }] } };
  const kubelet = { pods: { get: () => pod }, runtimePods } as unknown as Parameters<typeof askRunning>[0];
  for (const call of Object.values(runtime)) call.mockClear();
  const looks = () => Object.values(runtime).reduce((sum, { mock }) => sum + mock.calls.length, 0);
  return { kubelet, runtimePods, now, looks };
}
const at = { namespace: 'default', pod: 'p', container: 'c' };

test('a container that is known to run is asked without a look at it', async () => {
  const { kubelet, looks } = await kubeletWith('one');
  expect(await askRunning(kubelet, at, async ({ id }) => id)).toBe('one');
  expect(looks()).toBe(0);
});

test('one that was replaced is looked for when the runtime does not have it, and so is one of which news has come', async () => {
  const { kubelet, runtimePods, now, looks } = await kubeletWith('one');
  now.containerId = 'two';
  const asked: string[] = [];
  const ask = async ({ id }: { id: string }) => {
    asked.push(id);
    if (id !== now.containerId) throw new RuntimeError('NotFound', 'no such container');
    return id;
  };
  runtimePods.made('u', 'two', 'container');
  expect(await askRunning(kubelet, at, ask)).toBe('two');
  expect(asked).toEqual(['two']);
  now.containerId = 'three';
  runtimePods.absent('nobody');
  await expect(askRunning(kubelet, at, ask)).rejects.toThrow('container not found');
  expect(asked).toEqual(['two', 'two']);
  expect(looks()).toBeGreaterThan(0);
});

test('what else goes wrong is not asked again', async () => {
  const { kubelet, looks } = await kubeletWith('one');
  await expect(askRunning(kubelet, at, () => Promise.reject(new Error('no streams')))).rejects.toThrow('no streams');
  expect(looks()).toBe(0);
});
