/** Who is believed to be whom, by real requests: issuers of JWTs, webhooks, static tokens, front proxies, nobody. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import type { ServiceAccount } from '#api/core/v1/service-account.ts';
import { silentLog } from '#base/log.ts';
import { ApiServerFlags } from '#cmd/control-plane/api-server-flags.ts';
import { openAuthentication } from '#cmd/control-plane/authentication.ts';
import { expressions } from '#cmd/control-plane/expressions.ts';
import { systemClock, systemRandom } from '#cmd/system-clock.ts';
import { TokenIssuer } from '#control-plane/apiserver/authentication/token-issuer.ts';
import { serviceAccountTokens } from '#control-plane/controllers/service-account-token.ts';
import { startControllers } from '#control-plane/controllers/start-controllers.ts';
import { type HttpsApiServer, startHttpsApiServer } from './https-api-server.ts';
import { kubeconfigOf, startReviewService } from './outside/https-service.ts';
import { type IdentityProvider, startIdentityProvider } from './outside/identity-provider.ts';

const directory = mkdtempSync(join(tmpdir(), 'authentication-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));
const file = (name: string, content: string): string => {
  const path = join(directory, name);
  writeFileSync(path, content);
  return path;
};

let server: HttpsApiServer | undefined;
afterEach(async () => {
  await server?.[Symbol.asyncDispose]();
  server = undefined;
});
const start = async (flags: Record<string, string>): Promise<HttpsApiServer> => {
  server = await startHttpsApiServer({ flags });
  return server;
};

const until = (holds: () => Promise<boolean>, what: string, timeout = 10_000): Promise<void> =>
  vi.waitFor(async () => expect(await holds(), what).toBe(true), { timeout, interval: 50 });

interface Ask {
  headers?: Record<string, string | string[]>;
  client?: { certificate: string; key: string };
  body?: object;
}

function ask({ url, pki }: HttpsApiServer, path: string, { headers = {}, client, body }: Ask = {}) {
  return new Promise<{ code: number; headers: Record<string, unknown>; json: Record<string, unknown> }>(
    (resolve, reject) => {
      const sent = request(
        `${url}${path}`,
        {
          method: body ? 'POST' : 'GET',
          headers: { ...headers, ...(body && { 'content-type': 'application/json' }) },
          ca: pki.caCertificate,
          agent: false,
          ...(client && { cert: client.certificate, key: client.key }),
        },
        (answer) => {
          const chunks: Buffer[] = [];
          answer.on('data', (chunk: Buffer) => chunks.push(chunk));
          answer.on('end', () => {
            const text = Buffer.concat(chunks).toString();
            const json = text.startsWith('{') ? JSON.parse(text) : { text };
            resolve({ code: answer.statusCode ?? 0, headers: answer.headers, json });
          });
        },
      );
      sent.on('error', reject);
      sent.end(body && JSON.stringify(body));
    },
  );
}

/** Who the server takes the asker for, or the code of its refusal. */
async function whoAmI(api: HttpsApiServer, asked: Ask): Promise<Record<string, unknown> | number> {
  const review = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' };
  const { code, json } = await ask(api, '/apis/authentication.k8s.io/v1/selfsubjectreviews', {
    ...asked,
    body: review,
  });
  return code === 201 ? (json as { status: { userInfo: Record<string, unknown> } }).status.userInfo : code;
}
const bearer = (token: string): Ask => ({ headers: { authorization: `Bearer ${token}` } });

async function reviewOf(api: HttpsApiServer, token: string, audiences?: string[]) {
  const review = {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenReview',
    spec: { token, ...(audiences && { audiences }) },
  };
  const client = api.pki.issueClient('asker', { user: 'asker', groups: ['system:masters'] });
  const { json } = await ask(api, '/apis/authentication.k8s.io/v1/tokenreviews', { client, body: review });
  return (json as { status: Record<string, unknown> }).status;
}

