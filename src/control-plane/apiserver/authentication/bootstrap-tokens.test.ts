import { expect, test } from 'vitest';
import type { KubeObject } from '#api/machinery/object.ts';
import { ManualClock } from '#base/manual-clock.ts';
import { fixedInformers } from '#testing/fixed-informers.ts';
import { bootstrapTokens } from './bootstrap-tokens.ts';

const clock = new ManualClock(Date.UTC(2026, 0, 1));
const good = {
  'token-id': 'abcdef',
  'token-secret': '0123456789abcdef',
  'usage-bootstrap-authentication': 'true',
  expiration: '2026-01-01T01:00:00Z',
  'auth-extra-groups': 'system:bootstrappers:kedge:default-node-token',
};
const TOKEN = 'abcdef.0123456789abcdef';

const secretWith = (fields: Record<string, string>, more: object = {}): KubeObject =>
  ({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { namespace: 'kube-system', name: 'bootstrap-token-abcdef', uid: 'u' },
    type: 'bootstrap.kubernetes.io/token',
    data: Object.fromEntries(
      Object.entries(fields).map(([key, value]) => [key, Buffer.from(value).toString('base64')]),
    ),
    ...more,
  }) as unknown as KubeObject;

const ask = (secret: KubeObject, token = TOKEN) =>
  bootstrapTokens({ live: fixedInformers([secret]).live, clock }).authenticateToken(token, []);

test('a bootstrap token is a node that introduces itself', async () => {
  expect(await ask(secretWith(good))).toEqual({
    user: {
      name: 'system:bootstrap:abcdef',
      groups: ['system:bootstrappers', 'system:bootstrappers:kedge:default-node-token'],
    },
  });
});

test.each([
  ['with another secret', secretWith(good), 'abcdef.0123456789abcdeg'],
  ['of another form', secretWith(good), 'ABCDEF.0123456789abcdef'],
  ['that is over', secretWith({ ...good, expiration: '2025-12-31T23:59:59Z' }), TOKEN],
  ['whose end cannot be read', secretWith({ ...good, expiration: 'soon' }), TOKEN],
  ['not for authentication', secretWith({ ...good, 'usage-bootstrap-authentication': 'false' }), TOKEN],
  ['for a group that it must not give', secretWith({ ...good, 'auth-extra-groups': 'system:masters' }), TOKEN],
  ['in a Secret of another type', secretWith(good, { type: 'Opaque' }), TOKEN],
  ['in a Secret of another id', secretWith({ ...good, 'token-id': 'fedcba' }), TOKEN],
])('a token %s is nobody', async (_what, secret, token) => {
  expect(await ask(secret, token)).toBeUndefined();
});
