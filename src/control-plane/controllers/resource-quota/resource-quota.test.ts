import { expect, test } from 'vitest';
import { ConfigMap } from '#api/core/v1/config-map.ts';
import { PersistentVolumeClaim } from '#api/core/v1/persistent-volume-claim.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { ResourceQuota } from '#api/core/v1/resource-quota.ts';
import { Service } from '#api/core/v1/service.ts';
import { defineKind } from '#api/machinery/define-kind.ts';
import { DeviceClass } from '#api/resource/v1/device-class.ts';
import { ResourceClaim } from '#api/resource/v1/resource-claim.ts';
import { PriorityClass } from '#api/scheduling/v1/priority-class.ts';
import { pod, startCluster, type TestCluster } from '#testing/cluster.ts';
import { resourceQuotaController } from './resource-quota.ts';

const start = () => startCluster({ controllers: [resourceQuotaController] });

async function quota(cluster: TestCluster, hard: Record<string, string>, more: object = {}): Promise<void> {
  await cluster.create(ResourceQuota, { metadata: { name: 'q', namespace: 'default' }, spec: { hard, ...more } });
  await cluster.settles();
}

const used = (cluster: TestCluster, name = 'q') => cluster.get(ResourceQuota, `default/${name}`)?.status?.used;
const asking = (name: string, requests: object, limits: object = {}) =>
  pod(name, { containers: [{ name: 'main', image: 'i', resources: { requests, limits } }] });

test('a new quota tells what is there already; what comes is counted, what goes comes back', async () => {
  await using cluster = await start();
  await cluster.create(ConfigMap, { metadata: { name: 'before', namespace: 'default' } });
  await quota(cluster, { configmaps: '2', 'count/configmaps': '5', pods: '1' });
  expect(cluster.get(ResourceQuota, 'default/q')?.status).toEqual({
    hard: { configmaps: '2', 'count/configmaps': '5', pods: '1' },
    used: { configmaps: '1', 'count/configmaps': '1', pods: '0' },
  });
  await cluster.create(ConfigMap, { metadata: { name: 'second', namespace: 'default' } });
  expect(used(cluster)).toEqual({ configmaps: '2', 'count/configmaps': '2', pods: '0' });
  await expect(cluster.create(ConfigMap, { metadata: { name: 'third', namespace: 'default' } })).rejects.toMatchObject({
    message:
      'configmaps "third" is forbidden: exceeded quota: q, requested: configmaps=1, used: configmaps=2, limited: configmaps=2',
  });
  await cluster.delete(ConfigMap, 'default/before');
  await cluster.settles();
  expect(used(cluster)).toMatchObject({ configmaps: '1' });
  await cluster.create(ConfigMap, { metadata: { name: 'third', namespace: 'default' } });
});

test('of many at once, as many get in as there is room for, and none more', async () => {
  await using cluster = await start();
  await quota(cluster, { 'count/configmaps': '7' });
  const names = Array.from({ length: 20 }, (_, i) => `c${i}`);
  const outcomes = await Promise.allSettled(
    names.map((name) => cluster.create(ConfigMap, { metadata: { name, namespace: 'default' } })),
  );
  expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(7);
  expect(used(cluster)).toEqual({ 'count/configmaps': '7' });
});

test.each(['example.com/gpu', 'deviceclass.resource.kubernetes.io/gpu'])(
  '%s is counted as it is asked for',
  async (gpu) => {
    await using cluster = await start();
    await quota(cluster, { [`requests.${gpu}`]: '2' });
    await cluster.create(Pod, asking('one', { [gpu]: '2' }, { [gpu]: '2' }));
    expect(used(cluster)).toEqual({ [`requests.${gpu}`]: '2' });
    await expect(cluster.create(Pod, asking('two', { [gpu]: '1' }, { [gpu]: '1' }))).rejects.toMatchObject({
      message: `pods "two" is forbidden: exceeded quota: q, requested: requests.${gpu}=1, used: requests.${gpu}=2, limited: requests.${gpu}=2`,
    });
  },
);

test('a quota of amounts wants every container to say them, and adds them up', async () => {
  await using cluster = await start();
  await quota(cluster, { 'requests.cpu': '1', 'limits.memory': '1Gi', pods: '5' });
  await expect(cluster.create(Pod, pod('silent'))).rejects.toMatchObject({
    message:
      'pods "silent" is forbidden: failed quota: q: must specify limits.memory for: main; requests.cpu for: main',
  });
  await cluster.create(Pod, asking('a', { cpu: '600m' }, { memory: '512Mi' }));
  expect(used(cluster)).toEqual({ 'requests.cpu': '600m', 'limits.memory': '512Mi', pods: '1' });
  await expect(cluster.create(Pod, asking('b', { cpu: '600m' }, { memory: '1Gi' }))).rejects.toMatchObject({
    message:
      'pods "b" is forbidden: exceeded quota: q, requested: limits.memory=1Gi,requests.cpu=600m, used: limits.memory=512Mi,requests.cpu=600m, limited: limits.memory=1Gi,requests.cpu=1',
  });
});

