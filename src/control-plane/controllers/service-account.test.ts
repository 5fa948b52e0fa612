import { expect, test } from 'vitest';
import { ConfigMap } from '#api/core/v1/config-map.ts';
import { Namespace } from '#api/core/v1/namespace.ts';
import { ServiceAccount } from '#api/core/v1/service-account.ts';
import { startCluster } from '#testing/cluster.ts';
import { rootCaCertPublisher } from './root-ca-cert-publisher.ts';
import { serviceAccountController } from './service-account.ts';

const start = () => startCluster({ controllers: [serviceAccountController, rootCaCertPublisher('PEM')] });

test('a namespace gets its account and the authority of the cluster, again when they are deleted', async () => {
  await using cluster = await start();
  await cluster.create(Namespace, { metadata: { name: 'team' } });
  await cluster.settles();
  const publishedIn = () => cluster.get(ConfigMap, 'team/kube-root-ca.crt')?.data;
  expect(cluster.get(ServiceAccount, 'team/default')).toBeDefined();
  expect(publishedIn()).toEqual({ 'ca.crt': 'PEM' });
  await cluster.delete(ServiceAccount, 'team/default');
  await cluster.delete(ConfigMap, 'team/kube-root-ca.crt');
  await cluster.settles();
  expect(cluster.get(ServiceAccount, 'team/default')).toBeDefined();
  expect(publishedIn()).toEqual({ 'ca.crt': 'PEM' });
  await cluster.patch(ConfigMap, 'team/kube-root-ca.crt', { data: { 'ca.crt': 'other', more: 'x' } });
  await cluster.settles();
  expect(cluster.get(ConfigMap, 'team/kube-root-ca.crt')?.data?.['ca.crt']).toBe('PEM');
});

test('what a quota forbids comes when the quota is raised', async () => {
  await using cluster = await start();
  cluster.faults.fail({ verb: 'create', resource: 'serviceaccounts', times: 3 }, { reason: 'Forbidden' });
  cluster.faults.fail({ verb: 'create', resource: 'configmaps', times: 3 }, { reason: 'Forbidden' });
  await cluster.create(Namespace, { metadata: { name: 'team' } });
  await cluster.passes(60_000);
  expect(cluster.get(ServiceAccount, 'team/default')).toBeDefined();
  expect(cluster.get(ConfigMap, 'team/kube-root-ca.crt')).toBeDefined();
});
