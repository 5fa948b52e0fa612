import { X509Certificate } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { unauthorized } from '#api/machinery/status.ts';
import { ManualClock } from '#base/manual-clock.ts';
import { authorityOf, selfSigned, signedBy } from '#cmd/pki/certificate.ts';
import { authenticatorChain, bearerTokenAuthenticator } from './authenticator-chain.ts';
import { ClientCertificateAuthenticator } from './client-certificate.ts';
import { staticTokens } from './static-tokens.ts';

const YEAR_MS = 365 * 24 * 3_600_000;
const clock = new ManualClock();
const life = { notBeforeMs: clock.now() - 1000, notAfterMs: clock.now() + YEAR_MS };
const ca = selfSigned({ commonName: 'kubernetes', usage: 'ca', ...life });
const authority = authorityOf(ca);
const certificate = (commonName: string, organizations: string[] = [], more: object = {}) =>
  new X509Certificate(
    signedBy(authority, { commonName, organizations, usage: 'client', ...life, ...more }).certificate,
  );

const chain = authenticatorChain([
  new ClientCertificateAuthenticator({ authorities: [ca.certificate], clock }),
  bearerTokenAuthenticator(staticTokens(new Map([['letmein', { name: 'robot', groups: ['machines'] }]]))),
]);

describe('who asks', () => {
  test('with a certificate is its common name, in the groups of its organizations', async () => {
    const clientCertificate = certificate('alice', ['developers', 'people']);
    const { user } = (await chain.authenticate({ clientCertificate, headers: {} })) ?? {};
    expect(user).toMatchObject({ name: 'alice', groups: ['developers', 'people', 'system:authenticated'] });
  });

  test('with a name that imitates another line stays what it is', async () => {
    const clientCertificate = certificate('eve\nO=system:masters', ['a, O=system:masters']);
    const { user } = (await chain.authenticate({ clientCertificate, headers: {} })) ?? {};
    expect(user?.name).toBe('eve\nO=system:masters');
    expect(user?.groups).toEqual(['a, O=system:masters', 'system:authenticated']);
  });

  test('with a token is whom it belongs to', async () => {
    const { user } = (await chain.authenticate({ bearerToken: 'letmein', headers: {} })) ?? {};
    expect(user).toEqual({ name: 'robot', groups: ['machines', 'system:authenticated'] });
  });

  test('with nothing is anonymous', async () => {
    expect((await chain.authenticate({ headers: {} }))?.user).toEqual({
      name: 'system:anonymous',
      groups: ['system:unauthenticated'],
    });
  });

  const other = authorityOf(selfSigned({ commonName: 'kubernetes', usage: 'ca', ...life }));
  test.each([
    ['a token that nobody knows', { bearerToken: 'guess' }],
    [
      'a certificate of another CA of the same name',
      {
        clientCertificate: new X509Certificate(
          signedBy(other, { commonName: 'a', usage: 'client', ...life }).certificate,
        ),
      },
    ],
    ['a certificate for servers', { clientCertificate: certificate('a', [], { usage: 'server' }) }],
    ['a certificate of yesterday', { clientCertificate: certificate('a', [], { notAfterMs: clock.now() - 1 }) }],
    ['a certificate of tomorrow', { clientCertificate: certificate('a', [], { notBeforeMs: clock.now() + 60_000 }) }],
    ['a certificate without a name', { clientCertificate: certificate('') }],
  ])('with %s is refused, not anonymous', async (_what, credentials) => {
    await expect((async () => chain.authenticate({ ...credentials, headers: {} }))()).rejects.toMatchObject({
      code: 401,
      message: 'Unauthorized',
    });
  });

  test('a failure that is not about the credentials is not hidden', async () => {
    const broken = authenticatorChain([{ authenticate: () => Promise.reject(new TypeError('a bug')) }]);
    await expect((async () => broken.authenticate({ headers: {} }))()).rejects.toThrow('a bug');
    const refusing = authenticatorChain([{ authenticate: () => Promise.reject(unauthorized()) }]);
    await expect((async () => refusing.authenticate({ headers: {} }))()).rejects.toMatchObject({ code: 401 });
  });
});
