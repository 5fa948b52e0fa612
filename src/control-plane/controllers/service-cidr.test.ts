import { expect, test } from 'vitest';
import { Service } from '#api/core/v1/service.ts';
import { IPAddress } from '#api/networking/v1/ip-address.ts';
import { ServiceCIDR } from '#api/networking/v1/service-cidr.ts';
import { startCluster, type TestCluster } from '#testing/cluster.ts';
import { serviceCidrController } from './service-cidr.ts';

const start = () => startCluster({ controllers: [serviceCidrController] });
const range = (name: string, ...cidrs: string[]) => ({ metadata: { name }, spec: { cidrs } });
const service = (name: string, clusterIP?: string) => ({
  metadata: { name, namespace: 'default' },
  spec: { ports: [{ port: 80 }], ...(clusterIP && { clusterIP, clusterIPs: [clusterIP] }) },
});
const readyIn = (cluster: TestCluster, name: string) => cluster.get(ServiceCIDR, name)?.status?.conditions?.[0];

test('a new range is held by a finalizer, becomes ready, and addresses of it can be had', async () => {
  await using cluster = await start();
  await expect(cluster.create(Service, service('early', '10.200.0.7'))).rejects.toMatchObject({
    message:
      'Service "early" is invalid: spec.clusterIPs: Invalid value: ["10.200.0.7"]: failed to allocate IP 10.200.0.7: the provided network does not match the current range',
  });
  await cluster.create(ServiceCIDR, range('more', '10.200.0.0/29'));
  await cluster.settles();
  expect(cluster.get(ServiceCIDR, 'more')?.metadata.finalizers).toEqual(['networking.k8s.io/service-cidr-finalizer']);
  expect(readyIn(cluster, 'more')).toMatchObject({
    type: 'Ready',
    status: 'True',
    message: 'Kubernetes Service CIDR is ready',
  });
  await cluster.create(Service, service('chosen', '10.200.0.6'));
  expect(cluster.get(IPAddress, '10.200.0.6')).toMatchObject({
    metadata: {
      labels: {
        'ipaddress.kubernetes.io/ip-family': 'IPv4',
        'ipaddress.kubernetes.io/managed-by': 'ipallocator.k8s.io',
      },
    },
    spec: { parentRef: { group: '', resource: 'services', namespace: 'default', name: 'chosen' } },
  });
  await expect(cluster.create(Service, service('edge', '10.200.0.7'))).rejects.toMatchObject({
    message: expect.stringContaining(
      'the provided IP (10.200.0.7) is not in the valid range. The range of valid IPs is 10.200.0.0/29',
    ),
  });
});

test('a range that is told to go gives out nothing more, and stays until its last address is free', async () => {
  await using cluster = await start();
  await cluster.create(ServiceCIDR, range('more', '10.200.0.0/24'));
  await cluster.settles();
  await cluster.create(Service, service('held', '10.200.0.9'));
  await cluster.delete(ServiceCIDR, 'more');
  await cluster.settles();
  expect(readyIn(cluster, 'more')).toMatchObject({
    status: 'False',
    reason: 'Terminating',
    message: 'There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new ServiceCIDR',
  });
  await expect(cluster.create(Service, service('late', '10.200.0.10'))).rejects.toThrow();
  await cluster.delete(Service, 'default/held');
  await cluster.settles();
  expect(cluster.get(ServiceCIDR, 'more')).toBeDefined(); // other servers may not have heard yet
  await cluster.passes(11_000);
  expect(cluster.get(ServiceCIDR, 'more')).toBeUndefined();
});

test('a range within another one may go though its addresses are taken', async () => {
  await using cluster = await start();
  await cluster.create(ServiceCIDR, range('small', '10.200.0.0/25'));
  await cluster.settles();
  await cluster.create(Service, service('held', '10.200.0.9'));
  await cluster.create(ServiceCIDR, range('large', '10.200.0.0/24'));
  await cluster.settles();
  await cluster.delete(ServiceCIDR, 'small');
  await cluster.passes(11_000);
  expect(cluster.get(ServiceCIDR, 'small')).toBeUndefined();
});

test('the range of the cluster comes back when somebody deletes it', async () => {
  await using cluster = await start();
  await cluster.delete(ServiceCIDR, 'kubernetes');
  await cluster.passes(25_000);
  expect(cluster.get(ServiceCIDR, 'kubernetes')?.spec.cidrs).toEqual(['10.96.0.0/16']);
  expect(readyIn(cluster, 'kubernetes')).toMatchObject({ status: 'True' });
});

test('a condition in which somebody changed the reason alone is put right', async () => {
  await using cluster = await start();
  await cluster.create(ServiceCIDR, range('more', '10.200.0.0/24'));
  await cluster.settles();
  const before = readyIn(cluster, 'more')!;
  const current = cluster.get(ServiceCIDR, 'more')!;
  await cluster.updateStatus(ServiceCIDR, { ...current, status: { conditions: [{ ...before, reason: 'Other' }] } });
  await cluster.settles();
  expect(readyIn(cluster, 'more')).toEqual(before);
});