test('a pod that is over leaves room, though it is still there', async () => {
  await using cluster = await start();
  await quota(cluster, { pods: '1', 'count/pods': '10' });
  await cluster.create(Pod, pod('a'));
  const done = cluster.get(Pod, 'default/a')!;
  await cluster.updateStatus(Pod, { ...done, status: { ...done.status, phase: 'Succeeded' } });
  await cluster.settles();
  expect(used(cluster)).toEqual({ pods: '0', 'count/pods': '1' });
});

test('scopes choose the pods that count', async () => {
  await using cluster = await start();
  await cluster.create(PriorityClass, { metadata: { name: 'high' }, value: 5 });
  await cluster.settles();
  await quota(cluster, { pods: '1' }, { scopes: ['BestEffort', 'NotTerminating'] });
  await cluster.create(ResourceQuota, {
    metadata: { name: 'high', namespace: 'default' },
    spec: {
      hard: { pods: '1' },
      scopeSelector: { matchExpressions: [{ scopeName: 'PriorityClass', operator: 'In', values: ['high'] }] },
    },
  });
  await cluster.settles();
  await cluster.create(Pod, pod('effort'));
  await cluster.create(Pod, asking('asks', { cpu: '1' }));
  await cluster.create(Pod, pod('ends', { activeDeadlineSeconds: 10 }));
  expect(used(cluster)).toEqual({ pods: '1' });
  expect(used(cluster, 'high')).toEqual({ pods: '0' });
  await cluster.create(Pod, pod('high', { priorityClassName: 'high', activeDeadlineSeconds: 10 }));
  expect(used(cluster, 'high')).toEqual({ pods: '1' });
  await expect(cluster.create(Pod, pod('second'))).rejects.toMatchObject({
    message: expect.stringContaining('exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1'),
  });
});

test('a pod that gets a deadline goes over from the one scope into the other', async () => {
  await using cluster = await start();
  await quota(cluster, { pods: '1' }, { scopes: ['NotTerminating'] });
  await cluster.create(ResourceQuota, {
    metadata: { name: 'ending', namespace: 'default' },
    spec: { hard: { pods: '1' }, scopes: ['Terminating'] },
  });
  await cluster.settles();
  await cluster.create(Pod, pod('a'));
  await cluster.settles();
  await cluster.patch(Pod, 'default/a', { spec: { activeDeadlineSeconds: 10 } });
  await cluster.settles();
  expect([used(cluster), used(cluster, 'ending')]).toEqual([{ pods: '0' }, { pods: '1' }]);
});

test('Services count ports of nodes and balancers, and a change of type is charged', async () => {
  await using cluster = await start();
  await quota(cluster, { services: '5', 'services.nodeports': '1', 'services.loadbalancers': '0' });
  const ports = [{ name: 'a', port: 80 }];
  const service = await cluster.create(Service, { metadata: { name: 's', namespace: 'default' }, spec: { ports } });
  expect(used(cluster)).toEqual({ services: '1', 'services.nodeports': '0', 'services.loadbalancers': '0' });
  await cluster.update(Service, { ...service, spec: { ...service.spec, type: 'NodePort' } });
  expect(used(cluster)).toMatchObject({ 'services.nodeports': '1' });
  const balanced = { metadata: { name: 'lb', namespace: 'default' }, spec: { ports, type: 'LoadBalancer' as const } };
  await expect(cluster.create(Service, balanced)).rejects.toMatchObject({
    message: expect.stringContaining(
      'exceeded quota: q, requested: services.loadbalancers=1,services.nodeports=1, used: services.loadbalancers=0,services.nodeports=1, limited: services.loadbalancers=0,services.nodeports=1',
    ),
  });
});

test('claims count storage in all and of their class', async () => {
  await using cluster = await start();
  await quota(cluster, {
    'requests.storage': '10Gi',
    'gold.storageclass.storage.k8s.io/requests.storage': '5Gi',
    'gold.storageclass.storage.k8s.io/persistentvolumeclaims': '2',
  });
  const claim = (name: string, storage: string, storageClassName: string) => ({
    metadata: { name, namespace: 'default' },
    spec: { accessModes: ['ReadWriteOnce' as const], resources: { requests: { storage } }, storageClassName },
  });
  await cluster.create(PersistentVolumeClaim, claim('a', '4Gi', 'gold'));
  await cluster.create(PersistentVolumeClaim, claim('b', '4Gi', 'tin'));
  expect(used(cluster)).toEqual({
    'requests.storage': '8Gi',
    'gold.storageclass.storage.k8s.io/requests.storage': '4Gi',
    'gold.storageclass.storage.k8s.io/persistentvolumeclaims': '1',
  });
  await expect(cluster.create(PersistentVolumeClaim, claim('c', '2Gi', 'gold'))).rejects.toMatchObject({
    message: expect.stringContaining('requested: gold.storageclass.storage.k8s.io/requests.storage=2Gi'),
  });
});

