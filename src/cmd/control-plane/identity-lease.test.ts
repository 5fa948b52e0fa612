import { expect, test } from 'vitest';
import { Lease } from '#api/coordination/v1/lease.ts';
import { microTimestampOf } from '#api/machinery/timestamp.ts';
import type { Client } from '#client/client.ts';
import { startCluster, type TestCluster } from '#testing/cluster.ts';
import { keepIdentityLease } from './identity-lease.ts';

const NAME = /^apiserver-[a-z2-7]{26}$/;
const keep = async (cluster: TestCluster, { port = 6443, instance = 'first' } = {}) => {
  const { clock, random, log } = cluster.services;
  const kept = keepIdentityLease({ client: cluster.client, clock, random, log, hostname: 'host-a', port, instance });
  await kept.isThere;
  return kept;
};
const leases = (cluster: TestCluster) =>
  cluster.list(Lease).filter(({ metadata }) => metadata.labels?.['apiserver.kubernetes.io/identity']);

test('an API server has a Lease that says who and where it is, renews it, and takes it away when it ends', async () => {
  await using cluster = await startCluster();
  const kept = await keep(cluster);
  const [lease, ...others] = leases(cluster) as [Lease];
  expect(others).toEqual([]);
  expect(lease.metadata).toMatchObject({
    name: expect.stringMatching(NAME),
    namespace: 'kube-system',
    labels: { 'apiserver.kubernetes.io/identity': 'kube-apiserver', 'kubernetes.io/hostname': 'host-a' },
  });
  const began = microTimestampOf(cluster.clock.now());
  const holderIdentity = `${lease.metadata.name}_first`;
  expect(lease.spec).toEqual({ holderIdentity, leaseDurationSeconds: 3600, renewTime: began });
  await cluster.passes(11_000);
  const { renewTime = '' } = leases(cluster)[0]!.spec;
  expect(renewTime > began).toBe(true);
  await kept.stop();
  expect(leases(cluster)).toEqual([]);
});

test('after a crash the Lease of the earlier start gives way; one that somebody has deleted comes back', async () => {
  await using cluster = await startCluster();
  await keep(cluster); // is never stopped
  const [before] = leases(cluster) as [Lease];
  const next = await keep(cluster, { instance: 'second' });
  const [lease, ...others] = leases(cluster) as [Lease];
  expect([lease.metadata.name, lease.spec.holderIdentity, others]).toEqual([
    before.metadata.name,
    `${before.metadata.name}_second`,
    [],
  ]);
  await cluster.delete(Lease, `kube-system/${lease.metadata.name}`);
  await cluster.passes(11_000);
  expect(leases(cluster)).toHaveLength(1);
  await next.stop();
});

test('two on one machine have a Lease each; what is over goes after an hour, what is not one of them stays', async () => {
  await using cluster = await startCluster();
  const [one, other] = [await keep(cluster), await keep(cluster, { port: 6444 })];
  expect(new Set(leases(cluster).map(({ metadata }) => metadata.name)).size).toBe(2);
  await other.stop();
  const spec = { holderIdentity: 'x', leaseDurationSeconds: 60, renewTime: microTimestampOf(cluster.clock.now()) };
  const labels = { 'apiserver.kubernetes.io/identity': 'kube-apiserver' };
  await cluster.create(Lease, { metadata: { name: 'apiserver-lost', namespace: 'kube-system', labels }, spec });
  await cluster.create(Lease, { metadata: { name: 'somebody', namespace: 'kube-system' }, spec });
  await cluster.passes('59m');
  expect(cluster.get(Lease, 'kube-system/apiserver-lost')).toBeDefined();
  await cluster.passes('2m');
  expect(cluster.get(Lease, 'kube-system/apiserver-lost')).toBeUndefined();
  expect(cluster.get(Lease, 'kube-system/somebody')).toBeDefined();
  expect(leases(cluster)).toHaveLength(1);
  await one.stop();
});

test('where nobody answers an API server ends nevertheless', async () => {
  await using cluster = await startCluster();
  const { clock, random, log } = cluster.services;
  const client = { delete: () => new Promise(() => undefined) } as unknown as Client;
  const kept = keepIdentityLease({ client, clock, random, log, hostname: 'host-a', port: 6443, instance: 'first' });
  const stopped = kept.stop();
  await cluster.passes(2_000);
  await stopped;
  expect(leases(cluster)).toEqual([]);
});
