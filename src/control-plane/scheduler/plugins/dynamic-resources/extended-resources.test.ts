import { expect, test } from 'vitest';
import { Node } from '#api/core/v1/node.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { conditionOf } from '#api/core/v1/pod-conditions.ts';
import type { Container } from '#api/generated/schema.ts';
import { DeviceClass } from '#api/resource/v1/device-class.ts';
import { ResourceClaim } from '#api/resource/v1/resource-claim.ts';
import type { TestCluster } from '#testing/cluster.ts';
import { node, pod, startCluster } from '#testing/cluster.ts';
import { addNodeWith } from '#testing/device-fixture.ts';
import { classesMeeting, requestsFor } from './extended-resources.ts';

const GPU = 'example.com/gpu';
const IMPLICIT = 'deviceclass.resource.kubernetes.io/gpu';

const asking = (amount: number, resource = GPU): NonNullable<Container['resources']> => ({
  requests: { [resource]: String(amount) },
  limits: { [resource]: String(amount) },
});
const podAsking = (name: string, amount = 1, resource = GPU) =>
  pod(name, { containers: [{ name: 'main', image: 'i', resources: asking(amount, resource) }] });

async function clusterWith(devices: Record<string, string[]>, rbac = false): Promise<TestCluster> {
  const cluster = await startCluster({ scheduler: true, rbac });
  await cluster.create(DeviceClass, { metadata: { name: 'gpu' }, spec: { extendedResourceName: GPU } });
  for (const [name, own] of Object.entries(devices)) await addNodeWith(cluster, name, own);
  return cluster;
}

const placeOf = (cluster: TestCluster, name: string) => cluster.get(Pod, `default/${name}`)?.spec.nodeName;
const whyNot = (cluster: TestCluster, name: string) =>
  conditionOf(cluster.get(Pod, `default/${name}`)!, 'PodScheduled')?.message;

test.each([
  ['that a class says it stands for', GPU],
  ['of the name that every class has', IMPLICIT],
])('a resource %s is met by devices, under a claim that the scheduler makes', async (_, resource) => {
  await using cluster = await clusterWith({ node1: [], node2: ['a', 'b'] }, true);
  const { metadata } = await cluster.create(Pod, podAsking('web', 2, resource));
  await cluster.settles();
  expect(placeOf(cluster, 'web')).toBe('node2');
  const [claim] = cluster.list(ResourceClaim);
  expect(claim?.metadata).toMatchObject({
    generateName: 'web-extended-resources-',
    annotations: { 'resource.kubernetes.io/extended-resource-claim': 'true' },
    finalizers: ['resource.kubernetes.io/delete-protection'],
    ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name: 'web', uid: metadata.uid, controller: true }],
  });
  expect(claim?.spec.devices?.requests).toEqual([
    { name: 'container-0-request-0', exactly: { deviceClassName: 'gpu', allocationMode: 'ExactCount', count: 2 } },
  ]);
  expect(claim?.status?.reservedFor).toEqual([{ resource: 'pods', name: 'web', uid: metadata.uid }]);
  expect(claim?.status?.allocation?.devices?.results?.map(({ device }) => device)).toEqual(['a', 'b']);
  expect(cluster.get(Pod, 'default/web')?.status?.extendedResourceClaimStatus).toEqual({
    resourceClaimName: claim?.metadata.name,
    requestMappings: [{ containerName: 'main', resourceName: resource, requestName: 'container-0-request-0' }],
  });
});

test('a node whose device plugin counts the resource needs no claim', async () => {
  await using cluster = await clusterWith({ node1: [] });
  const counted = { ...node('node1').status?.allocatable, [GPU]: '1' };
  await cluster.patch(Node, { name: 'node1', subresource: 'status' }, { status: { allocatable: counted } });
  await cluster.create(Pod, podAsking('web'));
  await cluster.settles();
  expect(placeOf(cluster, 'web')).toBe('node1');
  expect(cluster.list(ResourceClaim)).toEqual([]);
  await cluster.create(Pod, podAsking('next'));
  await cluster.settles();
  expect(whyNot(cluster, 'next')).toContain('0/1 nodes are available: 1 Insufficient example.com/gpu.');
});

test('pods that come at once get different devices; one too many waits until a claim is free', async () => {
  await using cluster = await clusterWith({ node1: ['a', 'b'] });
  const names = ['one', 'two', 'three'];
  for (const name of names) void cluster.create(Pod, podAsking(name));
  await cluster.settles();
  const [last = '', ...others] = names.filter((name) => !placeOf(cluster, name));
  expect(others).toEqual([]);
  const given = cluster.list(ResourceClaim).map(({ status }) => status?.allocation?.devices?.results?.[0]?.device);
  expect(given.sort()).toEqual(['a', 'b']);
  expect(whyNot(cluster, last)).toBe(
    '0/1 nodes are available: 1 cannot allocate all claims. still not schedulable, preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.',
  );
  const [free] = cluster.list(ResourceClaim);
  await cluster.patch(ResourceClaim, `default/${free?.metadata.name}`, { metadata: { finalizers: null } });
  await cluster.delete(ResourceClaim, `default/${free?.metadata.name}`);
  await cluster.passes(2_000);
  expect(placeOf(cluster, last)).toBe('node1');
});

