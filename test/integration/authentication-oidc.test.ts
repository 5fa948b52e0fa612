/** Issuers of JWTs: whom their tokens name, by real requests. */
import { writeFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { authenticationFixture, bearer, reviewOf, until, whoAmI, withToken } from './authentication-fixture.ts';
import { type HttpsApiServer, startHttpsApiServer } from './https-api-server.ts';
import { type IdentityProvider, startIdentityProvider } from './outside/identity-provider.ts';

const { file, start } = authenticationFixture();

const claimsIn = (payload: string): object => JSON.parse(Buffer.from(payload, 'base64url').toString());

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
    const { stdout } = await api.kubectl([`--kubeconfig=${withToken(file, api, token)}`, 'auth', 'whoami']);
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
    const { stdout: measured } = await api.kubectl(['get', '--raw', '/metrics']);
    const latency = 'apiserver_authentication_jwt_authenticator_latency_seconds_count';
    expect(measured).toMatch(new RegExp(`${latency}\\{result="success",jwt_issuer_hash="sha256:[0-9a-f]{64}"\\} \\d`));
    expect(measured).toMatch(new RegExp(`${latency}\\{result="failure",jwt_issuer_hash="sha256:[0-9a-f]{64}"\\} \\d`));
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
