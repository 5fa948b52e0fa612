import { expect, test } from 'vitest';
import { ConfigMap } from '#api/core/v1/config-map.ts';
import { Namespace } from '#api/core/v1/namespace.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { Secret } from '#api/core/v1/secret.ts';
import { ServiceAccount } from '#api/core/v1/service-account.ts';
import { namespace, pod, startCluster } from '#testing/cluster.ts';
import { namespaceController } from './namespace.ts';
import { rootCaCertPublisher } from './root-ca-cert-publisher.ts';
import { serviceAccountController } from './service-account.ts';

test('a deleted namespace goes when all that was in it has gone', async () => {
  await using cluster = await startCluster({ controllers: [namespaceController] });
  await cluster.create(Namespace, namespace('shop'));
  await cluster.create(ConfigMap, { metadata: { name: 'a', namespace: 'shop' } });
  await cluster.create(Secret, { metadata: { name: 'b', namespace: 'shop' } });
  await cluster.create(ConfigMap, { metadata: { name: 'a', namespace: 'default' } });
  await cluster.delete(Namespace, 'shop');
  await cluster.settles();
  expect(cluster.get(Namespace, 'shop')).toBeUndefined();
  expect(cluster.list(ConfigMap).map(({ metadata }) => metadata.namespace)).toEqual(['default']);
  expect(cluster.list(Secret)).toEqual([]);
});

test('pods go first: as long as one is there, the rest stays, and the conditions say what is waited for', async () => {
  await using cluster = await startCluster({ controllers: [namespaceController] });
  await cluster.create(Namespace, namespace('shop'));
  await cluster.create(ConfigMap, { metadata: { name: 'settings', namespace: 'shop' } });
  await cluster.create(Pod, pod('web', { nodeName: 'node1' }, { namespace: 'shop' }));
  await cluster.delete(Namespace, 'shop');
  await cluster.settles();

  expect(cluster.get(Pod, 'shop/web')?.metadata.deletionTimestamp).toBeDefined();
  expect(cluster.get(ConfigMap, 'shop/settings')).toBeDefined();
  const { phase, conditions = [] } = cluster.get(Namespace, 'shop')?.status ?? {};
  expect(phase).toBe('Terminating');
  expect(conditions.map(({ type, status, reason, message }) => [type, status, reason, message])).toEqual([
    ['NamespaceDeletionDiscoveryFailure', 'False', 'ResourcesDiscovered', 'All resources successfully discovered'],
    [
      'NamespaceDeletionGroupVersionParsingFailure',
      'False',
      'ParsedGroupVersions',
      'All legacy kube types successfully parsed',
    ],
    [
      'NamespaceDeletionContentFailure',
      'False',
      'ContentDeleted',
      'All content successfully deleted, may be waiting on finalization',
    ],
    [
      'NamespaceContentRemaining',
      'True',
      'SomeResourcesRemain',
      'Some resources are remaining: pods. has 1 resource instances',
    ],
    ['NamespaceFinalizersRemaining', 'False', 'ContentHasNoFinalizers', 'All content-preserving finalizers finished'],
  ]);

  await cluster.delete(Pod, 'shop/web', { gracePeriodSeconds: 0 });
  await cluster.settles();
  expect(cluster.get(Namespace, 'shop')).toBeUndefined();
});

test('a pod that is there when its time is over is unexpected, and its namespace says so', async () => {
  await using cluster = await startCluster({ controllers: [namespaceController] });
  await cluster.create(Namespace, namespace('shop'));
  const others = { type: 'Odd', status: 'True' as const };
  await cluster.updateStatus(Namespace, {
    ...cluster.get(Namespace, 'shop')!,
    status: { phase: 'Active', conditions: [others] },
  });
  const spec = { nodeName: 'node1', terminationGracePeriodSeconds: 60 };
  await cluster.create(Pod, pod('web', spec, { namespace: 'shop' }));
  await cluster.delete(Namespace, 'shop');
  const failure = () => {
    const { conditions = [] } = cluster.get(Namespace, 'shop')?.status ?? {};
    const found = conditions.find(({ type }) => type === 'NamespaceDeletionContentFailure');
    return [conditions.length, found?.status, found?.reason, found?.message];
  };
  await cluster.passes('59s');
  expect(failure().slice(0, 3)).toEqual([6, 'False', 'ContentDeleted']);
  await cluster.passes('31s');
  expect(failure()).toEqual([
    6,
    'True',
    'ContentDeletionFailed',
    'Failed to delete all resource types, 1 remaining: unexpected items still remain in namespace: shop for gvr: /v1, Resource=pods',
  ]);
  await cluster.delete(Pod, 'shop/web', { gracePeriodSeconds: 0 });
  await cluster.settles();
  expect(cluster.get(Namespace, 'shop')).toBeUndefined();
});

test('an object with a finalizer holds its namespace, and is named', async () => {
  await using cluster = await startCluster({ controllers: [namespaceController] });
  await cluster.create(Namespace, namespace('shop'));
  await cluster.create(ConfigMap, { metadata: { name: 'a', namespace: 'shop', finalizers: ['example.org/hold'] } });
  await cluster.delete(Namespace, 'shop');
  await cluster.settles();
  const remaining = cluster
    .get(Namespace, 'shop')
    ?.status?.conditions?.find(({ type }) => type === 'NamespaceFinalizersRemaining');
  expect(remaining).toMatchObject({
    status: 'True',
    reason: 'SomeFinalizersRemain',
    message: 'Some content in the namespace has finalizers remaining: example.org/hold in 1 resource instances',
  });
  await cluster.patch(ConfigMap, 'shop/a', { metadata: { finalizers: null } });
  await cluster.settles();
  expect(cluster.get(Namespace, 'shop')).toBeUndefined();
});

test('every namespace has the ServiceAccount default and the root certificate, and gets them back', async () => {
  await using cluster = await startCluster({ controllers: [serviceAccountController, rootCaCertPublisher('PEM')] });
  await cluster.create(Namespace, namespace('shop'));
  await cluster.settles();
  const namespaces = cluster.list(Namespace).map(({ metadata }) => metadata.name);
  expect(cluster.list(ServiceAccount).map(({ metadata }) => metadata.namespace)).toEqual(namespaces);
  expect(cluster.get(ConfigMap, 'shop/kube-root-ca.crt')?.data).toEqual({ 'ca.crt': 'PEM' });
  await cluster.delete(ServiceAccount, 'shop/default');
  await cluster.patch(ConfigMap, 'shop/kube-root-ca.crt', { data: { 'ca.crt': 'forged', more: 'x' } });
  await cluster.settles();
  expect(cluster.get(ServiceAccount, 'shop/default')).toBeDefined();
  expect(cluster.get(ConfigMap, 'shop/kube-root-ca.crt')?.data).toEqual({ 'ca.crt': 'PEM' });
});