test('kinds that are defined while running are counted by their full name', async () => {
  const Widget = defineKind({
    group: 'example.org',
    version: 'v1',
    kind: 'Widget',
    plural: 'widgets',
    scope: 'Namespaced',
  });
  await using cluster = await start();
  cluster.kinds.add(Widget);
  await cluster.settles();
  await quota(cluster, { 'count/widgets.example.org': '1' });
  await cluster.create(Widget, { metadata: { name: 'a', namespace: 'default' } });
  await expect(cluster.create(Widget, { metadata: { name: 'b', namespace: 'default' } })).rejects.toMatchObject({
    message: expect.stringContaining('requested: count/widgets.example.org=1'),
  });
  await cluster.delete(Widget, 'default/a');
  await cluster.settles();
  expect(used(cluster)).toEqual({ 'count/widgets.example.org': '0' });
});

test('a quota whose use is not known yet lets nothing in that it would count', async () => {
  await using cluster = await startCluster();
  await quota(cluster, { pods: '1' });
  const unknown = cluster.get(ResourceQuota, 'default/q')!;
  await cluster.updateStatus(ResourceQuota, { ...unknown, status: { hard: { pods: '1' } } });
  await cluster.settles();
  await expect(cluster.create(Pod, pod('a'))).rejects.toMatchObject({
    message: 'pods "a" is forbidden: status unknown for quota: q, resources: pods',
  });
});

test('what is only tried is not charged', async () => {
  await using cluster = await start();
  await quota(cluster, { 'count/configmaps': '1' });
  const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' } };
  const path = '/api/v1/namespaces/default/configmaps?dryRun=All';
  expect(await cluster.client.transport.request({ method: 'POST', path, object })).toMatchObject({ code: 201 });
  expect(used(cluster)).toEqual({ 'count/configmaps': '0' });
});

const DEVICES = 'gpus.deviceclass.resource.k8s.io/devices';
const GPU = 'requests.example.com/gpu';
const IMPLICIT = 'requests.deviceclass.resource.kubernetes.io/gpus';
const claimOf = (name: string, count: number, more: object = {}) => ({
  metadata: { name, namespace: 'default', ...more },
  spec: { devices: { requests: [{ name: 'r', exactly: { deviceClassName: 'gpus', count } }] } },
});

test('claims of devices count by class, and under the names of the resource that the class stands for', async () => {
  await using cluster = await start();
  await cluster.create(DeviceClass, { metadata: { name: 'gpus' }, spec: { extendedResourceName: 'example.com/gpu' } });
  await quota(cluster, { [DEVICES]: '9', [GPU]: '3', [IMPLICIT]: '9' });
  await cluster.create(ResourceClaim, claimOf('one', 2));
  expect(used(cluster)).toEqual({ [DEVICES]: '2', [GPU]: '2', [IMPLICIT]: '2' });
  await expect(cluster.create(ResourceClaim, claimOf('two', 2))).rejects.toMatchObject({
    message: `resourceclaims.resource.k8s.io "two" is forbidden: exceeded quota: q, requested: ${GPU}=2, used: ${GPU}=2, limited: ${GPU}=3`,
  });
  await cluster.delete(ResourceClaim, 'default/one');
  await cluster.passes('6m');
  expect(used(cluster)).toEqual({ [DEVICES]: '0', [GPU]: '0', [IMPLICIT]: '0' });
});

test('what a pod is counted with is not counted again for the claim that was made for it', async () => {
  await using cluster = await start();
  await cluster.create(DeviceClass, { metadata: { name: 'gpus' }, spec: { extendedResourceName: 'example.com/gpu' } });
  await quota(cluster, { [GPU]: '3' });
  const made = await cluster.create(Pod, asking('web', { 'example.com/gpu': '2' }, { 'example.com/gpu': '2' }));
  const { name, uid } = made.metadata;
  const ownerReferences = [{ apiVersion: 'v1', kind: 'Pod', name, uid, controller: true }];
  const annotations = { 'resource.kubernetes.io/extended-resource-claim': 'true' };
  await cluster.create(ResourceClaim, claimOf('for-web', 2, { ownerReferences, annotations }));
  await cluster.passes('6m');
  expect(used(cluster)).toEqual({ [GPU]: '2' });
  await cluster.create(ResourceClaim, claimOf('also-for-web', 1, { ownerReferences, annotations }));
  expect(used(cluster)).toEqual({ [GPU]: '3' });
});

test('a pod counts with what it still has while it is resized', async () => {
  await using cluster = await start();
  await quota(cluster, { 'requests.cpu': '3' });
  const made = await cluster.create(Pod, asking('web', { cpu: '1' }));
  const containerStatuses = [{ name: 'main', resources: { requests: { cpu: '2' } } }];
  await cluster.updateStatus(Pod, { ...made, status: { ...made.status, containerStatuses } as never });
  await cluster.passes('6m');
  expect(used(cluster)).toEqual({ 'requests.cpu': '2' });
});
