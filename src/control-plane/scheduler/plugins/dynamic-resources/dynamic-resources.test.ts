import { expect, test } from 'vitest';
import { Event } from '#api/core/v1/event.ts';
import { Node } from '#api/core/v1/node.ts';
import { PersistentVolumeClaim } from '#api/core/v1/persistent-volume-claim.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { conditionOf } from '#api/core/v1/pod-conditions.ts';
import { DeviceClass } from '#api/resource/v1/device-class.ts';
import { ResourceClaim } from '#api/resource/v1/resource-claim.ts';
import { ResourceSlice } from '#api/resource/v1/resource-slice.ts';
import { StorageClass } from '#api/storage/v1/storage-class.ts';
import type { Sent, TestCluster } from '#testing/cluster.ts';
import { pod, startCluster } from '#testing/cluster.ts';
import { addNodeWith, publish } from '#testing/device-fixture.ts';
import { storageClass, claim as volumeClaim } from '#testing/volumes-fixture.ts';
import { definePlugin, fits } from '../../define-plugin.ts';
import { defaultProfile, type Profile } from '../../profile.ts';

async function clusterWith(
  devices: Record<string, string[]>,
  scheduler: true | Profile[] = true,
): Promise<TestCluster> {
  const cluster = await startCluster({ scheduler });
  await cluster.create(DeviceClass, { metadata: { name: 'gpu' }, spec: {} });
  for (const [name, own] of Object.entries(devices)) await addNodeWith(cluster, name, own);
  return cluster;
}

const addClaim = (cluster: TestCluster, name: string, deviceClassName = 'gpu') =>
  cluster.create(ResourceClaim, {
    metadata: { namespace: 'default', name },
    spec: { devices: { requests: [{ name: 'r', exactly: { deviceClassName } }] } },
  } as Sent<ResourceClaim>);

const using = (name: string, resourceClaimName: string) =>
  pod(name, {
    resourceClaims: [{ name: 'gpu', resourceClaimName }],
    containers: [{ name: 'main', image: 'i', resources: { claims: [{ name: 'gpu' }] } }],
  });

const placeOf = (cluster: TestCluster, name: string) => cluster.get(Pod, `default/${name}`)?.spec.nodeName;
const whyNot = (cluster: TestCluster, name: string) =>
  conditionOf(cluster.get(Pod, `default/${name}`)!, 'PodScheduled')?.message;
const claim = (cluster: TestCluster, name: string) => cluster.get(ResourceClaim, `default/${name}`)!;

test('a pod gets a device of the node that it gets, which is written into its claim', async () => {
  await using cluster = await clusterWith({ node1: [], node2: ['a'] });
  await addClaim(cluster, 'one');
  const { metadata } = await cluster.create(Pod, using('web', 'one'));
  await cluster.settles();
  expect(placeOf(cluster, 'web')).toBe('node2');
  const { status, metadata: of } = claim(cluster, 'one');
  expect(of.finalizers).toEqual(['resource.kubernetes.io/delete-protection']);
  expect(status?.reservedFor).toEqual([{ resource: 'pods', name: 'web', uid: metadata.uid }]);
  expect(status?.allocation).toMatchObject({
    devices: { results: [{ request: 'r', driver: 'gpu.example.org', pool: 'node2', device: 'a' }] },
    nodeSelector: {
      nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['node2'] }] }],
    },
  });
});

test('pods that come at once get different devices; one too many waits, and says why, until there is another', async () => {
  await using cluster = await clusterWith({ node1: ['a', 'b'] });
  const names = ['one', 'two', 'three'];
  for (const name of names) await addClaim(cluster, name);
  for (const name of names) void cluster.create(Pod, using(name, name));
  await cluster.settles();
  const [last = '', ...others] = names.filter((name) => !placeOf(cluster, name));
  expect(others).toEqual([]);
  const served = names.filter((name) => name !== last);
  const given = served.map((name) => claim(cluster, name).status?.allocation?.devices?.results?.[0]?.device);
  expect(given.sort()).toEqual(['a', 'b']);
  expect(whyNot(cluster, last)).toBe(
    '0/1 nodes are available: 1 cannot allocate all claims. still not schedulable, preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.',
  );
  await publish(cluster, 'node1', ['a', 'b', 'c'], 2);
  await cluster.passes(1_000);
  expect(placeOf(cluster, last)).toBe('node1');
});