test('without a class a pod waits with the words of a resource that is missing, and is tried when the class comes', async () => {
  await using cluster = await clusterWith({ node1: ['a'] });
  await cluster.patch(DeviceClass, 'gpu', { spec: { extendedResourceName: null } });
  await cluster.create(Pod, podAsking('web'));
  await cluster.settles();
  expect(whyNot(cluster, 'web')).toContain('0/1 nodes are available: 1 Insufficient example.com/gpu.');
  await cluster.patch(DeviceClass, 'gpu', { spec: { extendedResourceName: GPU } });
  await cluster.passes(2_000);
  expect(placeOf(cluster, 'web')).toBe('node1');
});

test('when the pod is not placed after all its claim goes, and the next try makes another', async () => {
  await using cluster = await clusterWith({ node1: ['a'] });
  cluster.faults.fail({ verb: 'create', resource: 'pods/binding', times: 1 });
  await cluster.create(Pod, podAsking('web'));
  await cluster.settles();
  expect(placeOf(cluster, 'web')).toBeUndefined();
  expect(cluster.list(ResourceClaim)).toEqual([]);
  await cluster.passes(10_000);
  expect(placeOf(cluster, 'web')).toBe('node1');
  expect(cluster.list(ResourceClaim)).toHaveLength(1);
});

test('a claim that an earlier scheduler has left is deleted before there is another', async () => {
  await using cluster = await clusterWith({ node1: ['a'] });
  const { metadata } = await cluster.create(Pod, {
    ...podAsking('web'),
    spec: { ...podAsking('web').spec!, schedulingGates: [{ name: 'wait' }] },
  } as never);
  await cluster.create(ResourceClaim, {
    metadata: {
      name: 'left',
      namespace: 'default',
      annotations: { 'resource.kubernetes.io/extended-resource-claim': 'true' },
      ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name: 'web', uid: metadata.uid, controller: true }],
    },
    spec: { devices: { requests: [{ name: 'r', exactly: { deviceClassName: 'gpu' } }] } },
  } as never);
  await cluster.patch(Pod, 'default/web', { spec: { schedulingGates: [] } });
  await cluster.settles();
  expect(whyNot(cluster, 'web')).toContain(
    '1 cannot schedule extended resource claim. deletion of ResourceClaim completed',
  );
  await cluster.passes(400_000);
  expect(placeOf(cluster, 'web')).toBe('node1');
  expect(cluster.list(ResourceClaim).map(({ metadata }) => metadata.name)).not.toContain('left');
});

const gpu = { metadata: { name: 'gpu' }, spec: {} } as DeviceClass;
const container = (name: string, amount: number, more: object = {}) => ({ name, resources: asking(amount), ...more });
const MAPPED: [string, { initContainers?: object[]; containers: object[] }, Record<string, number>, string[]][] = [
  [
    'each container has its own',
    { containers: [container('a', 1), container('b', 2)] },
    { 'container-0-request-0': 1, 'container-1-request-0': 2 },
    ['a container-0-request-0', 'b container-1-request-0'],
  ],
  [
    'an init container uses those of later ones',
    { initContainers: [container('init', 2)], containers: [container('a', 1), container('b', 2)] },
    { 'container-1-request-0': 1, 'container-2-request-0': 2 },
    ['a container-1-request-0', 'b container-2-request-0', 'init container-1-request-0', 'init container-2-request-0'],
  ],
  [
    'what init containers need beyond that is asked for once',
    { initContainers: [container('x', 2), container('y', 4)], containers: [container('a', 1)] },
    { 'container-1-request-0': 3, 'container-2-request-0': 1 },
    [
      'a container-2-request-0',
      'x container-2-request-0',
      'x container-1-request-0',
      'y container-2-request-0',
      'y container-1-request-0',
    ],
  ],
  [
    'a sidecar runs beside the others',
    { initContainers: [container('side', 1, { restartPolicy: 'Always' })], containers: [container('a', 1)] },
    { 'container-0-request-0': 1, 'container-1-request-0': 1 },
    ['side container-0-request-0', 'a container-1-request-0'],
  ],
];

test.each(MAPPED)('of the containers of a pod %s', (_, spec, counts, mapped) => {
  const { requests, mappings } = requestsFor({ metadata: {}, spec } as Pod, new Map([[GPU, gpu]]));
  expect(Object.fromEntries(requests.map(({ name, exactly }) => [name, exactly?.count]))).toEqual(counts);
  expect(mappings.map(({ containerName, requestName }) => `${containerName} ${requestName}`)).toEqual(mapped);
});

test('of several classes for a resource the newest meets it, and of those the first by name', () => {
  const of = (name: string, creationTimestamp: string) =>
    ({ metadata: { name, creationTimestamp }, spec: { extendedResourceName: GPU } }) as DeviceClass;
  const classes = [of('a', '2026-01-01T00:00:00Z'), of('c', '2026-01-02T00:00:00Z'), of('b', '2026-01-02T00:00:00Z')];
  const web = { metadata: {}, spec: { containers: [container('main', 1)] } } as Pod;
  expect(classesMeeting(web, () => classes).get(GPU)?.metadata.name).toBe('b');
});
