import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Pod } from '#api/generated/schema.ts';
import { silentLog } from '#base/log.ts';
import { ManualClock } from '#base/manual-clock.ts';
import { askPodResources } from '../../../../test/node/pod-resources-client.ts';
import { SampleDevicePlugin } from '../../../../test/node/sample-device-plugin.ts';
import { Devices } from './devices.ts';
import { openPodResources } from './pod-resources.ts';

const RESOURCE = 'example.com/zero';
let root: string;
let devices: Devices;
let plugin: SampleDevicePlugin;
let pods: Pod[];
/** Pods that were told of a change. */
let woken: string[];
let clock: ManualClock;
/** The last first. */
let cleanups: (() => unknown)[];

const pod = (name: string, phase = 'Running') => {
  const main = { name: 'main', image: 'i', resources: { limits: { [RESOURCE]: '1' } } };
  const init = { name: 'init', image: 'i' };
  const sidecar = { name: 'sidecar', image: 'i', restartPolicy: 'Always' };
  return {
    metadata: { name, namespace: 'default', uid: name },
    spec: { containers: [main], initContainers: [init, sidecar] },
    status: { phase },
  } as unknown as Pod;
};
const claim = {
  claim_name: 'gpu',
  claim_namespace: 'default',
  claim_resources: [
    {
      cdi_devices: [{ name: 'example.com/gpu=a' }],
      driver_name: 'gpu.example.com',
      pool_name: 'node-1',
      device_name: 'a',
    },
  ],
};

beforeEach(async () => {
  cleanups = [];
  root = mkdtempSync(join(tmpdir(), 'pr-'));
  cleanups.unshift(() => rmSync(root, { recursive: true, force: true }));
  clock = new ManualClock(Date.now()); // plugins are given so long in real time
  devices = await Devices.open({
    root,
    clock,
    log: silentLog,
    onChange: () => undefined,
    onHealth: (uid) => woken.push(uid),
  });
  cleanups.unshift(() => devices.close());
  woken = [];
  plugin = new SampleDevicePlugin(join(root, 'device-plugins'), {
    resourceName: RESOURCE,
    ids: ['a', 'b', 'c'],
    numaNodes: [0, 1],
  });
  cleanups.unshift(() => plugin.stop());
  await plugin.start();
  await vi.waitFor(() => expect(devices.amounts().allocatable[RESOURCE]).toBe('3'), { timeout: 20_000 });
  pods = [];
  const server = await openPodResources({
    root,
    clock,
    log: silentLog,
    pods: { list: () => pods, get: (key) => pods.find(({ metadata }) => key === `default/${metadata.name}`) },
    statusOf: ({ status }) => status,
    devices,
    claims: { claimsFor: (_, { name }) => (name === 'sidecar' ? [claim] : []) },
  });
  cleanups.unshift(() => server?.close());
});
afterEach(async () => {
  for (const cleanup of cleanups) await cleanup();
});

const ask = (...of: [Parameters<typeof askPodResources>[1], object?]) =>
  askPodResources(join(root, 'pod-resources/kubelet.sock'), ...of);
const one = (id: string, node?: number) => ({
  resource_name: RESOURCE,
  device_ids: [id],
  ...(node !== undefined && { topology: { nodes: [{ ID: String(node) }] } }),
});

test('a monitor is told which container of the pods that run has which devices, and of which claims', async () => {
  pods = [pod('first'), pod('ended', 'Succeeded')];
  expect(await devices.admit(pods[0]!)).toBeUndefined();
  const { pod_resources: told } = await ask('List');
  const first = {
    name: 'first',
    namespace: 'default',
    containers: [
      { name: 'sidecar', devices: [], dynamic_resources: [claim] },
      { name: 'main', devices: [one('a', 0)], dynamic_resources: [] },
    ],
  };
  expect(told).toMatchObject([first]);
  expect((told as object[]).length).toBe(1);

  expect((await ask('Get', { pod_name: 'first', pod_namespace: 'default' }))['pod_resources']).toMatchObject(first);
  expect((await ask('Get', { pod_name: 'ended', pod_namespace: 'default' }))['pod_resources']).toMatchObject({
    name: 'ended',
  });
  await expect(ask('Get', { pod_name: 'none', pod_namespace: 'default' })).rejects.toThrow(
    'pod none in namespace default not found',
  );
});

test('what could be given away is all that is well, and where it is', async () => {
  await devices.admit(pod('first'));
  expect((await ask('GetAllocatableResources'))['devices']).toMatchObject([one('a', 0), one('b', 1), one('c')]);
  plugin.tell('b', 'Unhealthy');
  await vi.waitFor(() => expect(devices.amounts().allocatable[RESOURCE]).toBe('2'), { timeout: 20_000 });
  expect((await ask('GetAllocatableResources'))['devices']).toMatchObject([one('a', 0), one('c')]);
});

test('who asks too often is refused for a while', async () => {
  for (let times = 0; times < 10; times++) await ask('List');
  await expect(ask('List')).rejects.toThrow('rejected by rate limit');
  clock.advance(10);
  expect(await ask('List')).toBeDefined();
});

test('only who may enter the kubelet’s folder can ask', () => {
  expect(statSync(join(root, 'pod-resources')).mode & 0o777).toBe(0o750);
});

test('how well its devices are is told of each container, and a change wakes their pod alone', async () => {
  const [first, second] = [pod('first'), pod('second')];
  for (const each of [first, second]) expect(await devices.admit(each)).toBeUndefined();
  const health = () => ['first', 'second'].map((uid) => devices.healthOf(uid, 'main'));
  const as = (id: string, is: string) => [{ name: RESOURCE, resources: [{ resourceID: id, health: is }] }];
  expect(health()).toEqual([as('a', 'Healthy'), as('b', 'Healthy')]);
  expect(devices.healthOf('first', 'sidecar')).toEqual([]);
  plugin.tell('b', 'Unhealthy');
  await vi.waitFor(() => expect(woken).toEqual(['second']), { timeout: 20_000 });
  expect(health()).toEqual([as('a', 'Healthy'), as('b', 'Unhealthy')]);
});