test('devices of a pod that is gone before it was placed are soon another’s', async () => {
  const holdsBack = definePlugin({
    name: 'HoldsBack',
    permit: ({ metadata }) => (metadata.name === 'one' ? new Promise(() => undefined) : fits),
  });
  const usual = defaultProfile();
  await using cluster = await clusterWith({ node1: ['a'] }, [{ ...usual, plugins: [...usual.plugins, holdsBack] }]);
  for (const name of ['one', 'two']) {
    await addClaim(cluster, name);
    await cluster.create(Pod, using(name, name));
    await cluster.settles();
  }
  expect(whyNot(cluster, 'two')).toContain('cannot allocate all claims');
  await cluster.delete(Pod, 'default/one', { gracePeriodSeconds: 0 });
  await cluster.passes('20s');
  expect(placeOf(cluster, 'two')).toBe('node1');
});

test('a device is not given away again before the scheduler has heard that it is taken', async () => {
  await using cluster = await clusterWith({ node1: ['a'] });
  for (const name of ['one', 'two']) await addClaim(cluster, name);
  await cluster.settles();
  expect(cluster.faults.dropWatch({ resource: 'resourceclaims.resource.k8s.io' })).toBeGreaterThan(0);
  for (const name of ['one', 'two']) {
    await cluster.create(Pod, using(name, name));
    await cluster.settles();
  }
  await cluster.passes('60s');
  expect(placeOf(cluster, 'one')).toBe('node1');
  expect(claim(cluster, 'two').status?.allocation).toBeUndefined();
  expect(placeOf(cluster, 'two')).toBeUndefined();
});

test('nor where the pod was not bound after all: its claim has kept it', async () => {
  await using cluster = await clusterWith({ node1: ['a'] });
  for (const name of ['one', 'two']) await addClaim(cluster, name);
  await cluster.settles();
  cluster.faults.fail({ verb: 'create', resource: 'pods/binding', name: 'one' });
  expect(cluster.faults.dropWatch({ resource: 'resourceclaims.resource.k8s.io' })).toBeGreaterThan(0);
  for (const name of ['one', 'two']) {
    await cluster.create(Pod, using(name, name));
    await cluster.settles();
  }
  await cluster.passes('60s');
  expect(claim(cluster, 'one').status?.allocation).toBeDefined();
  expect(claim(cluster, 'two').status?.allocation).toBeUndefined();
});

test('a claim that has its devices no more when the scheduler hears of it again keeps them from nobody', async () => {
  await using cluster = await clusterWith({ node1: ['a'] });
  for (const name of ['one', 'two']) await addClaim(cluster, name);
  await cluster.settles();
  const deaf = cluster.faults.fail({ verb: 'watch', resource: 'resourceclaims.resource.k8s.io' });
  expect(cluster.faults.dropWatch({ resource: 'resourceclaims.resource.k8s.io' }, 'expired')).toBeGreaterThan(0);
  for (const name of ['one', 'two']) {
    await cluster.create(Pod, using(name, name));
    await cluster.settles();
  }
  expect([placeOf(cluster, 'one'), placeOf(cluster, 'two')]).toEqual(['node1', undefined]);
  await cluster.delete(Pod, 'default/one', { gracePeriodSeconds: 0 });
  await cluster.client.updateStatus(ResourceClaim, { ...claim(cluster, 'one'), status: {} });
  await cluster.passes('10s');
  deaf.end();
  await cluster.passes('60s');
  expect(placeOf(cluster, 'two')).toBe('node1');
});

test('a second pod of a claim goes where its devices are', async () => {
  await using cluster = await clusterWith({ node1: [], node2: ['a'], node3: [] });
  await addClaim(cluster, 'one');
  await cluster.create(Pod, using('web', 'one'));
  await cluster.settles();
  await cluster.create(Pod, using('next', 'one'));
  await cluster.settles();
  expect(placeOf(cluster, 'next')).toBe('node2');
  expect(claim(cluster, 'one').status?.reservedFor?.map(({ name }) => name)).toEqual(['web', 'next']);
});

test('a claim that nobody uses and whose devices are out of reach loses them, and gets others', async () => {
  await using cluster = await clusterWith({ node1: ['a'], node2: ['b'] });
  await addClaim(cluster, 'one');
  await cluster.create(Pod, using('web', 'one'));
  await cluster.settles();
  const first = placeOf(cluster, 'web') as string;
  await cluster.delete(Pod, 'default/web', { gracePeriodSeconds: 0 });
  await cluster.patch(
    ResourceClaim,
    { namespace: 'default', name: 'one', subresource: 'status' },
    { status: { reservedFor: null } },
  );
  await cluster.patch(Node, first, { spec: { unschedulable: true } });
  await cluster.create(Pod, using('next', 'one'));
  await cluster.settles();
  const refusals = cluster.list(Event).filter(({ reason }) => reason === 'FailedScheduling');
  expect(refusals.map(({ message }) => message)).toEqual([
    expect.stringMatching(
      /1 resourceclaim not available on the node.*deallocation of ResourceClaim completed, preemption:/,
    ),
  ]);
  expect(placeOf(cluster, 'next')).toBe(first === 'node1' ? 'node2' : 'node1');
});

