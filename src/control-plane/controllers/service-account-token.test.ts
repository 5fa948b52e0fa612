import { beforeEach, expect, test } from 'vitest';
import { Secret } from '#api/core/v1/secret.ts';
import { ServiceAccount } from '#api/core/v1/service-account.ts';
import { startCluster, type TestCluster } from '#testing/cluster.ts';
import { serviceAccountTokens } from './service-account-token.ts';

const controller = serviceAccountTokens({
  issue: async (account, secret) => `token of ${account.metadata.name} in ${secret}`,
  rootCa: 'the CA',
});
const secret = (name: string, account: string, uid?: string) => ({
  metadata: {
    namespace: 'default',
    name,
    annotations: {
      'kubernetes.io/service-account.name': account,
      ...(uid && { 'kubernetes.io/service-account.uid': uid }),
    },
  },
  type: 'kubernetes.io/service-account-token',
});
const at = (name: string) => ({ namespace: 'default', name });
const text = (value = '') => Buffer.from(value, 'base64').toString();

let cluster: TestCluster;
beforeEach(async () => {
  cluster = await startCluster({ controllers: [controller], rbac: true });
  return () => cluster[Symbol.asyncDispose]();
});

test('a Secret that names an account gets its token, the CA and the namespace', async () => {
  const { client } = cluster;
  const { metadata } = await client.create(ServiceAccount, { metadata: at('robot') });
  await client.create(Secret, secret('robot-token', 'robot') as never);
  await cluster.settles();
  const filled = await client.get(Secret, at('robot-token'));
  expect(Object.fromEntries(Object.entries(filled.data ?? {}).map(([key, value]) => [key, text(value)]))).toEqual({
    token: 'token of robot in robot-token',
    'ca.crt': 'the CA',
    namespace: 'default',
  });
  expect(filled.metadata.annotations?.['kubernetes.io/service-account.uid']).toBe(metadata.uid);

  await client.update(Secret, { ...filled, data: { ...filled.data, token: '' } });
  await cluster.settles();
  expect(text((await client.get(Secret, at('robot-token'))).data?.['token'])).toBe('token of robot in robot-token');
});

test('it goes with its account, and one for an account that is not there goes at once', async () => {
  const { client } = cluster;
  const account = await client.create(ServiceAccount, { metadata: at('robot') });
  await client.create(Secret, secret('robot-token', 'robot') as never);
  await client.create(Secret, secret('lost', 'nobody') as never);
  await client.create(Secret, secret('stale', 'robot', 'another-uid') as never);
  await cluster.settles();
  const names = async () => (await client.list(Secret)).items.map(({ metadata }) => metadata.name);
  expect(await names()).toEqual(['robot-token']);
  await client.delete(ServiceAccount, account.metadata);
  await cluster.settles();
  expect(await names()).toEqual([]);
});

test('an account no longer names a Secret that was deleted', async () => {
  const { client } = cluster;
  await client.create(ServiceAccount, { metadata: at('robot'), secrets: [{ name: 'mine' }, { name: 'kept' }] });
  await client.create(Secret, secret('mine', 'robot') as never);
  await cluster.settles();
  await client.delete(Secret, at('mine'));
  await cluster.settles();
  expect((await client.get(ServiceAccount, at('robot'))).secrets).toEqual([{ name: 'kept' }]);
});

test('an account goes on naming what is no token of its own, whatever becomes of it', async () => {
  const { client } = cluster;
  const refs = ['password', 'stale'].map((name) => ({ name }));
  await client.create(ServiceAccount, { metadata: at('robot'), secrets: refs });
  await client.create(ServiceAccount, { metadata: at('other') });
  await client.create(Secret, { metadata: at('password') } as never);
  await client.create(Secret, secret('stale', 'other') as never);
  await cluster.settles();
  for (const { name } of refs) await client.delete(Secret, at(name));
  await cluster.settles();
  expect((await client.get(ServiceAccount, at('robot'))).secrets).toEqual(refs);
});
