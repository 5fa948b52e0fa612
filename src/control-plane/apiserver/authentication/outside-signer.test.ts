import { createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { Registry } from 'prom-client';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { KubeObject } from '#api/machinery/object.ts';
import { silentLog } from '#base/log.ts';
import { ManualClock } from '#base/manual-clock.ts';
import { type OutsideSigner, openOutsideSigner } from './outside-signer.ts';
import { type FetchedKeys, outsideSignerMethods, type SignedParts } from './outside-signer-api.ts';
import { ServiceAccountTokens } from './service-account-tokens.ts';
import { TokenIssuer } from './token-issuer.ts';
import { issueToken, shortened } from './token-request.ts';

type Answer<T> = (error: object | null, value?: T) => void;

/** A process that signs tokens, for tests: keys on P-256, and one of RSA where it is wanted. */
class TestOutsideSigner {
  maxLifeSeconds = 3600;
  refreshSeconds = 3600;
  /** Of which it signs with the first. */
  readonly keys = new Map<string, { privateKey: KeyObject; isHidden: boolean }>();
  /** How often for its keys. */
  fetched = 0;
  /** In place of what it would answer. */
  header: object | undefined;
  signature: string | undefined;
  fails = false;
  readonly #server = new Server();
  readonly #folder = mkdtempSync(join(tmpdir(), 'kedge-signer-'));
  readonly endpoint = `${this.#folder}/signer.sock`;

  add(id: string, { isRsa = false, isHidden = false } = {}): this {
    const { privateKey } = isRsa
      ? generateKeyPairSync('rsa', { modulusLength: 2048 })
      : generateKeyPairSync('ec', { namedCurve: 'P-256' });
    this.keys.set(id, { privateKey, isHidden });
    return this;
  }

  #sign(claims: string): SignedParts {
    const [id, { privateKey: key }] = [...this.keys][0]!;
    const isRsa = key.asymmetricKeyType === 'rsa';
    const made = this.header ?? { alg: isRsa ? 'RS256' : 'ES256', kid: id, typ: 'JWT' };
    const header = Buffer.from(JSON.stringify(made)).toString('base64url');
    const signature = sign('sha256', Buffer.from(`${header}.${claims}`), { key, dsaEncoding: 'ieee-p1363' });
    return { header, signature: this.signature ?? signature.toString('base64url') };
  }

  #fetched(): FetchedKeys {
    this.fetched++;
    const keys = [...this.keys].map(([id, { privateKey, isHidden }]) => ({
      key_id: id,
      key: publicPart(privateKey),
      exclude_from_oidc_discovery: isHidden,
    }));
    return { keys, data_timestamp: { seconds: 1, nanos: 0 }, refresh_hint_seconds: this.refreshSeconds };
  }

  async start(): Promise<this> {
    const { sign: signMethod, fetchKeys, metadata } = outsideSignerMethods();
    const unless = <T>(answer: Answer<T>, value: () => T) =>
      this.fails ? answer({ code: 13, details: 'no key today' }) : answer(null, value());
    this.#server.addService(
      { Sign: signMethod, FetchKeys: fetchKeys, Metadata: metadata },
      {
        Sign: ({ request }: { request: { claims: string } }, answer: Answer<SignedParts>) =>
          unless(answer, () => this.#sign(request.claims)),
        FetchKeys: (_: unknown, answer: Answer<FetchedKeys>) => unless(answer, () => this.#fetched()),
        Metadata: (_: unknown, answer: Answer<object>) =>
          unless(answer, () => ({ max_token_expiration_seconds: this.maxLifeSeconds })),
      },
    );
    await new Promise<void>((resolve, reject) =>
      this.#server.bindAsync(`unix:${this.endpoint}`, ServerCredentials.createInsecure(), (error) =>
        error ? reject(error) : resolve(),
      ),
    );
    return this;
  }

  stop(): void {
    this.#server.forceShutdown();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

const publicPart = (key: KeyObject): Buffer => createPublicKey(key).export({ type: 'spki', format: 'der' });

const ISSUER = 'https://kubernetes.default.svc';
const account = { metadata: { namespace: 'default', name: 'robot', uid: 'u1' } } as never;

let outside: TestOutsideSigner;
let clock: ManualClock;
let signer: OutsideSigner | undefined;

const open = async () => {
  signer = await openOutsideSigner({ endpoint: outside.endpoint, clock, log: silentLog });
  return new TokenIssuer({ signer, issuer: ISSUER, jwksUri: 'https://10.0.0.1/openid/v1/jwks', clock });
};
const tokensOf = (issuer: TokenIssuer) =>
  new ServiceAccountTokens({ issuer, live: async () => account as KubeObject as never, clock });
const claims = { namespace: 'default', serviceaccount: { name: 'robot', uid: 'u1' } };

beforeEach(async () => {
  clock = new ManualClock(Date.now()); // deadlines of calls are real
  outside = await new TestOutsideSigner().start();
});

afterEach(() => {
  signer?.close();
  signer = undefined;
  outside.stop();
});

test.each([
  ['ES256', false],
  ['RS256', true],
])('a token that another process has signed with %s is taken, and its key is published', async (alg, isRsa) => {
  outside.add('one', { isRsa }).add('old', { isHidden: true });
  const issuer = await open();
  const token = await issuer.issue(claims, [ISSUER], 600);
  const { user } = (await tokensOf(issuer).authenticateToken(token, []))!;
  expect(user.name).toBe('system:serviceaccount:default:robot');
  expect((await issuer.jwks()).keys).toEqual([expect.objectContaining({ kid: 'one', alg, use: 'sig' })]);
  expect(issuer.discoveryDocument()['id_token_signing_alg_values_supported']).toEqual([alg]);
});

test('a key that is not known yet is asked for, and one that is no longer there is forgotten', async () => {
  outside.add('one');
  const issuer = await open();
  const before = await issuer.issue(claims, [ISSUER], 600);
  outside.keys.clear();
  outside.add('two');
  const token = await issuer.issue(claims, [ISSUER], 600);
  expect(await tokensOf(issuer).authenticateToken(token, [])).toBeDefined();
  await expect(tokensOf(issuer).authenticateToken(before, [])).rejects.toThrow('invalid signature, no keys found');
});

test('tokens of keys that do not exist do not make it asked more than once a second', async () => {
  outside.add('one');
  const issuer = await open();
  const unknown = () => issuer.signer.keysWith('nobody');
  expect(await Promise.all([unknown(), unknown(), unknown()])).toEqual([[], [], []]);
  expect(outside.fetched).toBe(2); // the first time at the start
  outside.add('two');
  const waiting = [unknown(), issuer.signer.keysWith('two')];
  expect(clock.nextDueMs).toBe(clock.now() + 1000);
  clock.advance(1000);
  expect((await Promise.all(waiting)).map((keys) => keys.map(({ id }) => id))).toEqual([[], ['two']]);
  expect(outside.fetched).toBe(3);
});

test('what was asked of it is counted', async () => {
  outside.add('one');
  const issuer = await open();
  await issuer.issue(claims, [ISSUER], 600);
  outside.header = { typ: 'JWE' };
  await expect(issuer.issue(claims, [ISSUER], 600)).rejects.toThrow();
  outside.fails = true;
  await expect(issuer.issue(claims, [ISSUER], 600)).rejects.toThrow();
  await issuer.signer.keysWith('nobody');
  const registry = new Registry();
  signer!.counts.registerMetrics(registry);
  const lines = (await registry.metrics())
    .split('\n')
    .filter((line) => !line.startsWith('#') && !/_(bucket|sum)/.test(line));
  const at = 'apiserver_externaljwt';
  const call = (method: string, code: string) =>
    `${at}_request_duration_seconds_count{method="/v1.ExternalJWTSigner/${method}",code="${code}"}`;
  expect(lines.filter((line) => line !== '').sort()).toEqual(
    [
      `${at}_fetch_keys_success_timestamp ${clock.now() / 1000}`,
      `${at}_fetch_keys_data_timestamp 1`,
      `${at}_fetch_keys_request_total{code="OK"} 1`,
      `${at}_fetch_keys_request_total{code="Internal"} 1`,
      `${at}_sign_request_total{code="OK"} 1`,
      `${at}_sign_request_total{code="Internal"} 1`,
      `${at}_sign_request_total{code="unknown-non-grpc"} 1`,
      `${call('FetchKeys', 'OK')} 1`,
      `${call('FetchKeys', 'Internal')} 1`,
      `${call('Metadata', 'OK')} 1`,
      `${call('Sign', 'OK')} 2`,
      `${call('Sign', 'Internal')} 1`,
    ].sort(),
  );
});

test('its keys are asked for again when it says so; while it fails they stay', async () => {
  outside.add('one');
  const issuer = await open();
  expect([outside.fetched, signer!.keysHoldSeconds()]).toEqual([1, 3600]);
  outside.fails = true;
  clock.advance(3600_000);
  await expect.poll(() => clock.nextDueMs, { timeout: 20_000 }).toBe(clock.now() + 10_000);
  expect([issuer.signer.keys().length, signer!.keysHoldSeconds()]).toEqual([1, 0]);
  outside.fails = false;
  outside.add('two');
  clock.advance(10_000);
  await expect.poll(() => issuer.signer.keys().map(({ id }) => id), { timeout: 20_000 }).toEqual(['one', 'two']);
});

test.each([
  [{ typ: 'JWE' }, 'while validating header: bad type'],
  [{ kid: '' }, 'while validating header: key id missing'],
  [{ kid: 'x'.repeat(1025) }, 'while validating header: key id longer than 1 kb'],
  [{ alg: 'none' }, 'while validating header: bad signing algorithm "none"'],
  [{ crit: [] }, 'while validating header: while parsing header JSON: json: unknown field "crit"'],
  [{ kid: 'old' }, 'while validating header: key used for signing JWT (kid: old) is excluded from OIDC discovery docs'],
])('a token whose header has %j is not given out', async (part, why) => {
  outside.add('one').add('old', { isHidden: true });
  const issuer = await open();
  outside.header = { alg: 'ES256', kid: 'one', typ: 'JWT', ...part };
  await expect(issuer.issue(claims, [ISSUER], 600)).rejects.toThrow(why);
});

test('who asks for a token when nobody signs is told so', async () => {
  outside.add('one');
  const issuer = await open();
  const request = { spec: { audiences: [ISSUER], expirationSeconds: 600 } } as never;
  const asked = () => issueToken(request, account, { issuer, live: async () => undefined as never, clock });
  outside.signature = '';
  await expect(asked()).rejects.toMatchObject({
    code: 500,
    message: 'failed to generate token: empty signature returned',
  });
  outside.fails = true;
  await expect(asked()).rejects.toThrow('while signing jwt: rpc error: code = Internal desc = no key today');
});

test('tokens live no longer than it allows, and who wanted more is warned', async () => {
  outside.add('one');
  outside.maxLifeSeconds = 900;
  const issuer = await open();
  const warnings: string[] = [];
  const wanting = (expirationSeconds: number) =>
    shortened({ spec: { expirationSeconds } } as never, issuer, (text) => warnings.push(text)).spec.expirationSeconds;
  expect([wanting(900), wanting(3600)]).toEqual([900, 900]);
  expect(warnings).toEqual(['requested expiration of 3600 seconds shortened to 900 seconds']);
});

test.each<[string, (it: TestOutsideSigner) => void, string]>([
  [
    'no keys',
    () => undefined,
    'while initially filling key cache: while performing initial cache fill: while fetching token verification keys: found no keys',
  ],
  [
    'no time to ask again',
    (it) => Object.assign(it.add('one'), { refreshSeconds: 0 }),
    'while initially filling key cache: while performing initial cache fill: while fetching token verification keys: found invalid refresh hint (0s)',
  ],
  [
    'too short a life',
    (it) => Object.assign(it.add('one'), { maxLifeSeconds: 300 }),
    'max token life supported by external-jwt-signer (300s) is less than acceptable (min 600s)',
  ],
])('a process with %s cannot be used', async (_, prepare, why) => {
  prepare(outside);
  await expect(open()).rejects.toThrow(`while setting up external-jwt-signer: ${why}`);
});
