/**
 * A claim that is not in the token, which says where to ask for it: there another token is got that has it. Source: OpenID
 * Connect Core 1.0, 5.6.2. Whom to ask is said by a token that was verified.
 */
import type { Clock } from '#base/clock.ts';
import { ExpiringCache } from '#base/expiring-cache.ts';
import type { Log } from '#base/log.ts';
import { HttpsClient } from '../../remote/https-client.ts';
import type { JwtAuthenticatorConfiguration } from '../authentication-configuration.ts';
import { IdentityProvider } from './identity-provider.ts';
import { MAX_TOKEN_LENGTH, partsOf, verifyToken } from './signed-token.ts';
import type { Claims } from './user-of-token.ts';

export interface DistributedClaimsOptions {
  configuration: JwtAuthenticatorConfiguration;
  /** The configured issuer itself: it may sign such claims too. */
  own: IdentityProvider;
  algorithms: readonly string[];
  clock: Clock;
  log: Log;
}

interface Source {
  endpoint?: string;
  access_token?: string;
}

const TIMEOUT_MS = 10_000;
/** As long as upstream remembers whom a token names. */
const REMEMBERED_MS = 10_000;
const MAX_REMEMBERED = 1024;
/** Those that have signed claims are remembered, the newest of them. */
const MAX_ISSUERS = 16;

export class DistributedClaims {
  readonly #claim: string;
  readonly #options: DistributedClaimsOptions;
  readonly #client: HttpsClient;
  readonly #answers: ExpiringCache<{ value: unknown }>;
  readonly #providers = new Map<string, IdentityProvider>();

  constructor(claim: string, options: DistributedClaimsOptions) {
    this.#claim = claim;
    this.#options = options;
    this.#answers = new ExpiringCache({ max: MAX_REMEMBERED, clock: options.clock });
    const ca = options.configuration.issuer.certificateAuthority;
    this.#client = new HttpsClient({ trust: { ca }, clock: options.clock, maxBytes: MAX_TOKEN_LENGTH });
  }

  close(): void {
    this.#client.close();
    for (const provider of this.#providers.values()) provider.close();
  }

  /** The claims together with the one that was meant to be asked for. Throws an Error with upstream's text. */
  async expand(claims: Claims): Promise<Claims> {
    const source = Object.hasOwn(claims, this.#claim) ? undefined : sourceOf(claims, this.#claim);
    const { endpoint, access_token: accessToken } = source ?? {};
    if (!endpoint) return claims;
    const key = JSON.stringify([endpoint, accessToken]);
    const known = this.#answers.get(key);
    if (known) return { ...claims, [this.#claim]: known.value };
    const value = await this.#resolve(endpoint, accessToken);
    this.#answers.set(key, { value }, REMEMBERED_MS);
    return { ...claims, [this.#claim]: value };
  }

  async #resolve(endpoint: string, accessToken: string | undefined): Promise<unknown> {
    const claim = this.#claim;
    const parts = partsOf(await this.#tokenAt(endpoint, accessToken));
    const issuer = parts?.claims['iss'];
    if (!parts || typeof issuer !== 'string')
      throw new Error(
        `getting untrusted issuer from endpoint ${endpoint} failed for claim ${JSON.stringify(claim)}: malformed token`,
      );
    const { configuration, clock } = this.#options;
    const provider = await this.#providerOf(issuer);
    try {
      await verifyToken(parts, { provider, audiences: configuration.issuer.audiences, clock });
    } catch (error) {
      throw new Error(`verify distributed claim token: ${(error as Error).message}`);
    }
    if (!Object.hasOwn(parts.claims, claim))
      throw new Error(
        `jwt returned by distributed claim endpoint ${JSON.stringify(endpoint)} did not contain claim: ${claim}`,
      );
    return parts.claims[claim];
  }

  async #tokenAt(url: string, accessToken: string | undefined): Promise<string> {
    const failed = (why: string) => new Error(`while getting distributed claim ${JSON.stringify(this.#claim)}: ${why}`);
    if (!isHttps(url)) throw failed(`${JSON.stringify(url)} is not https`);
    const headers = { ...(accessToken && { authorization: `Bearer ${accessToken}` }) };
    try {
      const { code, text } = await this.#client.send({ method: 'GET', url, headers, timeoutMs: TIMEOUT_MS });
      if (code === 200) return text.trim();
      throw new Error(`error while getting distributed claim JWT: ${code}`);
    } catch (error) {
      throw failed((error as Error).message);
    }
  }

  async #providerOf(url: string): Promise<IdentityProvider> {
    const unusable = new Error(
      `verifying untrusted issuer ${url} failed: verifier not initialized for issuer: "${url}"`,
    );
    if (!isHttps(url)) throw unusable;
    const { configuration, own, algorithms, clock, log } = this.#options;
    let provider = url === configuration.issuer.url ? own : this.#providers.get(url);
    if (!provider) {
      const { certificateAuthority } = configuration.issuer;
      const issuer = {
        url,
        audiences: configuration.issuer.audiences,
        ...(certificateAuthority && { certificateAuthority }),
      };
      provider = new IdentityProvider({ issuer, algorithms, clock, log });
      this.#remember(url, provider);
    }
    await provider.start();
    if (!provider.isReady) throw unusable;
    return provider;
  }

  #remember(url: string, provider: IdentityProvider): void {
    const [oldest] = this.#providers.keys();
    if (oldest !== undefined && this.#providers.size >= MAX_ISSUERS) {
      this.#providers.get(oldest)?.close();
      this.#providers.delete(oldest);
    }
    this.#providers.set(url, provider);
  }
}

/** undefined: nobody is to be asked for it. */
function sourceOf({ _claim_names: names, _claim_sources: sources }: Claims, claim: string): Source | undefined {
  if (names === undefined) return undefined;
  if (!isTextMap(names)) throw new Error('oidc: error parsing distributed claim names: not an object of strings');
  if (sources === undefined) throw new Error('oidc: no claim sources');
  if (!isSourceMap(sources)) throw new Error('oidc: could not parse claim sources: not an object of sources');
  const name = Object.hasOwn(names, claim) ? names[claim] : undefined;
  if (name === undefined) return undefined;
  const source = Object.hasOwn(sources, name) ? sources[name] : undefined;
  if (!source) throw new Error(`id token _claim_names contained a source ${name} missing in _claims_sources`);
  return source;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isTextMap = (value: unknown): value is Record<string, string> =>
  isObject(value) && Object.values(value).every((one) => typeof one === 'string');
const isSourceMap = (value: unknown): value is Record<string, Source> =>
  isObject(value) && Object.values(value).every(isSource);
const isSource = (value: unknown): value is Source =>
  isObject(value) &&
  [value['endpoint'], value['access_token']].every((one) => one === undefined || typeof one === 'string');

const isHttps = (url: string): boolean => URL.canParse(url) && new URL(url).protocol === 'https:';
