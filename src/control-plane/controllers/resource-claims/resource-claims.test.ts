import { expect, test } from 'vitest';
import { Event } from '#api/core/v1/event.ts';
import { Node } from '#api/core/v1/node.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { DeviceClass } from '#api/resource/v1/device-class.ts';
import { ResourceClaim } from '#api/resource/v1/resource-claim.ts';
import { ResourceClaimTemplate } from '#api/resource/v1/resource-claim-template.ts';
import { ResourceSlice } from '#api/resource/v1/resource-slice.ts';
import type { Sent, TestCluster } from '#testing/cluster.ts';
import { node, pod, startCluster } from '#testing/cluster.ts';
import { podResourceClaims } from './pod-resource-claims.ts';
import { resourceClaims } from './resource-claim.ts';

async function clusterWith(devices: string[]): Promise<TestCluster> {
  const cluster = await startCluster({
    scheduler: true,
    rbac: true,
    controllers: [podResourceClaims, resourceClaims],
  });
  await cluster.create(DeviceClass, { metadata: { name: 'gpu' }, spec: {} });
  await cluster.create(Node, node('node1'));
  await cluster.patch(Node, 'node1', { spec: { taints: null } });
  await cluster.create(ResourceSlice, {
    metadata: { name: 'node1' },
    spec: {
      driver: 'gpu.example.org',
      nodeName: 'node1',
      pool: { name: 'node1', generation: 1, resourceSliceCount: 1 },
      devices: devices.map((name) => ({ name })),
    },
  });
  return cluster;
}

const spec = { devices: { requests: [{ name: 'r', exactly: { deviceClassName: 'gpu' } }] } };
const addTemplate = (cluster: TestCluster) =>
  cluster.create(ResourceClaimTemplate, {
    metadata: { namespace: 'default', name: 'gpus' },
    spec: { metadata: { labels: { team: 'ml' } }, spec },
  } as Sent<ResourceClaimTemplate>);
const addClaim = (cluster: TestCluster, name: string) =>
  cluster.create(ResourceClaim, { metadata: { namespace: 'default', name }, spec } as Sent<ResourceClaim>);
const fromTemplate = (name: string) =>
  pod(name, { resourceClaims: [{ name: 'gpu', resourceClaimTemplateName: 'gpus' }] });
const using = (name: string, claim: string) =>
  pod(name, { resourceClaims: [{ name: 'gpu', resourceClaimName: claim }] });
const setPhase = (cluster: TestCluster, name: string, phase: string) =>
  cluster.patch(Pod, { namespace: 'default', name, subresource: 'status' }, { status: { phase } });
const placeOf = (cluster: TestCluster, name: string) => cluster.get(Pod, `default/${name}`)?.spec.nodeName;
const claim = (cluster: TestCluster, name: string) => cluster.get(ResourceClaim, `default/${name}`);

test('a pod with a template gets a claim of its own, which is in its status, and is scheduled with it', async () => {
  await using cluster = await clusterWith(['a', 'b']);
  await addTemplate(cluster);
  for (const name of ['one', 'two']) await cluster.create(Pod, fromTemplate(name));
  await cluster.passes(1_000);
  expect(['one', 'two'].map((name) => placeOf(cluster, name))).toEqual(['node1', 'node1']);
  const made = cluster.list(ResourceClaim);
  expect(made.map(({ metadata }) => metadata.name.replace(/.{5}$/, ''))).toEqual(['one-gpu-', 'two-gpu-']);
  expect(made[0]?.metadata.labels).toEqual({ team: 'ml' });
  expect(made[0]?.metadata.annotations).toEqual({ 'resource.kubernetes.io/pod-claim-name': 'gpu' });
  const { uid } = cluster.get(Pod, 'default/one')!.metadata;
  const owner = { apiVersion: 'v1', kind: 'Pod', name: 'one', uid, controller: true };
  expect(made[0]?.metadata.ownerReferences).toEqual([owner]);
  expect(cluster.get(Pod, 'default/one')?.status?.resourceClaimStatuses).toEqual([
    { name: 'gpu', resourceClaimName: made[0]?.metadata.name },
  ]);
});

