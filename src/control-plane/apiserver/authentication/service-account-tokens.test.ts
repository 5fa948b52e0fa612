import { generateKeyPairSync } from 'node:crypto';
import { createLocalJWKSet, jwtVerify, SignJWT } from 'jose';
import { beforeEach, describe, expect, test } from 'vitest';
import type { ServiceAccount } from '#api/core/v1/service-account.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { ManualClock } from '#base/manual-clock.ts';
import { type FixedInformers, fixedInformers } from '#testing/fixed-informers.ts';
import { ServiceAccountTokens } from './service-account-tokens.ts';
import { TokenIssuer } from './token-issuer.ts';
import { signingKeysOf } from './token-signer.ts';
import { defaultedTokenRequest, issueToken, prepareTokenRequest, type SubmittedTokenRequest } from './token-request.ts';

const ISSUER = 'https://kubernetes.default.svc.cluster.local';
const newKey = () =>
  generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
const object = (kind: string, name: string, more: object = {}): KubeObject =>
  ({
    apiVersion: 'v1',
    kind,
    metadata: { name, namespace: 'a', uid: `${name}-uid` },
    ...more,
  }) as unknown as KubeObject;

const account = object('ServiceAccount', 'robot') as unknown as ServiceAccount;
const pod = object('Pod', 'web', { spec: { serviceAccountName: 'robot', nodeName: 'one', containers: [] } });
const node = { apiVersion: 'v1', kind: 'Node', metadata: { name: 'one', uid: 'one-uid' } } as unknown as KubeObject;
const forPod = { boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name: 'web', uid: 'web-uid' } };

let clock: ManualClock;
let cluster: FixedInformers;
let issuer: TokenIssuer;
let tokens: ServiceAccountTokens;
beforeEach(() => {
  clock = new ManualClock();
  cluster = fixedInformers([account, pod, node, object('Secret', 'keys')]);
  issuer = new TokenIssuer({ privateKey: newKey(), issuer: ISSUER, jwksUri: 'https://10.0.0.1/openid/v1/jwks', clock });
  tokens = new ServiceAccountTokens({ issuer, live: cluster.live, clock });
});

async function ask(spec: SubmittedTokenRequest['spec'] = {}) {
  const prepared = prepareTokenRequest(defaultedTokenRequest({ ...(spec && { spec }) }), account, { issuer, clock });
  const { status, spec: answered } = await issueToken(prepared, account, { issuer, live: cluster.live, clock });
  return { token: status?.token ?? '', expires: status?.expirationTimestamp ?? '', spec: answered };
}
const claimsIn = (token: string) => JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());

describe('a token', () => {
  test('says who it is for, and authenticates as that ServiceAccount', async () => {
    const { token, expires, spec } = await ask();
    expect(spec).toEqual({ audiences: [ISSUER], expirationSeconds: 3600 });
    expect(expires).toBe('2026-01-01T01:00:00Z');
    const known = await tokens.authenticateToken(token, []);
    expect(known).toEqual({
      audiences: [ISSUER],
      user: {
        name: 'system:serviceaccount:a:robot',
        uid: 'robot-uid',
        groups: ['system:serviceaccounts', 'system:serviceaccounts:a'],
        extra: { 'authentication.kubernetes.io/credential-id': [`JTI=${claimsIn(token).jti}`] },
      },
    });
  });

  test('bound to a pod names it and its node', async () => {
    const { token } = await ask(forPod);
    const extra = (await tokens.authenticateToken(token, []))?.user.extra;
    expect(extra).toMatchObject({
      'authentication.kubernetes.io/pod-name': ['web'],
      'authentication.kubernetes.io/pod-uid': ['web-uid'],
      'authentication.kubernetes.io/node-name': ['one'],
      'authentication.kubernetes.io/node-uid': ['one-uid'],
    });
  });

  test('as the kubelet asks for it lives a year and warns after the hour', async () => {
    const { token, expires } = await ask({ ...forPod, expirationSeconds: 3607 });
    const claims = claimsIn(token);
    expect(claims.exp - claims.iat).toBe(365 * 24 * 3600);
    expect(claims['kubernetes.io'].warnafter).toBe(claims.iat + 3607);
    expect(expires).toBe('2026-01-01T01:00:07Z');
  });

  test('can be verified by anybody with the published keys', async () => {
    const { token } = await ask();
    const { jwks_uri, issuer: named } = issuer.discoveryDocument();
    expect([jwks_uri, named]).toEqual(['https://10.0.0.1/openid/v1/jwks', ISSUER]);
    const keys = createLocalJWKSet((await issuer.jwks()) as never);
    const { payload } = await jwtVerify(token, keys, { issuer: ISSUER, currentDate: new Date(clock.now()) });
    expect(payload.sub).toBe('system:serviceaccount:a:robot');
    expect(JSON.stringify(await issuer.jwks())).not.toContain('"d"');
  });
});

