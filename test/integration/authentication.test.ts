/** Who is believed to be whom, by real requests: webhooks, static tokens, front proxies, nobody, ServiceAccounts. */
import { writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import type { ServiceAccount } from '#api/core/v1/service-account.ts';
import { silentLog } from '#base/log.ts';
import { ApiServerFlags } from '#cmd/control-plane/api-server-flags.ts';
import { openAuthentication } from '#cmd/control-plane/authentication.ts';
import { expressions } from '#cmd/control-plane/expressions.ts';
import { systemClock, systemRandom } from '#cmd/system-clock.ts';
import { TokenIssuer } from '#control-plane/apiserver/authentication/token-issuer.ts';
import { serviceAccountTokens } from '#control-plane/controllers/service-account-token.ts';
import { startControllers } from '#control-plane/controllers/start-controllers.ts';
import { ask, authenticationFixture, bearer, reviewOf, until, whoAmI, withToken } from './authentication-fixture.ts';
import { type HttpsApiServer, startHttpsApiServer } from './https-api-server.ts';
import { kubeconfigOf, startReviewService } from './outside/https-service.ts';

const { file, start } = authenticationFixture();

const claimsIn = (payload: string): object => JSON.parse(Buffer.from(payload, 'base64url').toString());

describe('a webhook that knows tokens', () => {
  test('says who their bearers are, for a while', async () => {
    const reviews: Record<string, unknown>[] = [];
    const service = await startReviewService((review, headers) => {
      reviews.push({ ...review, authorization: headers['authorization'] });
      const { token } = review.spec as { token: string };
      if (token === 'broken') return { user: {}, error: 'no such token' };
      if (token !== 'letmein') return { authenticated: false, user: {} };
      return {
        authenticated: true,
        user: { username: 'jane', uid: 'u', groups: ['dev'], extra: { scope: ['a', 'b'] } },
      };
    });
    try {
      const api = await start({
        'authentication-token-webhook-config-file': file('hook', kubeconfigOf(service, { path: '/check', token: 's' })),
        'authentication-token-webhook-version': 'v1',
      });
      for (let i = 0; i < 3; i++)
        expect(await whoAmI(api, bearer('letmein'))).toEqual({
          username: 'jane',
          uid: 'u',
          groups: ['dev', 'system:authenticated'],
          extra: { scope: ['a', 'b'] },
        });
      expect(service.requests).toEqual(['POST /check']); // the answer is remembered
      expect(reviews[0]).toMatchObject({
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenReview',
        spec: { token: 'letmein' },
        authorization: 'Bearer s',
      });
      expect(await whoAmI(api, bearer('unknown'))).toBe(401);
      expect(await reviewOf(api, 'unknown')).toEqual({ user: {}, error: 'invalid bearer token' });
      expect(await reviewOf(api, 'broken')).toEqual({ user: {}, error: 'no such token' });
      expect(await reviewOf(api, 'letmein', ['vault'])).toEqual({ user: {}, error: 'invalid bearer token' });
    } finally {
      await service[Symbol.asyncDispose]();
    }
  });

  test('is asked again when it fails, and its failure is nobody', async () => {
    let count = 0;
    const service = await startReviewService(() => {
      count++;
      return count < 3 ? 500 : { authenticated: true, user: { username: 'jane' } };
    });
    try {
      const api = await start({
        'authentication-token-webhook-config-file': file('hook2', kubeconfigOf(service)),
      });
      expect(await whoAmI(api, bearer('x'))).toMatchObject({ username: 'jane' });
      expect(count).toBe(3);
    } finally {
      await service[Symbol.asyncDispose]();
    }
  });

  test('must be https', async () => {
    const path = file('hook3', kubeconfigOf({ url: 'http://127.0.0.1:1', ca: '' } as never));
    const starting = startHttpsApiServer({ flags: { 'authentication-token-webhook-config-file': path } });
    await expect(starting).rejects.toThrow('the server http://127.0.0.1:1 must be an https URL');
  });
});

test('tokens of a file are their users', async () => {
  const api = await start({ 'token-auth-file': file('tokens.csv', 'secret-1,robot,7,"machines,ci"\n') });
  expect(await whoAmI(api, bearer('secret-1'))).toEqual({
    username: 'robot',
    uid: '7',
    groups: ['machines', 'ci', 'system:authenticated'],
  });
  expect(await whoAmI(api, bearer('secret-2'))).toBe(401);
  await expect(startHttpsApiServer({ flags: { 'token-auth-file': '/nonexistent/none' } })).rejects.toThrow(
    /^--token-auth-file: .*none cannot be read: ENOENT/,
  );
});

describe('a front proxy', () => {
  const headers = {
    'x-remote-user': 'jane',
    'x-remote-group': ['dev', 'ops'],
    'x-remote-uid': 'u-1',
    'x-remote-extra-scopes': 'view',
  };

  test('of the aggregation layer says who is asking; others do not', async () => {
    const api = await start({});
    const { pki } = api;
    const proxy = pki.issueFrontProxyClient('front-proxy-client', { user: 'front-proxy-client' });
    expect(await whoAmI(api, { client: proxy, headers })).toEqual({
      username: 'jane',
      uid: 'u-1',
      groups: ['dev', 'ops', 'system:authenticated'],
      extra: { scopes: ['view'] },
    });
    const other = pki.issueFrontProxyClient('other', { user: 'other' });
    expect(await whoAmI(api, { client: other, headers })).toBe(401);
    const alice = pki.issueClient('alice', { user: 'alice' });
    expect(await whoAmI(api, { client: alice, headers })).toMatchObject({ username: 'alice' });
    expect(await whoAmI(api, { headers })).toBe(403); // nobody, who may not even ask that
  });

  test('of another authority is believed when it was named', async () => {
    const elsewhere = await startHttpsApiServer();
    try {
      const api = await start({
        'requestheader-client-ca-file': file('proxies.crt', elsewhere.pki.frontProxyCaCertificate),
        'requestheader-allowed-names': 'their-proxy',
        'requestheader-username-headers': 'X-Their-User',
      });
      const proxy = elsewhere.pki.issueFrontProxyClient('their', { user: 'their-proxy' });
      expect(await whoAmI(api, { client: proxy, headers: { 'x-their-user': 'jane' } })).toMatchObject({
        username: 'jane',
      });
      expect(await whoAmI(api, { client: proxy, headers })).toBe(401);
    } finally {
      await elsewhere[Symbol.asyncDispose]();
    }
  });
});

describe('nobody', () => {
  test('may ask for what roles give to everybody, unless that was switched off', async () => {
    const open = await start({});
    expect((await ask(open, '/livez')).code).toBe(200);
    expect((await ask(open, '/api')).code).toBe(403);
    await open[Symbol.asyncDispose]();
    const closed = await start({ 'anonymous-auth': 'false' });
    expect(await ask(closed, '/livez')).toMatchObject({
      code: 401,
      json: { kind: 'Status', status: 'Failure', message: 'Unauthorized', reason: 'Unauthorized', code: 401 },
    });
  });

  test('may ask where the configuration says so', async () => {
    const path = file(
      'anonymous.yaml',
      `apiVersion: apiserver.config.k8s.io/v1
kind: AuthenticationConfiguration
anonymous:
  enabled: true
  conditions:
  - path: /livez
`,
    );
    const api = await start({ 'authentication-config': path });
    expect((await ask(api, '/livez')).code).toBe(200);
    expect((await ask(api, '/readyz')).code).toBe(401);
    const both = startHttpsApiServer({ flags: { 'authentication-config': path, 'anonymous-auth': 'true' } });
    await expect(both).rejects.toThrow(/--anonymous-auth flag cannot be set/);
  });

  test('may not ask where everything is allowed', async () => {
    const api = await start({ 'authorization-mode': 'AlwaysAllow' });
    expect((await ask(api, '/api')).code).toBe(401);
  });

  test('may ask for more only after a new start', async () => {
    const text = 'apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\n';
    const path = file('later.yaml', text);
    const { pki } = await start({});
    const told: unknown[] = [];
    const clocks = { clock: systemClock, random: systemRandom };
    const authentication = openAuthentication({
      flags: new ApiServerFlags({ 'authentication-config': path }),
      expressions,
      log: { ...silentLog, error: (_message, fields) => void told.push(fields?.['error']) },
      reloadMs: 20,
      pki,
      tokenIssuer: new TokenIssuer({
        privateKey: pki.serviceAccountKey.privateKey,
        issuer: 'https://i',
        jwksUri: 'https://i/keys',
        ...clocks,
      }),
      ...clocks,
    });
    try {
      writeFileSync(path, `${text}anonymous:\n  enabled: false\n`);
      await until(async () => told.length > 0, 'the file was read again');
      expect(told).toEqual(['anonymous: Forbidden: changed from initial configuration file']);
    } finally {
      authentication.close();
    }
  });
});

test('a bootstrap token is a node that introduces itself, as long as its Secret is there', async () => {
  const api = await start({});
  const made = (more: object) =>
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'bootstrap-token-abcdef', namespace: 'kube-system' },
      type: 'bootstrap.kubernetes.io/token',
      stringData: {
        'token-id': 'abcdef',
        'token-secret': '0123456789abcdef',
        'usage-bootstrap-authentication': 'true',
        'auth-extra-groups': 'system:bootstrappers:racks',
        ...more,
      },
    });
  const token = bearer('abcdef.0123456789abcdef');
  expect(await whoAmI(api, token)).toBe(401);
  await api.kubectl(['create', '-f', '-'], made({}));
  expect(await whoAmI(api, token)).toMatchObject({
    username: 'system:bootstrap:abcdef',
    groups: ['system:bootstrappers', 'system:bootstrappers:racks', 'system:authenticated'],
  });
  expect(await whoAmI(api, bearer('abcdef.0123456789abcdee'))).toBe(401);
  await api.kubectl(['replace', '-f', '-'], made({ expiration: '2020-01-01T00:00:00Z' }));
  expect(await whoAmI(api, token)).toBe(401);
  await api.kubectl(['replace', '-f', '-'], made({ 'usage-bootstrap-authentication': 'false' }));
  expect(await whoAmI(api, token)).toBe(401);
});