test('where there is no template an event says so, and the claim is made when there is', async () => {
  await using cluster = await clusterWith(['a']);
  await cluster.create(Pod, fromTemplate('one'));
  await cluster.settles();
  const said = cluster.list(Event).find(({ reason }) => reason === 'FailedResourceClaimCreation');
  expect(said?.message).toBe(
    'PodResourceClaim gpu: resource claim template "gpus": resourceclaimtemplate.resource.k8s.io "gpus" not found',
  );
  await addTemplate(cluster);
  await cluster.passes(10_000);
  expect(placeOf(cluster, 'one')).toBe('node1');
});

test('when the last pod of a claim is done its devices are free for others', async () => {
  await using cluster = await clusterWith(['a']);
  for (const name of ['one', 'two']) await addClaim(cluster, name);
  await cluster.create(Pod, using('first', 'one'));
  await cluster.settles();
  await cluster.create(Pod, using('second', 'two'));
  await cluster.settles();
  expect(placeOf(cluster, 'second')).toBeUndefined();
  await setPhase(cluster, 'first', 'Succeeded');
  await cluster.passes(2_000);
  expect(claim(cluster, 'one')?.status?.allocation).toBeUndefined();
  expect(claim(cluster, 'one')?.metadata.finalizers).toBeUndefined();
  expect(placeOf(cluster, 'second')).toBe('node1');
});

test('one of two pods that is gone no longer keeps the claim; the other does', async () => {
  await using cluster = await clusterWith(['a']);
  await addClaim(cluster, 'one');
  await cluster.create(Pod, using('first', 'one'));
  await cluster.settles();
  await cluster.create(Pod, using('second', 'one'));
  await cluster.settles();
  await cluster.delete(Pod, 'default/first', { gracePeriodSeconds: 0 });
  await cluster.settles();
  expect(claim(cluster, 'one')?.status?.reservedFor?.map(({ name }) => name)).toEqual(['second']);
  expect(claim(cluster, 'one')?.status?.allocation).toBeDefined();
});

test('a claim that was made for a pod goes when the pod is done', async () => {
  await using cluster = await clusterWith(['a']);
  await addTemplate(cluster);
  await cluster.create(Pod, fromTemplate('one'));
  await cluster.passes(1_000);
  await setPhase(cluster, 'one', 'Failed');
  await cluster.settles();
  expect(cluster.list(ResourceClaim)).toEqual([]);
});

test('so does one of which the pod is told only when it is done', async () => {
  await using cluster = await clusterWith(['a']);
  await addTemplate(cluster);
  cluster.faults.delay({ verb: 'patch', resource: 'pods/status', times: 1 }, '10s');
  await cluster.create(Pod, fromTemplate('one'));
  await cluster.settles();
  expect(cluster.list(ResourceClaim)).toHaveLength(1);
  await cluster.updateStatus(Pod, { ...cluster.get(Pod, 'default/one')!, status: { phase: 'Failed' } });
  await cluster.passes('20s');
  expect(cluster.get(Pod, 'default/one')?.status?.resourceClaimStatuses).toHaveLength(1);
  expect(cluster.list(ResourceClaim)).toEqual([]);
});

test('a claim that is told to go stays as long as a pod uses it', async () => {
  await using cluster = await clusterWith(['a']);
  await addClaim(cluster, 'one');
  await cluster.create(Pod, using('first', 'one'));
  await cluster.settles();
  await cluster.delete(ResourceClaim, 'default/one');
  await cluster.settles();
  expect(claim(cluster, 'one')?.status?.allocation).toBeDefined();
  await cluster.delete(Pod, 'default/first', { gracePeriodSeconds: 0 });
  await cluster.settles();
  expect(claim(cluster, 'one')).toBeUndefined();
});

test('the claim that the scheduler makes for an extended resource goes when the pod is done', async () => {
  await using cluster = await clusterWith(['a']);
  await cluster.patch(DeviceClass, 'gpu', { spec: { extendedResourceName: 'example.com/gpu' } });
  const resources = { requests: { 'example.com/gpu': '1' }, limits: { 'example.com/gpu': '1' } };
  for (const name of ['first', 'second'])
    await cluster.create(Pod, pod(name, { containers: [{ name: 'main', image: 'i', resources }] }));
  await cluster.settles();
  expect(['first', 'second'].map((name) => placeOf(cluster, name))).toEqual(['node1', undefined]);
  await setPhase(cluster, 'first', 'Succeeded');
  await cluster.passes(2_000);
  expect(placeOf(cluster, 'second')).toBe('node1');
  expect(cluster.list(ResourceClaim).map(({ metadata }) => metadata.generateName)).toEqual([
    'second-extended-resources-',
  ]);
});