/** Stock kubectl with nothing but a token. */
function withToken(api: HttpsApiServer, token: string): string {
  const cluster = {
    server: api.url,
    'certificate-authority-data': Buffer.from(api.pki.caCertificate).toString('base64'),
  };
  return file(
    'kubeconfig',
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: 'c', cluster }],
      users: [{ name: 'u', user: { token } }],
      contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
      'current-context': 'x',
    }),
  );
}

describe('an OpenID Connect issuer', () => {
  let provider: IdentityProvider;
  beforeAll(async () => {
    provider = await startIdentityProvider();
  });
  afterAll(() => provider[Symbol.asyncDispose]());
  afterEach(() => provider.instead.clear());

  const configuration = (more: object = {}, issuer: object = {}) =>
    JSON.stringify({
      apiVersion: 'apiserver.config.k8s.io/v1',
      kind: 'AuthenticationConfiguration',
      jwt: [
        {
          issuer: { url: provider.url, audiences: ['kedge'], certificateAuthority: provider.ca, ...issuer },
          claimMappings: {
            username: { claim: 'sub', prefix: 'oidc:' },
            groups: { claim: 'roles', prefix: 'oidc:' },
            uid: { claim: 'uid' },
          },
          claimValidationRules: [{ claim: 'tenant', requiredValue: 'acme' }],
          ...more,
        },
      ],
    });
  const good = { tenant: 'acme', uid: 'u-1', roles: ['dev', 'ops'], jti: 'j-1' };
  const ready = (api: HttpsApiServer) =>
    until(async () => (await whoAmI(api, bearer(await provider.token(good)))) !== 401, 'the issuer is known');

  test('names users, their groups and uids, as the configuration says; stock kubectl shows it', async () => {
    const api = await start({ 'authentication-config': file('a.yaml', configuration()) });
    await ready(api);
    const token = await provider.token(good);
    expect(await whoAmI(api, bearer(token))).toEqual({
      username: 'oidc:jane',
      uid: 'u-1',
      groups: ['oidc:dev', 'oidc:ops', 'system:authenticated'],
      extra: { 'authentication.kubernetes.io/credential-id': ['JTI=j-1'] },
    });
    const { stdout } = await api.kubectl([`--kubeconfig=${withToken(api, token)}`, 'auth', 'whoami']);
    expect(stdout).toMatch(/Username\s+oidc:jane/);
  });

  test('is asked for its keys once, and again when it signs with another', async () => {
    const api = await start({ 'authentication-config': file('b.yaml', configuration()) });
    await ready(api);
    const before = provider.requests.length;
    for (let i = 0; i < 5; i++) await whoAmI(api, bearer(await provider.token(good)));
    expect(provider.requests.length).toBe(before);
    provider.rotate();
    const token = await provider.token(good);
    await until(async () => (await whoAmI(api, bearer(token))) !== 401, 'the new key is known');
    const madeUp = await provider.token(good, { kid: 'made-up' });
    const asked = provider.requests.length;
    for (let i = 0; i < 5; i++) expect(await whoAmI(api, bearer(madeUp))).toBe(401);
    expect(provider.requests.length - asked).toBeLessThan(3); // made-up keys are no way to have it flooded
  });

  test('is not believed beyond that', async () => {
    const api = await start({ 'authentication-config': file('c.yaml', configuration()) });
    await ready(api);
    const past = Math.floor(Date.now() / 1000) - 10;
    const refusals: [object, RegExp][] = [
      [{ ...good, aud: 'other' }, /^oidc: verify token: oidc: expected audience "kedge" got \["other"\]$/],
      [{ ...good, exp: past }, /^oidc: verify token: oidc: token is expired \(Token Expiry: /],
      [{ ...good, nbf: past + 3600 }, /^oidc: verify token: oidc: current time .* before the nbf/],
      [{ ...good, tenant: 'evil' }, /required claim tenant value does not match. Got = evil, want = acme$/],
      [{ ...good, tenant: undefined }, /^oidc: required claim tenant not present in ID token$/],
      [{ ...good, sub: 7 }, /^oidc: parse username claims "sub"/],
      [{ ...good, roles: [1] }, /^oidc: parse groups claim "roles"/],
      [{ ...good, uid: undefined }, /^oidc: parse uid claim "uid": claim not present$/],
    ];
    for (const [claims, error] of refusals) {
      const token = await provider.token(claims);
      expect(await whoAmI(api, bearer(token))).toBe(401);
      expect(await reviewOf(api, token)).toMatchObject({ user: {}, error: expect.stringMatching(error) });
    }
    const [header = '', payload = '', signature = ''] = (await provider.token(good)).split('.');
    const root = Buffer.from(JSON.stringify({ ...claimsIn(payload), sub: 'root' })).toString('base64url');
    const unsigned = Buffer.from(JSON.stringify({ alg: 'none' })).toString('base64url');
    for (const forged of [`${header}.${root}.${signature}`, `${unsigned}.${payload}.`, `${header}.${payload}.`])
      expect(await whoAmI(api, bearer(forged))).toBe(401);
  });

  test('by flags is prefixed by its address, and signs with what is allowed', async () => {
    const flags = {
      'oidc-issuer-url': provider.url,
      'oidc-client-id': 'kedge',
      'oidc-ca-file': file('ca.crt', provider.ca),
      'oidc-groups-claim': 'roles',
      'oidc-required-claim': 'tenant=acme',
    };
    const api = await start(flags);
    await ready(api);
    expect(await whoAmI(api, bearer(await provider.token({ ...good, roles: 'dev' })))).toMatchObject({
      username: `${provider.url}#jane`,
      groups: ['dev', 'system:authenticated'],
    });
    const other = await provider.token(good, { alg: 'RS512' });
    expect(await reviewOf(api, other)).toMatchObject({
      error: 'oidc: verify token: oidc: id token signed with unsupported algorithm, expected ["RS256"] got "RS512"',
    });
  });

  test('that answers with a redirect is not followed', async () => {
    const elsewhere = await startIdentityProvider();
    try {
      provider.instead.set('/.well-known/openid-configuration', {
        code: 302,
        headers: { location: `${elsewhere.url}/.well-known/openid-configuration` },
      });
      const api = await start({ 'authentication-config': file('d.yaml', configuration()) });
      await until(async () => provider.requests.length > 0, 'the issuer was asked');
      expect(await reviewOf(api, await provider.token(good))).toMatchObject({
        error: 'oidc: authenticator not initialized',
      });
      expect(elsewhere.requests).toEqual([]);
    } finally {
      await elsewhere[Symbol.asyncDispose]();
    }
  });

  test('may have its discovery document elsewhere', async () => {
    provider.instead.set('/moved', {
      code: 200,
      body: JSON.stringify({ issuer: provider.url, jwks_uri: `${provider.url}/keys` }),
    });
    const discoveryURL = `${provider.url}/moved`;
    const api = await start({ 'authentication-config': file('e.yaml', configuration({}, { discoveryURL })) });
    await ready(api);
    expect(provider.requests).toContain('GET /moved');
  });

  describe('may leave it to another to say the groups', () => {
    let other: IdentityProvider;
    beforeAll(async () => {
      other = await startIdentityProvider();
    });
    afterAll(() => other[Symbol.asyncDispose]());
    const both = () =>
      start({
        'authentication-config': file(
          'groups.yaml',
          configuration({}, { certificateAuthority: `${provider.ca}\n${other.ca}` }),
        ),
      });
    const { roles: _none, ...nameless } = good;
    const pointing = (source: object = { endpoint: `${other.url}/claims`, access_token: 'open sesame' }) =>
      provider.token({ ...nameless, _claim_names: { roles: 'src' }, _claim_sources: { src: source } });
    const claims = async (token: Promise<string>) =>
      other.instead.set('/claims', { code: 200, body: await token, bearer: 'open sesame' });

    test('which is asked with the token that was given for that', async () => {
      await claims(other.token({ roles: ['far'] }));
      const api = await both();
      await ready(api);
      expect(await whoAmI(api, bearer(await pointing()))).toMatchObject({
        username: 'oidc:jane',
        groups: ['oidc:far', 'system:authenticated'],
      });
      // What it said holds for a while.
      const asked = other.requests.length;
      expect(await whoAmI(api, bearer(await pointing()))).toMatchObject({ username: 'oidc:jane' });
      expect(other.requests.length).toBe(asked);
    });

    test('in a token of its own too', async () => {
      const api = await both();
      await ready(api);
      provider.instead.set('/claims', { code: 200, body: await provider.token({ roles: 'near' }) });
      expect(await whoAmI(api, bearer(await pointing({ endpoint: `${provider.url}/claims` })))).toMatchObject({
        groups: ['oidc:near', 'system:authenticated'],
      });
    });

    test('who is not asked when they are there, or when nobody is named', async () => {
      const api = await both();
      await ready(api);
      const before = other.requests.length;
      const sources = { _claim_names: { roles: 'src' }, _claim_sources: { src: { endpoint: `${other.url}/claims` } } };
      const here = await whoAmI(api, bearer(await provider.token({ ...good, ...sources })));
      expect(here).toMatchObject({ groups: ['oidc:dev', 'oidc:ops', 'system:authenticated'] });
      const elsewhere = { ...sources, _claim_names: { colour: 'src' } };
      const none = await whoAmI(api, bearer(await provider.token({ ...nameless, ...elsewhere })));
      expect(none).toMatchObject({ groups: ['system:authenticated'] });
      expect(other.requests.length).toBe(before);
    });

    test('and is not believed beyond that', async () => {
      const api = await both();
      await ready(api);
      const refusal = async (token: Promise<string>) => (await reviewOf(api, await token))['error'];
      const prefix = 'oidc: could not expand distributed claims: ';
      await claims(other.token({ roles: ['far'], aud: 'others' }));
      expect(await refusal(pointing())).toBe(
        `${prefix}verify distributed claim token: oidc: expected audience "kedge" got ["others"]`,
      );
      await claims(other.token({ roles: ['far'], exp: 1 }));
      expect(await refusal(pointing())).toContain('oidc: token is expired');
      await claims(other.token({ roles: ['far'], iss: provider.url }));
      expect(await refusal(pointing())).toContain('failed to verify signature');
      await claims(other.token({ roles: ['far'], iss: 'https://127.0.0.1:1' }));
      expect(await refusal(pointing())).toBe(
        `${prefix}verifying untrusted issuer https://127.0.0.1:1 failed: verifier not initialized for issuer: "https://127.0.0.1:1"`,
      );
      await claims(other.token({}));
      expect(await refusal(pointing())).toBe(
        `${prefix}jwt returned by distributed claim endpoint "${other.url}/claims" did not contain claim: roles`,
      );
      await claims(Promise.resolve('no token'));
      expect(await refusal(pointing())).toContain(`getting untrusted issuer from endpoint ${other.url}/claims failed`);
      expect(await refusal(pointing({ endpoint: `${other.url}/claims`, access_token: 'wrong' }))).toBe(
        `${prefix}while getting distributed claim "roles": error while getting distributed claim JWT: 403`,
      );
      expect(await refusal(pointing({ endpoint: 'http://127.0.0.1:1/' }))).toContain('is not https');
      expect(await refusal(provider.token({ ...nameless, _claim_names: { roles: 'src' } }))).toBe(
        `${prefix}oidc: no claim sources`,
      );
      expect(
        await refusal(provider.token({ ...nameless, _claim_names: { roles: 'src' }, _claim_sources: {} })),
      ).toContain('contained a source src missing');
      expect(await refusal(provider.token({ ...nameless, _claim_names: 'x' }))).toContain(
        'error parsing distributed claim names',
      );
    });
  });

  test('may be mapped and judged by expressions', async () => {
    const api = await start({
      'authentication-config': file(
        'cel.yaml',
        configuration({
          claimMappings: {
            username: { expression: "'cel:' + claims.sub" },
            groups: { expression: "claims.roles.map(r, 'cel:' + r)" },
            extra: [{ key: 'example.com/tenant', valueExpression: 'claims.tenant' }],
          },
          claimValidationRules: [{ expression: "claims.tenant == 'acme'", message: 'only acme' }],
          userValidationRules: [{ expression: "!user.username.endsWith('root')", message: 'root is not for you' }],
        }),
      ),
    });
    await ready(api);
    expect(await whoAmI(api, bearer(await provider.token(good)))).toEqual({
      username: 'cel:jane',
      groups: ['cel:dev', 'cel:ops', 'system:authenticated'],
      extra: {
        'authentication.kubernetes.io/credential-id': ['JTI=j-1'],
        'example.com/tenant': ['acme'],
      },
    });
    for (const [claims, error] of [
      [{ ...good, tenant: 'evil' }, "validation expression 'claims.tenant == 'acme'' failed: only acme"],
      [{ ...good, sub: 'root' }, 'failed: root is not for you'],
      [{ ...good, roles: undefined }, 'no such key: roles'],
    ] as const) {
      const token = await provider.token(claims);
      expect(await whoAmI(api, bearer(token))).toBe(401);
      expect(await reviewOf(api, token)).toMatchObject({ error: expect.stringContaining(error) });
    }
  });

  test('that the file no longer names is no longer believed, and a broken file changes nothing', async () => {
    const path = file('f.yaml', configuration());
    const api = await start({ 'authentication-config': path });
    await ready(api);
    const token = await provider.token(good);
    writeFileSync(path, 'nonsense: [');
    expect(await whoAmI(api, bearer(token))).toMatchObject({ username: 'oidc:jane' });
    const changed = { claimMappings: { username: { claim: 'sub', prefix: 'new:' } } };
    writeFileSync(path, configuration(changed));
    await until(
      async () => JSON.stringify(await whoAmI(api, bearer(token))).includes('new:jane'),
      'the new mapping holds',
    );
    writeFileSync(path, 'apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\n');
    await until(async () => (await whoAmI(api, bearer(token))) === 401, 'nobody is believed');
  });

  test.each([
    [
      { issuer: { url: 'http://x', audiences: ['a'] } },
      'jwt[0].issuer.url: Invalid value: "http://x": URL scheme must be https',
    ],
    [{ claimMappings: {} }, 'jwt[0].claimMappings.username: Required value: claim or expression is required'],
    [
      { claimMappings: { username: { expression: 'claims.' } } },
      'jwt[0].claimMappings.username.expression: Invalid value: "claims.": compilation failed: ERROR: <input>:1:8',
    ],
    [{ typo: 1 }, 'strict decoding error: unknown field "jwt[0].typo"'],
  ])('with %j does not start', async (more, message) => {
    const path = file('g.yaml', configuration(more));
    await expect(startHttpsApiServer({ flags: { 'authentication-config': path } })).rejects.toThrow(message);
  });
});

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
  await expect(startHttpsApiServer({ flags: { 'token-auth-file': join(directory, 'none') } })).rejects.toThrow(
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
      const { stderr } = await api.kubectl([`--kubeconfig=${withToken(api, token)}`, 'auth', 'whoami']);
      expect(stderr).toContain('Warning: Use tokens from the TokenRequest API or manually created secret-based tokens');
      await api.kubectl(['delete', 'secret', 'default-token']);
      expect(await whoAmI(api, bearer(token))).toBe(401);
    } finally {
      running.stop();
    }
  });
});
