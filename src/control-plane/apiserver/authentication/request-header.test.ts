import { X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { ManualClock } from '#base/manual-clock.ts';
import { ensurePki } from '#cmd/pki/pki.ts';
import { authenticatorChain } from './authenticator-chain.ts';
import { ClientCertificateAuthenticator, ClientCertificates } from './client-certificate.ts';
import { requestHeaderAuthenticator, STANDARD_HEADERS } from './request-header.ts';

const directory = mkdtempSync(join(tmpdir(), 'front-proxy-'));
afterAll(() => rmSync(directory, { recursive: true }));
const clock = new ManualClock();
const pki = ensurePki({ directory, clock });
const proxy = new X509Certificate(pki.issueFrontProxyClient('proxy', { user: 'front-proxy-client' }).certificate);
const stranger = new X509Certificate(pki.issueFrontProxyClient('other', { user: 'other' }).certificate);
const alice = new X509Certificate(pki.issueClient('alice', { user: 'front-proxy-client' }).certificate);

const chain = authenticatorChain([
  requestHeaderAuthenticator({
    ...STANDARD_HEADERS,
    certificates: new ClientCertificates({ authorities: [pki.frontProxyCaCertificate], clock }),
    allowedNames: ['front-proxy-client'],
  }),
  new ClientCertificateAuthenticator({ authorities: [pki.caCertificate], clock }),
]);
const HEADERS = {
  'x-remote-user': 'jane',
  'x-remote-uid': 'u-1',
  'x-remote-group': 'dev, ops',
  'x-remote-extra-example.com%2fscopes': 'read, write',
  'x-remote-extra-broken%zz': 'x',
};

test('a front proxy says who is asking', async () => {
  const known = await chain.authenticate({ clientCertificate: proxy, headers: HEADERS });
  expect(known?.user).toEqual({
    name: 'jane',
    uid: 'u-1',
    groups: ['dev', 'ops', 'system:authenticated'],
    extra: { 'example.com/scopes': ['read', 'write'], 'broken%zz': ['x'] },
  });
});

test('nobody else does', async () => {
  const notAllowed = async () => chain.authenticate({ clientCertificate: stranger, headers: HEADERS });
  await expect(notAllowed()).rejects.toMatchObject({ code: 401 });
  // The name alone does not do: this one is a user's, signed by the authority of users.
  const asUser = await chain.authenticate({ clientCertificate: alice, headers: HEADERS });
  expect(asUser?.user.name).toBe('front-proxy-client');
  expect((await chain.authenticate({ headers: HEADERS }))?.user.name).toBe('system:anonymous');
});

test('a proxy that names nobody is nobody', async () => {
  await expect((async () => chain.authenticate({ clientCertificate: proxy, headers: {} }))()).rejects.toMatchObject({
    code: 401,
  });
});