const REFUSED: [string, (cluster: TestCluster) => Promise<unknown>, string][] = [
  ['whose claim is not there', (cluster) => cluster.settles(), 'resourceclaim "one" not found'],
  [
    'whose claim asks for a class that is not there',
    (cluster) => addClaim(cluster, 'one', 'gone'),
    'request r: device class gone does not exist',
  ],
  [
    'whose claim is going',
    async (cluster) => {
      await addClaim(cluster, 'one');
      await cluster.patch(ResourceClaim, 'default/one', { metadata: { finalizers: ['example.org/keep'] } });
      await cluster.delete(ResourceClaim, 'default/one');
    },
    'resourceclaim "one" is being deleted',
  ],
];

test.each(REFUSED)('a pod waits %s', async (_, prepare, reason) => {
  await using cluster = await clusterWith({ node1: ['a'] });
  await prepare(cluster);
  await cluster.create(Pod, using('web', 'one'));
  await cluster.settles();
  expect(whyNot(cluster, 'web')).toBe(
    `0/1 nodes are available: ${reason}. no new claims to deallocate, preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.`,
  );
});

test('a pod waits until its claim has been made from the template', async () => {
  await using cluster = await clusterWith({ node1: ['a'] });
  const resourceClaims = [{ name: 'gpu', resourceClaimTemplateName: 'gpus' }];
  const { metadata } = await cluster.create(Pod, pod('web', { resourceClaims }));
  await cluster.settles();
  expect(whyNot(cluster, 'web')).toBeUndefined(); // not even tried
  expect(cluster.list(Event)).toEqual([]);
  await addClaim(cluster, 'made');
  const owner = { apiVersion: 'v1', kind: 'Pod', name: 'web', uid: metadata.uid, controller: true };
  await cluster.patch(ResourceClaim, 'default/made', { metadata: { ownerReferences: [owner] } });
  const resourceClaimStatuses = [{ name: 'gpu', resourceClaimName: 'made' }];
  const status = { namespace: 'default', name: 'web', subresource: 'status' };
  await cluster.patch(Pod, status, { status: { resourceClaimStatuses } });
  await cluster.settles();
  expect(placeOf(cluster, 'web')).toBe('node1');
});

test('a selector that fails is said once for all nodes, and tried again', async () => {
  await using cluster = await clusterWith({ node1: ['a'] });
  const expression = 'device.attributes["gpu.example.org"].size > 1';
  await cluster.create(ResourceClaim, {
    metadata: { namespace: 'default', name: 'one' },
    spec: {
      devices: { requests: [{ name: 'r', exactly: { deviceClassName: 'gpu', selectors: [{ cel: { expression } }] } }] },
    },
  } as Sent<ResourceClaim>);
  await cluster.create(Pod, using('web', 'one'));
  await cluster.settles();
  expect(whyNot(cluster, 'web')).toBe(
    'running "DynamicResources" filter plugin: claim default/one: selector #0 on device gpu.example.org/node1/a: CEL runtime error: no such key: size. consider using CEL optional chaining (.? followed by orValue()) or guarding the check with has() for optional fields',
  );
});

