import { expect, test } from 'vitest';
import { Endpoints } from '#api/core/v1/endpoints.ts';
import { Service } from '#api/core/v1/service.ts';
import { EndpointSlice } from '#api/discovery/v1/endpoint-slice.ts';
import { openMemoryStorage } from '#control-plane/storage/memory.ts';
import type { Storage } from '#control-plane/storage/storage.ts';
import { startCluster, type TestCluster } from '#testing/cluster.ts';
import { ensureKubernetesService, type ServedAt } from './kubernetes-service.ts';
import { keepKubernetesService } from './shared-kubernetes-service.ts';

const CLUSTER_IPS = ['10.96.0.1'];
const A = { ip: '192.0.2.10', port: 6443 };
const B = { ip: '192.0.2.9', port: 6443 };

/** An API server whose store no longer answers it once `isDead`. */
async function serverAt(cluster: TestCluster, storage: Storage, own: ServedAt) {
  let isDead = false;
  const mortal = new Proxy(storage, {
    get(target, name: keyof Storage) {
      if (isDead) throw new Error('this process has been killed');
      return (target[name] as () => unknown).bind(target);
    },
  });
  const { clock, log } = cluster.services;
  const options = { client: cluster.client, clock, log, own, clusterIps: CLUSTER_IPS };
  const kept = await keepKubernetesService({ ...options, storage: mortal });
  return {
    stop: () => kept.stop(),
    dies() {
      isDead = true;
    },
  };
}

const endpoints = (cluster: TestCluster) =>
  cluster
    .list(Endpoints)
    .flatMap(({ subsets = [] }) =>
      subsets.flatMap(({ addresses = [], ports = [] }) => addresses.map(({ ip }) => `${ip}:${ports[0]?.port}`)),
    );
const slices = (cluster: TestCluster) =>
  Object.fromEntries(
    cluster
      .list(EndpointSlice)
      .map(({ metadata, endpoints: all, ports = [] }) => [
        metadata.name,
        all?.map(({ addresses }) => `${addresses.join()}:${ports[0]?.port}`),
      ]),
  );

test('the Service kubernetes leads to all API servers of a store; one that ends takes itself out, but for the last', async () => {
  await using cluster = await startCluster();
  const storage = openMemoryStorage();
  const a = await serverAt(cluster, storage, A);
  await cluster.settles();
  expect(endpoints(cluster)).toEqual(['192.0.2.10:6443']);
  const b = await serverAt(cluster, storage, B);
  await cluster.settles();
  const both = ['192.0.2.10:6443', '192.0.2.9:6443'];
  expect(endpoints(cluster)).toEqual(both);
  expect(slices(cluster)).toEqual({ kubernetes: both });
  await cluster.passes('60s');
  expect(endpoints(cluster)).toEqual(both);

  await a.stop();
  await cluster.settles();
  expect(endpoints(cluster)).toEqual(['192.0.2.9:6443']);
  expect(slices(cluster)).toEqual({ kubernetes: ['192.0.2.9:6443'] });
  await b.stop();
  await cluster.settles();
  expect(endpoints(cluster)).toEqual(['192.0.2.9:6443']);
});

test('one that was killed is led to no more when its entry has stood still for 15 s, and again when it is back', async () => {
  await using cluster = await startCluster();
  const storage = openMemoryStorage();
  const a = await serverAt(cluster, storage, A);
  const b = await serverAt(cluster, storage, B);
  await cluster.passes('30s');
  a.dies();
  await cluster.passes('14s');
  expect(endpoints(cluster)).toEqual(['192.0.2.10:6443', '192.0.2.9:6443']);
  await cluster.passes('11s');
  expect(endpoints(cluster)).toEqual(['192.0.2.9:6443']);
  expect((await storage.range({ prefix: '/registry/masterleases/' })).items).toHaveLength(1);

  const again = await serverAt(cluster, storage, A);
  await cluster.passes('10s');
  expect(endpoints(cluster)).toEqual(['192.0.2.10:6443', '192.0.2.9:6443']);
  await again.stop();
  await b.stop();
});

test('API servers at several ports have a subset and a slice for each port', async () => {
  await using cluster = await startCluster();
  const storage = openMemoryStorage();
  const a = await serverAt(cluster, storage, { ip: '192.0.2.1', port: 6443 });
  const b = await serverAt(cluster, storage, { ip: '192.0.2.2', port: 6444 });
  await cluster.settles();
  expect(endpoints(cluster)).toEqual(['192.0.2.1:6443', '192.0.2.2:6444']);
  expect(slices(cluster)).toEqual({ kubernetes: ['192.0.2.1:6443'], 'kubernetes-6444': ['192.0.2.2:6444'] });
  await a.stop();
  await cluster.settles();
  expect(slices(cluster)).toEqual({ kubernetes: ['192.0.2.2:6444'] });
  await b.stop();
});

test('what somebody has changed is mended within 10 s; an API server alone writes it when it starts', async () => {
  await using cluster = await startCluster();
  await ensureKubernetesService(cluster.client, { servers: [A], clusterIps: CLUSTER_IPS });
  await cluster.settles();
  expect(cluster.list(Service)).toMatchObject([
    { metadata: { name: 'kubernetes', labels: { component: 'apiserver' } }, spec: { clusterIPs: CLUSTER_IPS } },
  ]);
  expect(slices(cluster)).toEqual({ kubernetes: ['192.0.2.10:6443'] });
  const kept = await serverAt(cluster, openMemoryStorage(), B);
  await cluster.patch(EndpointSlice, 'default/kubernetes', { metadata: { labels: null }, endpoints: [] });
  await cluster.delete(Endpoints, { namespace: 'default', name: 'kubernetes' });
  await cluster.passes('10s');
  expect(slices(cluster)).toEqual({ kubernetes: ['192.0.2.9:6443'] });
  expect(endpoints(cluster)).toEqual(['192.0.2.9:6443']);
  await kept.stop();
});
