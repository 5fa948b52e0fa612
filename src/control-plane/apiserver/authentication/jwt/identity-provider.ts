/**
 * An OpenID Connect provider as far as an API server needs it: its discovery document, and the keys with which it signs.
 * Keys are fetched when a token is signed with one that is not known, at most once in a while. Source: OpenID Connect
 * Discovery 1.0; RFC 7517.
 */
import { createPublicKey, type KeyObject } from 'node:crypto';
import { compactVerify, errors } from 'jose';
import { type Clock, sleep } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import { type HttpsAnswer, HttpsClient } from '../../remote/https-client.ts';
import type { IssuerConfiguration } from '../authentication-configuration.ts';

const TIMEOUT_MS = 30_000;
/** Larger than any provider's documents. */
const MAX_DOCUMENT_BYTES = 1024 * 1024;
const MAX_KEYS = 200;
const RETRY_MS = 10_000;
/** Whoever sends tokens with made-up key ids does not make this server ask the provider each time. */
const MIN_BETWEEN_FETCHES_MS = 1000;

export interface IdentityProviderOptions {
  issuer: IssuerConfiguration;
  /** Algorithms that tokens may be signed with; none of them symmetric. */
  algorithms: readonly string[];
  clock: Clock;
  log: Log;
}

interface Key {
  id: string | undefined;
  key: KeyObject;
}

export class IdentityProvider {
  readonly #options: IdentityProviderOptions;
  readonly #client: HttpsClient;
  readonly #closed = new AbortController();
  #keysUrl: string | undefined;
  #keys: readonly Key[] = [];
  #tried: Promise<void> | undefined;
  #fetching: Promise<void> | undefined;
  #fetchedMs = Number.NEGATIVE_INFINITY;

  constructor(options: IdentityProviderOptions) {
    this.#options = options;
    const ca = options.issuer.certificateAuthority;
    this.#client = new HttpsClient({ trust: { ca }, clock: options.clock, maxBytes: MAX_DOCUMENT_BYTES });
  }

  /** Looks for the provider until it answers: it may itself run on this cluster. Resolves after the first try. */
  start(): Promise<void> {
    this.#tried ??= new Promise((tried) => void this.#discover(tried).then(tried));
    return this.#tried;
  }

  close(): void {
    this.#closed.abort();
    this.#client.close();
  }

  get isReady(): boolean {
    return this.#keysUrl !== undefined;
  }

  /** Whether the provider has signed this token. Throws an Error that says why it is not so. */
  async verify(token: string, { kid, alg }: { kid?: string; alg?: string }): Promise<void> {
    const { algorithms } = this.#options;
    if (!alg || !algorithms.includes(alg))
      throw new Error(
        `oidc: id token signed with unsupported algorithm, expected ${list(algorithms)} got ${JSON.stringify(alg ?? '')}`,
      );
    if (await this.#isSigned(token, kid)) return;
    await this.#fetchKeys();
    if (await this.#isSigned(token, kid)) return;
    throw new Error('failed to verify signature: failed to verify id token signature');
  }

  async #isSigned(token: string, kid: string | undefined): Promise<boolean> {
    for (const { id, key } of this.#keys) {
      if (kid !== undefined && id !== kid) continue;
      try {
        await compactVerify(token, key, { algorithms: [...this.#options.algorithms] });
        return true;
      } catch (error) {
        // A key of another kind is a TypeError; another key may still be the right one.
        if (!(error instanceof errors.JOSEError || error instanceof TypeError)) throw error;
      }
    }
    return false;
  }

  async #discover(tried: () => void): Promise<void> {
    const { issuer, clock, log } = this.#options;
    const { signal } = this.#closed;
    while (!signal.aborted && !this.isReady) {
      try {
        this.#keysUrl = await this.#askForKeysUrl();
        log.info('found an issuer of tokens', { issuer: issuer.url });
        tried();
      } catch (error) {
        tried();
        if (signal.aborted) return;
        log.warn('an issuer of tokens cannot be used yet', { issuer: issuer.url, error: (error as Error).message });
        await sleep(clock, RETRY_MS, signal).catch(() => undefined); // closed meanwhile
      }
    }
  }

  async #askForKeysUrl(): Promise<string> {
    const { url, discoveryURL } = this.#options.issuer;
    const at = discoveryURL ?? `${url.replace(/\/$/, '')}/.well-known/openid-configuration`;
    const document = documentIn(await this.#get(at), at);
    if (document['issuer'] !== url)
      throw new Error(
        `oidc: issuer did not match the issuer returned by provider, expected ${JSON.stringify(url)} got ${JSON.stringify(document['issuer'])}`,
      );
    const keysUrl = document['jwks_uri'];
    if (typeof keysUrl !== 'string' || !URL.canParse(keysUrl)) throw new Error('provider did not return JWKS URL');
    if (new URL(keysUrl).protocol !== 'https:') throw new Error(`oidc: the JWKS URL ${keysUrl} is not https`);
    return keysUrl;
  }

  /** One at a time, whoever asks. */
  #fetchKeys(): Promise<void> {
    this.#fetching ??= this.#fetchKeysOnce().finally(() => {
      this.#fetching = undefined;
    });
    return this.#fetching;
  }

  async #fetchKeysOnce(): Promise<void> {
    const { clock } = this.#options;
    const url = this.#keysUrl;
    const nowMs = clock.monotonicMs();
    if (!url || nowMs - this.#fetchedMs < MIN_BETWEEN_FETCHES_MS) return;
    this.#fetchedMs = nowMs;
    try {
      const { keys } = documentIn(await this.#get(url), url);
      this.#keys = Array.isArray(keys) ? keys.slice(0, MAX_KEYS).flatMap(keyIn) : [];
    } catch (error) {
      throw new Error(`failed to verify signature: fetching keys oidc: ${(error as Error).message}`);
    }
  }

  #get(url: string): Promise<HttpsAnswer> {
    return this.#client.send({ method: 'GET', url, headers: { accept: 'application/json' }, timeoutMs: TIMEOUT_MS });
  }
}

function documentIn({ code, text }: HttpsAnswer, url: string): Record<string, unknown> {
  if (code !== 200) throw new Error(`${code} from ${url}: ${text.slice(0, 200)}`);
  try {
    const document: unknown = JSON.parse(text);
    if (typeof document === 'object' && document !== null) return document as Record<string, unknown>;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw new Error(`${url} holds no JSON object`);
}

/** Only public keys that sign; others, and what cannot be read, are passed over. */
function keyIn(jwk: unknown): Key[] {
  if (typeof jwk !== 'object' || jwk === null) return [];
  const { kid, kty, use } = jwk as Record<string, unknown>;
  if ((kty !== 'RSA' && kty !== 'EC') || (use !== undefined && use !== 'sig')) return [];
  try {
    const key = createPublicKey({ key: jwk as JsonWebKey, format: 'jwk' });
    return [{ id: typeof kid === 'string' ? kid : undefined, key }];
  } catch (error) {
    if (error instanceof Error && 'code' in error) return [];
    throw error;
  }
}

type JsonWebKey = Extract<Parameters<typeof createPublicKey>[0], { format: 'jwk' }>['key'];

const list = (values: readonly string[]): string => `[${values.map((one) => JSON.stringify(one)).join(' ')}]`;
