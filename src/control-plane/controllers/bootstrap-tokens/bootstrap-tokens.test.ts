import { createHmac } from 'node:crypto';
import { flattenedVerify } from 'jose';
import { expect, test } from 'vitest';
import { ConfigMap } from '#api/core/v1/config-map.ts';
import { Secret } from '#api/core/v1/secret.ts';
import { timestampOf } from '#api/machinery/timestamp.ts';
import { ClusterRole } from '#api/rbac/v1/cluster-role.ts';
import { startCluster, type TestCluster } from '#testing/cluster.ts';
import { bootstrapSigner } from './bootstrap-signer.ts';
import { tokenCleaner } from './token-cleaner.ts';

const hmac = (key: string, text: string) => createHmac('sha256', key).update(text).digest();

const token = (cluster: TestCluster, id: string, fields: Record<string, string> = {}) =>
  cluster.create(Secret, {
    metadata: { name: `bootstrap-token-${id}`, namespace: 'kube-system' },
    type: 'bootstrap.kubernetes.io/token',
    stringData: { 'token-id': id, 'token-secret': `secretsecret${id}`.slice(-16), ...fields },
  } as never);
const inMs = (cluster: TestCluster, ms: number) => timestampOf(cluster.clock.now() + ms) ?? '';
const secrets = (cluster: TestCluster) =>
  cluster
    .list(Secret, { namespace: 'kube-system' })
    .map(({ metadata }) => metadata.name)
    .sort();

test('a bootstrap token goes when its time is over, or when its time cannot be read; others stay', async () => {
  await using cluster = await startCluster({ controllers: [tokenCleaner], rbac: true });
  await token(cluster, 'lasts1');
  await token(cluster, 'ends01', { expiration: inMs(cluster, 60_000) });
  await token(cluster, 'ended1', { expiration: inMs(cluster, -60_000) });
  await cluster.create(Secret, {
    metadata: { name: 'other', namespace: 'kube-system' },
    stringData: { expiration: inMs(cluster, -1) },
  } as never);
  await cluster.settles();
  expect(secrets(cluster)).toEqual(['bootstrap-token-ends01', 'bootstrap-token-lasts1', 'other']);
  await cluster.passes('59s');
  expect(secrets(cluster)).toContain('bootstrap-token-ends01');
  await cluster.passes('1s');
  expect(secrets(cluster)).toEqual(['bootstrap-token-lasts1', 'other']);
});

test('they have upstream’s rights, each in its namespaces', async () => {
  await using cluster = await startCluster({ controllers: [tokenCleaner, bootstrapSigner(hmac)], rbac: true });
  const roles = cluster.list(ClusterRole).map(({ metadata }) => metadata.name);
  expect(roles.filter((name) => /:token-cleaner$|:bootstrap-signer$/.test(name))).toEqual([]);
});

test('cluster-info is signed by every token that may sign, as long as it may', async () => {
  await using cluster = await startCluster({ controllers: [bootstrapSigner(hmac)], rbac: true });
  const kubeconfig = 'apiVersion: v1\nkind: Config\n';
  const metadata = { name: 'cluster-info', namespace: 'kube-public' };
  await cluster.create(ConfigMap, { metadata, data: { kubeconfig, 'jws-kubeconfig-gone01': 'old' } });
  const may = { 'usage-bootstrap-signing': 'true' };
  await token(cluster, 'lasts1', may);
  await token(cluster, 'ends01', { ...may, expiration: inMs(cluster, 60_000) });
  await token(cluster, 'maynot');
  await cluster.settles();
  const data = () => cluster.get(ConfigMap, 'kube-public/cluster-info')?.data ?? {};
  expect(Object.keys(data()).sort()).toEqual(['jws-kubeconfig-ends01', 'jws-kubeconfig-lasts1', 'kubeconfig']);

  const [header = '', nothing, signature = ''] = (data()['jws-kubeconfig-lasts1'] ?? '').split('.');
  expect(nothing).toBe('');
  const payload = Buffer.from(kubeconfig).toString('base64url');
  const jws = { protected: header, payload, signature };
  const verified = await flattenedVerify(jws, new TextEncoder().encode('secretsecretlasts1'.slice(-16)));
  expect(verified.protectedHeader).toEqual({ alg: 'HS256', kid: 'lasts1' });

  await cluster.passes('61s');
  expect(Object.keys(data()).sort()).toEqual(['jws-kubeconfig-lasts1', 'kubeconfig']);
});