test('a device that must be made ready first is waited for; one that cannot be is given back', async () => {
  await using cluster = await clusterWith({ node1: [] });
  await cluster.create(ResourceSlice, {
    metadata: { name: 'fabric' },
    spec: {
      driver: 'fabric.example.org',
      allNodes: true,
      pool: { name: 'fabric', generation: 1, resourceSliceCount: 1 },
      devices: ['a', 'b'].map((name) => ({
        name,
        bindsToNode: true,
        bindingConditions: ['example.org/attached'],
        bindingFailureConditions: ['example.org/broken'],
      })),
    },
  });
  const waits = () => cluster.list(Event).filter(({ reason }) => reason === 'BindingConditionsPending');
  const tell = (name: string, device: string, type: string) => {
    const now = '2026-01-01T00:00:00Z';
    const condition = { type, status: 'True', reason: 'Said', message: 'so it is', lastTransitionTime: now };
    const devices = [{ driver: 'fabric.example.org', pool: 'fabric', device, conditions: [condition] }];
    return cluster.patch(ResourceClaim, { namespace: 'default', name, subresource: 'status' }, { status: { devices } });
  };
  for (const name of ['good', 'bad']) {
    await addClaim(cluster, name);
    await cluster.create(Pod, using(name, name));
    await cluster.settles();
    expect(placeOf(cluster, name)).toBeUndefined();
    expect(claim(cluster, name).status?.reservedFor?.map((pod) => pod.name)).toEqual([name]);
  }
  expect(waits().map(({ type, action, message }) => [type, action, message])).toEqual(
    Array(2).fill(['Normal', 'Scheduling', 'waiting for binding conditions for device on node node1']),
  );
  await tell('good', 'a', 'example.org/attached');
  await tell('bad', 'b', 'example.org/broken');
  await cluster.settles();
  expect(placeOf(cluster, 'good')).toBe('node1');
  expect(placeOf(cluster, 'bad')).toBeUndefined();
  expect(whyNot(cluster, 'bad')).toBe(
    'running PreBind plugin "DynamicResources": device binding failed: claim=bad, reason=Said, message="so it is"',
  );
  await cluster.passes(2_000);
  expect(claim(cluster, 'bad').status?.devices).toBeUndefined(); // given back, and tried anew

  const { allocationTimestamp } = claim(cluster, 'bad').status!.allocation!;
  await cluster.passes(599_000);
  expect(whyNot(cluster, 'bad')).toBe(
    'running PreBind plugin "DynamicResources": device binding timeout: context deadline exceeded',
  );
  await cluster.passes(5_000);
  expect(claim(cluster, 'bad').status?.allocation?.allocationTimestamp).not.toBe(allocationTimestamp);
});

test('a pod gets its devices while its volumes are made, and does not keep them where these come to nothing', async () => {
  await using cluster = await clusterWith({ node1: ['a'] });
  await addClaim(cluster, 'one');
  const provisioner = 'example.org/disks';
  await cluster.create(StorageClass, storageClass('slow', { volumeBindingMode: 'WaitForFirstConsumer', provisioner }));
  await cluster.create(PersistentVolumeClaim, volumeClaim('data', { storageClassName: 'slow' }));
  const { spec } = using('web', 'one');
  const volumes = [{ name: 'data', persistentVolumeClaim: { claimName: 'data' } }];
  await cluster.create(Pod, pod('web', { ...spec, volumes }));
  await cluster.settles();
  const reservedFor = () => claim(cluster, 'one').status?.reservedFor?.map(({ name }) => name);
  expect(placeOf(cluster, 'web')).toBeUndefined();
  expect(reservedFor()).toEqual(['web']);
  await cluster.patch(PersistentVolumeClaim, 'default/data', {
    metadata: { annotations: { 'volume.kubernetes.io/selected-node': null, 'example.org/kept': 'yes' } },
  });
  await cluster.settles();
  expect(whyNot(cluster, 'web')).toContain('provisioning failed for PVC "data"');
  expect(reservedFor()).toBeUndefined();
  expect(claim(cluster, 'one').status?.allocation).toBeDefined();
});

test('of the nodes with devices the one is taken where a better alternative is met', async () => {
  await using cluster = await clusterWith({ node1: ['a'], node2: ['b'], node3: ['c'] });
  const asked = (name: string, device: string) => ({
    name,
    deviceClassName: 'gpu',
    selectors: [{ cel: { expression: `device.attributes["gpu.example.org"].model == "${device}"` } }],
  });
  for (const [index, model] of ['old', 'best', 'good'].entries()) {
    const device = { name: 'abc'[index], attributes: { model: { string: model } } };
    await cluster.patch(ResourceSlice, `node${index + 1}-1`, { spec: { devices: [device] } });
  }
  const firstAvailable = [asked('one', 'best'), asked('two', 'good'), asked('three', 'old')];
  for (const name of ['x', 'y', 'z']) {
    await cluster.create(ResourceClaim, {
      metadata: { namespace: 'default', name },
      spec: { devices: { requests: [{ name: 'r', firstAvailable }] } },
    } as Sent<ResourceClaim>);
    await cluster.create(Pod, using(name, name));
    await cluster.settles();
  }
  expect(['x', 'y', 'z'].map((name) => placeOf(cluster, name))).toEqual(['node2', 'node3', 'node1']);
});