describe('a token is refused', () => {
  const refused = (token: string, audiences: string[] = []) =>
    expect(tokens.authenticateToken(token, audiences)).rejects.toThrow();

  test('when its time is over, also when it was good before', async () => {
    const { token } = await ask({ expirationSeconds: 600 });
    expect(await tokens.authenticateToken(token, [])).toBeDefined();
    clock.advance(601_000);
    expect(await tokens.authenticateToken(token, [])).toBeDefined(); // clocks differ by up to a minute
    clock.advance(60_000);
    await expect(tokens.authenticateToken(token, [])).rejects.toThrow('service account token has expired');
  });

  test('for another audience', async () => {
    const { token } = await ask({ audiences: ['vault'] });
    await expect(tokens.authenticateToken(token, [])).rejects.toThrow(
      `token audiences ["vault"] is invalid for the target audiences ["${ISSUER}"]`,
    );
    expect((await tokens.authenticateToken(token, ['other', 'vault']))?.audiences).toEqual(['vault']);
  });

  test('when its ServiceAccount was made anew', async () => {
    const { token } = await ask();
    cluster.put({ ...account, metadata: { ...account.metadata, uid: 'another' } });
    await refused(token);
  });

  test('a minute after its pod was deleted, not before', async () => {
    const { token } = await ask(forPod);
    cluster.put({ ...pod, metadata: { ...pod.metadata, deletionTimestamp: new Date(clock.now()).toISOString() } });
    clock.advance(59_000);
    expect(await tokens.authenticateToken(token, [])).toBeDefined();
    clock.advance(2_000);
    await refused(token);
  });

  test('when it was changed', async () => {
    const { token } = await ask();
    const [header, , signature] = token.split('.');
    const claims = { ...claimsIn(token), sub: 'system:serviceaccount:a:admin' };
    const forged = `${header}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.${signature}`;
    await refused(forged);
  });

  test('when it was signed with the public key as a secret', async () => {
    const { token } = await ask();
    const { kid } = JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString());
    const key = (await issuer.keyWith(kid))?.key.export({ type: 'spki', format: 'pem' }) ?? '';
    const forged = await new SignJWT(claimsIn(token))
      .setProtectedHeader({ alg: 'HS256', kid })
      .sign(Buffer.from(key as string));
    await refused(forged);
  });

  test.each(['', 'x', 'a.b.c', `${'a'.repeat(20_000)}.b.c`])('is not one at all: %.10s', async (token) => {
    expect(await tokens.authenticateToken(token, [])).toBeUndefined();
  });

  test('of another cluster is not one of ours', async () => {
    const other = new TokenIssuer({ privateKey: newKey(), issuer: ISSUER, jwksUri: 'x', clock });
    const token = await other.issue(
      { namespace: 'a', serviceaccount: { name: 'robot', uid: 'robot-uid' } },
      [ISSUER],
      600,
    );
    await expect(tokens.authenticateToken(token, [])).rejects.toThrow('invalid signature, no keys found');
  });

  test('of another issuer is for others to look at', async () => {
    const other = new TokenIssuer({ privateKey: newKey(), issuer: 'https://elsewhere', jwksUri: 'x', clock });
    const token = await other.issue({ namespace: 'a', serviceaccount: { name: 'r', uid: 'u' } }, [ISSUER], 600);
    expect(await tokens.authenticateToken(token, [])).toBeUndefined();
  });

  test('in the words of upstream', async () => {
    const { token } = await ask(forPod);
    const rejection = (message: string) =>
      expect(tokens.authenticateToken(token, [])).rejects.toThrow(new RegExp(`^${message.replace(/[()]/g, '\\$&')}$`));
    cluster.put({ ...pod, metadata: { ...pod.metadata, uid: 'another' } });
    await rejection('pod UID (another) does not match service account pod ref claim (web-uid)');
    cluster.remove(pod);
    await rejection('service account token has been invalidated');
    cluster.put({ ...account, metadata: { ...account.metadata, uid: 'another' } });
    await rejection('service account UID (another) does not match claim (robot-uid)');
    cluster.remove(account);
    await rejection('serviceaccounts "robot" not found');
  });
});