describe('a ServiceAccount', () => {
  const create = (api: HttpsApiServer, object: object) => api.kubectl(['create', '-f', '-'], JSON.stringify(object));

  test('has tokens by kubectl, for an audience, for a while, bound to an object', async () => {
    const api = await start({});
    const { stdout } = await api.kubectl(['create', 'token', 'default', '--audience=vault', '--duration=20m']);
    const token = stdout.trim();
    const claims = claimsIn(token.split('.')[1] ?? '') as { aud: string[]; exp: number; iat: number; jti: string };
    expect(claims).toMatchObject({ aud: ['vault'], exp: claims.iat + 1200 });
    expect(await whoAmI(api, bearer(token))).toBe(401);
    expect(await reviewOf(api, token, ['vault', 'x'])).toMatchObject({
      authenticated: true,
      audiences: ['vault'],
      user: {
        username: 'system:serviceaccount:default:default',
        extra: { 'authentication.kubernetes.io/credential-id': [`JTI=${claims.jti}`] },
      },
    });
    expect(await reviewOf(api, token)).toMatchObject({
      error: expect.stringMatching(/^token audiences \["vault"\] is invalid for the target audiences \["https:/),
    });
    await create(api, { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'bound' } });
    const bound = await api.kubectl([
      'create',
      'token',
      'default',
      '--bound-object-kind=Secret',
      '--bound-object-name=bound',
    ]);
    expect(await whoAmI(api, bearer(bound.stdout.trim()))).toMatchObject({
      username: expect.stringMatching(/default$/),
    });
    await api.kubectl(['delete', 'secret', 'bound']);
    expect(await whoAmI(api, bearer(bound.stdout.trim()))).toBe(401);
    expect(await reviewOf(api, bound.stdout.trim())).toMatchObject({
      error: 'service account token has been invalidated',
    });
  });

  test('has tokens that a browser may send as a subprotocol of a WebSocket, beside one that is spoken', async () => {
    const api = await start({});
    const { stdout } = await api.kubectl(['create', 'token', 'default']);
    const offer = (token: string) =>
      `base64url.bearer.authorization.k8s.io.${Buffer.from(token).toString('base64url')}`;
    const token = offer(stdout.trim());
    const path = '/apis/authentication.k8s.io/v1/selfsubjectreviews';
    const answered = async (protocols: string[]): Promise<string> => {
      const url = `${api.url.replace('https', 'wss')}/api/v1/namespaces/default/configmaps?watch=1`;
      const socket = new WebSocket(url, protocols, { ca: api.pki.caCertificate });
      return new Promise((resolve) => {
        socket.once('open', () => resolve(`open ${socket.protocol}`));
        socket.once('unexpected-response', (_, answer) => resolve(String(answer.statusCode)));
        socket.once('error', ({ message }) => resolve(message));
      }).finally(() => socket.terminate()) as Promise<string>;
    };
    await create(api, {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRoleBinding',
      metadata: { name: 'default-views' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'view' },
      subjects: [{ kind: 'ServiceAccount', name: 'default', namespace: 'default' }],
    });
    await until(async () => (await answered([token, 'binary.k8s.io'])) !== '403', 'the binding is known');
    expect(await answered([token, 'binary.k8s.io'])).toBe('open binary.k8s.io');
    expect(await answered(['binary.k8s.io'])).toBe('403');
    expect(await answered([token])).toBe('401');
    expect(await answered([token, offer('x'), 'binary.k8s.io'])).toBe('401');
    expect(await answered([offer('nobody'), 'binary.k8s.io'])).toBe('401');
    expect(await answered([`${token}.`, 'binary.k8s.io'])).toBe('401');
    for (const protocols of [[offer('')], [offer(''), 'binary.k8s.io']]) expect(await answered(protocols)).toBe('403'); // no token at all
    // Of a request that is no WebSocket it says nothing.
    const headers = { 'sec-websocket-protocol': `${token}, binary.k8s.io` };
    const review = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' };
    expect((await ask(api, path, { headers, body: review })).code).toBe(403);
  });

  test('has tokens in Secrets, whose use is noted; one that was made by itself is warned of', async () => {
    const api = await start({});
    const { pki, api: inside } = api;
    const issuer = new TokenIssuer({
      privateKey: pki.serviceAccountKey.privateKey,
      issuer: 'x',
      jwksUri: 'x',
      clock: systemClock,
    });
    const secretTokens = {
      rootCa: pki.caCertificate,
      issue: ({ metadata: { namespace = '', name, uid } }: ServiceAccount, secret: string) =>
        issuer.issueLegacy({ namespace, serviceAccount: { name, uid }, secret }),
    };
    const running = startControllers({
      controllers: [serviceAccountTokens(secretTokens)],
      transportFor: () => inside.loopback.client.transport,
      kinds: inside.kinds,
      clock: systemClock,
      random: systemRandom,
      log: silentLog,
    });
    try {
      const annotations = { 'kubernetes.io/service-account.name': 'default' };
      const metadata = { name: 'default-token', annotations };
      await create(api, { apiVersion: 'v1', kind: 'Secret', metadata, type: 'kubernetes.io/service-account-token' });
      const read = async (path: string) =>
        (await api.kubectl(['get', 'secret', 'default-token', '-o', `jsonpath=${path}`])).stdout;
      await until(async () => (await read('{.data.token}')) !== '', 'the Secret is filled');
      const token = Buffer.from(await read('{.data.token}'), 'base64').toString();
      expect(await whoAmI(api, bearer(token))).toMatchObject({
        username: 'system:serviceaccount:default:default',
        groups: ['system:serviceaccounts', 'system:serviceaccounts:default', 'system:authenticated'],
      });
      expect(await read('{.metadata.labels}')).toMatch(/"kubernetes.io\/legacy-token-last-used":"\d{4}-\d\d-\d\d"/);
      await api.kubectl(['patch', 'serviceaccount', 'default', '-p', '{"secrets":[{"name":"default-token"}]}']);
      const { stderr } = await api.kubectl([`--kubeconfig=${withToken(file, api, token)}`, 'auth', 'whoami']);
      expect(stderr).toContain('Warning: Use tokens from the TokenRequest API or manually created secret-based tokens');
      await api.kubectl(['delete', 'secret', 'default-token']);
      expect(await whoAmI(api, bearer(token))).toBe(401);
    } finally {
      running.stop();
    }
  });
});
