import { X509Certificate } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { unauthorized } from '#api/machinery/status.ts';
import { ManualClock } from '#base/manual-clock.ts';
import type { UserInfo } from '#client/transport.ts';
import { authorityOf, selfSigned, signedBy } from '#cmd/pki/certificate.ts';
import { type Authorizer, allow, noOpinion } from '../authorization/authorizer.ts';
import { authenticatorChain, bearerTokenAuthenticator } from './authenticator-chain.ts';
import { ClientCertificateAuthenticator } from './client-certificate.ts';
import { impersonated } from './impersonation.ts';
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
    await expect(chain.authenticate({ ...credentials, headers: {} })).rejects.toMatchObject({
      code: 401,
      message: 'Unauthorized',
    });
  });

  test('a failure that is not about the credentials is not hidden', async () => {
    const broken = authenticatorChain([{ authenticate: () => Promise.reject(new TypeError('a bug')) }]);
    await expect(broken.authenticate({ headers: {} })).rejects.toThrow('a bug');
    const refusing = authenticatorChain([{ authenticate: () => Promise.reject(unauthorized()) }]);
    await expect(refusing.authenticate({ headers: {} })).rejects.toMatchObject({ code: 401 });
  });
});

describe('acting as somebody else', () => {
  const boss: UserInfo = { name: 'boss', groups: ['system:authenticated'] };
  const allowing = (...allowed: string[]): Authorizer => ({
    authorize(wish) {
      const what =
        'resource' in wish ? `${wish.resource}${wish.subresource && `/${wish.subresource}`} ${wish.name}` : '';
      return allowed.includes(what) ? allow() : noOpinion();
    },
  });

  test.each([
    [{ 'impersonate-user': 'alice' }, ['users alice'], { name: 'alice', groups: ['system:authenticated'] }],
    [
      { 'impersonate-user': 'alice', 'impersonate-group': ['a', 'b'] },
      ['users alice', 'groups a', 'groups b'],
      { name: 'alice', groups: ['a', 'b', 'system:authenticated'] },
    ],
    [
      { 'impersonate-user': 'system:serviceaccount:ns:robot' },
      ['serviceaccounts robot'],
      {
        name: 'system:serviceaccount:ns:robot',
        groups: ['system:serviceaccounts', 'system:serviceaccounts:ns', 'system:authenticated'],
      },
    ],
    [
      { 'impersonate-user': 'system:anonymous' },
      ['users system:anonymous'],
      { name: 'system:anonymous', groups: ['system:unauthenticated'] },
    ],
    [
      { 'impersonate-user': 'alice', 'impersonate-uid': '7', 'impersonate-extra-scopes%2fa': 'view' },
      ['users alice', 'uids 7', 'userextras/scopes/a view'],
      { name: 'alice', uid: '7', groups: ['system:authenticated'], extra: { 'scopes/a': ['view'] } },
    ],
  ])('%j needs %j', async (headers, needs, expected) => {
    expect(await impersonated(boss, headers, allowing(...needs))).toEqual(expected);
    for (const missing of needs) {
      const others = needs.filter((one) => one !== missing);
      await expect(impersonated(boss, headers, allowing(...others))).rejects.toMatchObject({ code: 403 });
    }
  });

  test('is refused in the words of upstream', async () => {
    await expect(impersonated(boss, { 'impersonate-user': 'root' }, allowing())).rejects.toThrow(
      'users "root" is forbidden: User "boss" cannot impersonate resource "users" in API group "" at the cluster scope',
    );
  });

  test('without the headers changes nothing, and groups without a user are an error', async () => {
    expect(await impersonated(boss, { accept: '*/*' }, allowing())).toBe(boss);
    await expect(impersonated(boss, { 'impersonate-group': 'system:masters' }, allowing())).rejects.toMatchObject({
      code: 500,
    });
  });
});
