import { generateKeyPairSync } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import type { KubeObject } from '#api/machinery/object.ts';
import { ManualClock } from '#base/manual-clock.ts';
import { type FixedInformers, fixedInformers } from '#testing/fixed-informers.ts';
import { LegacyTokens } from './legacy-tokens.ts';
import { TokenIssuer } from './token-issuer.ts';

const ISSUER = 'https://kubernetes.default.svc';
const privateKey = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  .privateKey.export({ type: 'pkcs8', format: 'pem' })
  .toString();
const account = (more: object = {}): KubeObject =>
  ({
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { name: 'robot', namespace: 'a', uid: 'robot-uid' },
    ...more,
  }) as unknown as KubeObject;

let clock: ManualClock;
let cluster: FixedInformers;
let issuer: TokenIssuer;
let tokens: LegacyTokens;
let token: string;
let labels: Record<string, string>[];

const secret = (held: string, metadata: object = {}): KubeObject =>
  ({
    apiVersion: 'v1',
    kind: 'Secret',
    type: 'kubernetes.io/service-account-token',
    metadata: { name: 'robot-token', namespace: 'a', uid: 's', ...metadata },
    data: { token: Buffer.from(held).toString('base64') },
  }) as unknown as KubeObject;

beforeEach(async () => {
  clock = new ManualClock();
  issuer = new TokenIssuer({ privateKey, issuer: ISSUER, jwksUri: 'x', clock });
  token = await issuer.issueLegacy({
    namespace: 'a',
    serviceAccount: { name: 'robot', uid: 'robot-uid' },
    secret: 'robot-token',
  });
  cluster = fixedInformers([account(), secret(token)]);
  labels = [];
  const label = async (_secret: unknown, written: Record<string, string>) => void labels.push(written);
  tokens = new LegacyTokens({ issuer, live: cluster.live, label, clock });
});

test('the token in a Secret is its ServiceAccount, and the day of its use is noted', async () => {
  const known = await tokens.authenticateToken(token, []);
  expect(known).toMatchObject({
    user: {
      name: 'system:serviceaccount:a:robot',
      uid: 'robot-uid',
      groups: ['system:serviceaccounts', 'system:serviceaccounts:a'],
    },
    audiences: [ISSUER],
    annotations: {
      'authentication.k8s.io/legacy-token': 'system:serviceaccount:a:robot',
      'authentication.k8s.io/legacy-token-manual-secret': 'robot-token',
    },
  });
  expect(known?.warnings).toBeUndefined();
  expect(labels).toEqual([{ 'kubernetes.io/legacy-token-last-used': '2026-01-01' }]);
});

test('one use a day is enough to note', async () => {
  cluster.put(secret(token, { labels: { 'kubernetes.io/legacy-token-last-used': '2026-01-02' } }));
  await tokens.authenticateToken(token, []);
  expect(labels).toEqual([]);
});

test('one that was made by itself is warned of', async () => {
  cluster.put(account({ secrets: [{ name: 'robot-token' }] }));
  expect((await tokens.authenticateToken(token, []))?.warnings).toEqual([
    'Use tokens from the TokenRequest API or manually created secret-based tokens instead of auto-generated secret-based tokens.',
  ]);
});

describe('it is refused', () => {
  test.each([
    ['when its Secret is gone', () => cluster.remove(secret('')), 'Token has been invalidated'],
    ['when the Secret holds another', () => cluster.put(secret('x')), "Token does not match server's copy"],
    ['when its account is gone', () => cluster.remove(account()), 'serviceaccounts "robot" not found'],
    [
      'when its account was made anew',
      () => cluster.put(account({ metadata: { name: 'robot', namespace: 'a', uid: 'new' } })),
      'ServiceAccount UID (new) does not match claim (robot-uid)',
    ],
    [
      'when it was marked invalid',
      () => cluster.put(secret(token, { labels: { 'kubernetes.io/legacy-token-invalid-since': '2025-12-01' } })),
      'the token in secret a/robot-token for service account a/robot has been marked invalid. Use tokens from',
    ],
  ])('%s', async (_when, change, message) => {
    change();
    await expect(tokens.authenticateToken(token, [])).rejects.toThrow(message);
  });

  test('for another audience', async () => {
    await expect(tokens.authenticateToken(token, ['vault'])).rejects.toThrow(
      `token audiences ["${ISSUER}"] is invalid for the target audiences ["vault"]`,
    );
  });

  test('when somebody else has signed it', async () => {
    const other = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
    const key = other.export({ type: 'pkcs8', format: 'pem' }).toString();
    const foreign = new TokenIssuer({ privateKey: key, issuer: ISSUER, jwksUri: 'x', clock });
    const claims = { namespace: 'a', serviceAccount: { name: 'robot', uid: 'robot-uid' }, secret: 'robot-token' };
    await expect(tokens.authenticateToken(await foreign.issueLegacy(claims), [])).rejects.toThrow('no keys found');
  });
});

test('tokens of other kinds are for others to look at', async () => {
  const bound = await issuer.issue({ namespace: 'a', serviceaccount: { name: 'r', uid: 'u' } }, [ISSUER], 600);
  expect(await tokens.authenticateToken(bound, [])).toBeUndefined();
  expect(await tokens.authenticateToken('x', [])).toBeUndefined();
});