test('a token past its warning is noted for the audit', async () => {
  const { token } = await ask({ ...forPod, expirationSeconds: 3607 });
  expect((await tokens.authenticateToken(token, []))?.annotations).toBeUndefined();
  clock.advance(3_617_000);
  expect((await tokens.authenticateToken(token, []))?.annotations).toEqual({
    'authentication.k8s.io/stale-token': 'subject: system:serviceaccount:a:robot, seconds after warning threshold: 10',
  });
});

test('who is known again is the same object', async () => {
  const { token } = await ask();
  const [first, second] = [await tokens.authenticateToken(token, []), await tokens.authenticateToken(token, [])];
  expect(first?.user).toBe(second?.user);
});

test.each([
  ['as text', (privateKey: string, formerPublicKeys: string[]) => ({ privateKey, formerPublicKeys })],
  ['read before', (privateKey: string, former: string[]) => ({ keys: signingKeysOf(privateKey, former) })],
])('a key of earlier days still verifies (%s)', async (_, given) => {
  const oldKey = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const privateKey = oldKey.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const former = new TokenIssuer({ privateKey, issuer: ISSUER, jwksUri: 'x', clock });
  const token = await former.issue(
    { namespace: 'a', serviceaccount: { name: 'robot', uid: 'robot-uid' } },
    [ISSUER],
    600,
  );
  const formerPublicKeys = [oldKey.publicKey.export({ type: 'spki', format: 'pem' }).toString()];
  const next = new TokenIssuer({ ...given(newKey(), formerPublicKeys), issuer: ISSUER, jwksUri: 'x', clock });
  const verifier = new ServiceAccountTokens({ issuer: next, live: cluster.live, clock });
  expect((await verifier.authenticateToken(token, []))?.user.name).toBe('system:serviceaccount:a:robot');
});

describe('a TokenRequest is refused', () => {
  test.each([
    [
      { expirationSeconds: 599 },
      422,
      'TokenRequest.authentication.k8s.io "" is invalid: spec.expirationSeconds: Invalid value: 599: may not specify a duration less than 10 minutes',
    ],
    [
      { expirationSeconds: 2 ** 33 },
      422,
      'TokenRequest.authentication.k8s.io "" is invalid: spec.expirationSeconds: Invalid value: 8589934592: may not specify a duration larger than 2^32 seconds',
    ],
    [{ boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name: 'lost' } }, 404, 'pods "lost" not found'],
    [
      { boundObjectRef: { ...forPod.boundObjectRef, uid: 'x' } },
      409,
      'Operation cannot be fulfilled on Pod "web": the UID in the bound object reference (x) does not match the UID in record. The object might have been deleted and then recreated',
    ],
    [
      { boundObjectRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'd' } },
      400,
      'cannot bind token to object of type apps/v1, Kind=Deployment',
    ],
  ])('%j', async (spec, code, message) => {
    await expect(ask(spec)).rejects.toMatchObject({ code, message });
  });

  test('names its account, and has nothing else of it', () => {
    const labelled = { ...account, metadata: { ...account.metadata, labels: { a: 'b' } } };
    const { metadata } = prepareTokenRequest(defaultedTokenRequest({}), labelled, { issuer, clock });
    expect(metadata).toEqual({
      name: 'robot',
      namespace: 'a',
      uid: 'robot-uid',
      creationTimestamp: '2026-01-01T00:00:00Z',
    });
  });

  test('about another account, or one that is no more', async () => {
    const wrong = (metadata: object) => () =>
      prepareTokenRequest(defaultedTokenRequest({ metadata }), account, { issuer, clock });
    expect(wrong({ name: 'x' })).toThrow(
      'TokenRequest.authentication.k8s.io "robot" is invalid: metadata.name: Invalid value: "x": must match the service account name if specified',
    );
    expect(wrong({ namespace: 'x' })).toThrow('must match the service account namespace if specified');
    expect(wrong({ uid: 'x' })).toThrow(
      'the UID in the token request (x) does not match the UID of the service account (robot-uid)',
    );
  });

  test('for a pod of another account', async () => {
    cluster.put(object('Pod', 'web', { spec: { serviceAccountName: 'other', containers: [] } }));
    await expect(ask(forPod)).rejects.toMatchObject({
      code: 400,
      message: 'cannot bind token for serviceaccount "robot" to pod running with different serviceaccount name.',
    });
  });
});
