/** Devices of plugins, in real containers. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { Node } from '#api/core/v1/node.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { type KubeletFixture, NODE, podOf, startKubeletFixture } from '../../node/kubelet-fixture.ts';
import { type PrivateContainerd, startPrivateContainerd } from '../../node/private-containerd.ts';
import { askPodResources } from '../../node/pod-resources-client.ts';
import { SampleDevicePlugin } from '../../node/sample-device-plugin.ts';

const RESOURCE = 'example.com/zero';
let containerd: PrivateContainerd;
let fixture: KubeletFixture;
let plugin: SampleDevicePlugin;
beforeAll(async () => {
  containerd = await startPrivateContainerd('10.213.9.0/24');
  fixture = await startKubeletFixture(containerd);
  const folder = join(containerd.directory, 'kubelet', 'device-plugins');
  plugin = new SampleDevicePlugin(folder, { resourceName: RESOURCE, ids: ['zero-a', 'zero-b'] });
  await plugin.start();
});
afterAll(async () => {
  plugin.stop();
  await fixture.close();
  await containerd.close();
});

const node = (isWanted: (amounts: { capacity?: string; allocatable?: string }) => boolean) =>
  fixture.api.until<Node>(`/api/v1/nodes/${NODE}`, (now) =>
    isWanted({
      ...(now?.status?.capacity?.[RESOURCE] && { capacity: now.status.capacity[RESOURCE] }),
      ...(now?.status?.allocatable?.[RESOURCE] && { allocatable: now.status.allocatable[RESOURCE] }),
    }),
  );
const until = (name: string, isWanted: (pod: Pod | undefined) => boolean) =>
  fixture.api.until<Pod>(`/api/v1/namespaces/default/pods/${name}`, isWanted);
const isReady = (pod: Pod | undefined) =>
  pod?.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') === true;
const wanting = (name: string, count: number) =>
  fixture.client.create(
    Pod,
    podOf(name, {
      terminationGracePeriodSeconds: 1,
      containers: [
        { name: 'main', resources: { limits: { [RESOURCE]: String(count) }, requests: { [RESOURCE]: String(count) } } },
      ],
    }),
  );
const exec = async (pod: Pod | undefined, script: string) => {
  const id = pod?.status?.containerStatuses?.[0]?.containerID?.replace('containerd://', '') ?? '';
  const { stdout } = await containerd.runtime.execSync(id, ['/bin/sh', '-c', script], 10);
  return Buffer.from(stdout).toString('utf8').trim();
};

test('what a plugin announces badly is refused in upstream’s words', async () => {
  await expect(plugin.register({ version: 'v2' })).rejects.toThrow(
    'requested API version "v2" is not supported by kubelet. Supported version is "v1beta1"',
  );
  await expect(plugin.register({ resourceName: 'cpu' })).rejects.toThrow('the ResourceName "cpu" is invalid');
  await expect(plugin.register({ endpoint: '../../etc/passwd' })).rejects.toThrow(
    'the endpoint "../../etc/passwd" is invalid',
  );
});

test('devices are counted, given to a container with all that they need, and given back when the pod ends', async () => {
  await node(({ capacity, allocatable }) => capacity === '2' && allocatable === '2');
  await wanting('first', 1);
  const first = await until('first', isReady);
  const device = await exec(first, 'echo $SAMPLE_DEVICES');
  expect(['zero-a', 'zero-b']).toContain(device);
  expect(await exec(first, `head -c 4 /dev/${device} | md5sum`)).toContain('f1d3ff8443297732862df21dc4e57262');
  expect(await exec(first, 'ls /etc/sample && echo x > /etc/sample || echo read-only')).toContain('read-only');
  expect(plugin.started).toEqual([device]);
  const socket = join(containerd.directory, 'kubelet', 'pod-resources', 'kubelet.sock');
  const told = await askPodResources(socket, 'Get', { pod_namespace: 'default', pod_name: 'first' });
  expect(told['pod_resources']).toMatchObject({
    containers: [{ name: 'main', devices: [{ resource_name: RESOURCE, device_ids: [device] }] }],
  });
  await wanting('second', 1);
  expect(await exec(await until('second', isReady), 'echo $SAMPLE_DEVICES')).not.toBe(device);

  await fixture.client.delete(Pod, { name: 'first', namespace: 'default' }, { gracePeriodSeconds: 1 });
  await until('first', (gone) => gone === undefined);
  await wanting('third', 1);
  expect(await exec(await until('third', isReady), 'echo $SAMPLE_DEVICES')).toBe(device);
});

test('a device that fails is not given away', async () => {
  await fixture.client.delete(Pod, { name: 'third', namespace: 'default' }, { gracePeriodSeconds: 1 });
  await until('third', (gone) => gone === undefined);
  const healthOf = (pod: Pod | undefined) => pod?.status?.containerStatuses?.[0]?.allocatedResourcesStatus;
  const [held] = healthOf(await until('second', isReady)) ?? [];
  expect(held).toMatchObject({ name: RESOURCE, resources: [{ health: 'Healthy' }] });
  for (const id of ['zero-a', 'zero-b']) plugin.tell(id, 'Unhealthy');
  await until('second', (pod) => healthOf(pod)?.[0]?.resources?.[0]?.health === 'Unhealthy');
  await node(({ capacity, allocatable }) => capacity === '2' && allocatable === '0');
  await wanting('unlucky', 1);
  const { status } = (await until('unlucky', (pod) => pod?.status?.phase === 'Failed')) ?? {};
  expect(status?.reason).toMatch(/^(UnexpectedAdmissionError|OutOfexample.com\/zero)$/);
  for (const id of ['zero-a', 'zero-b']) plugin.tell(id, 'Healthy');
  await node(({ allocatable }) => allocatable === '2');
});

test('a kubelet that begins again knows who has what; its plugin announces itself anew', async () => {
  const second = await until('second', isReady);
  const held = await exec(second, 'echo $SAMPLE_DEVICES');
  const before = plugin.kubeletSocket();
  plugin.stop();
  await node(({ allocatable }) => allocatable === '0');
  await fixture.restart();
  expect(plugin.kubeletSocket()).not.toBe(before);
  await plugin.start();
  await node(({ allocatable }) => allocatable === '2');
  expect((await until('second', isReady))?.status?.containerStatuses?.[0]).toMatchObject({ restartCount: 0 });
  await wanting('other', 1);
  expect(await exec(await until('other', isReady), 'echo $SAMPLE_DEVICES')).not.toBe(held);
});

describe('of several that are free', () => {
  const NEAR = 'example.com/near';
  let near: SampleDevicePlugin;
  beforeAll(async () => {
    const folder = join(containerd.directory, 'kubelet', 'device-plugins');
    near = new SampleDevicePlugin(folder, {
      resourceName: NEAR,
      ids: ['a0', 'b1', 'c0', 'd1', 'e1'],
      numaNodes: [0, 1, 0, 1, 1],
    });
    await near.start();
    await fixture.api.until<Node>(`/api/v1/nodes/${NODE}`, (now) => now?.status?.allocatable?.[NEAR] === '5');
  });
  afterAll(() => near.stop());

  const given = async (name: string, count: number) => {
    const limits = { [NEAR]: String(count) };
    const containers = [{ name: 'main', resources: { limits, requests: limits } }];
    await fixture.client.create(Pod, podOf(name, { terminationGracePeriodSeconds: 1, containers }));
    const ids = (await exec(await until(name, isReady), 'echo $SAMPLE_DEVICES')).split(',').sort();
    await fixture.client.delete(Pod, { name, namespace: 'default' }, { gracePeriodSeconds: 1 });
    await until(name, (gone) => gone === undefined);
    return ids;
  };

  test('those near to one memory are given together', async () => {
    expect(await given('together', 3)).toEqual(['b1', 'd1', 'e1']);
  });

  test('the plugin is asked which it would give, and only what is free is taken of its answer', async () => {
    near.prefers = ['c0', 'none', 'd1'];
    expect(await given('chosen', 2)).toEqual(['c0', 'd1']);
    expect(near.asked).toEqual([
      { availableDeviceIDs: ['a0', 'b1', 'c0', 'd1', 'e1'], mustIncludeDeviceIDs: [], allocationSize: 2 },
    ]);
  });

  test('their names of the Container Device Interface reach the runtime', async () => {
    const create = vi.spyOn(containerd.runtime, 'createContainer');
    const ids = await given('named', 1);
    expect(create.mock.calls.at(-1)?.[1].cdiDevices).toEqual(ids.map((id) => `example.com/sample=${id}`));
    create.mockRestore();
  });
});
