/** Signs ServiceAccount tokens (ES256), and publishes the keys with which anybody can verify them. */
import { createHash, createPrivateKey, createPublicKey, type KeyObject, randomUUID } from 'node:crypto';
import { exportJWK, SignJWT } from 'jose';
import type { Clock } from '#base/clock.ts';
import {
  type KubernetesClaims,
  LEGACY_ISSUER,
  LEGACY_PREFIX,
  type LegacyClaims,
  serviceAccountUserName,
} from './service-account-claims.ts';

export type TokenIssuerOptions = IssuerTerms & (KeyTexts | ReadKeys);

interface KeyTexts {
  /** PEM, an EC key on P-256. */
  privateKey: string;
  /** PEM: keys of earlier days, whose tokens still hold. */
  formerPublicKeys?: readonly string[];
  keys?: never;
}

/** For who makes many issuers with the same keys. */
interface ReadKeys {
  /** What `signingKeysOf` has read, those of earlier days among them. */
  keys: SigningKeys;
  privateKey?: never;
  formerPublicKeys?: never;
}

interface IssuerTerms {
  /** `https://kubernetes.default.svc.cluster.local`; also the API server's audience unless others are named. */
  issuer: string;
  audiences?: readonly string[];
  /** Where the JWKS is served to outsiders. */
  jwksUri: string;
  clock: Clock;
}

export interface SigningKeys {
  private: KeyObject;
  /** The one that belongs to it first. */
  public: readonly { id: string; key: KeyObject }[];
}

/** Read once for all issuers that sign with them. PEM, as in KeyTexts. */
export function signingKeysOf(privateKey: string, formerPublicKeys: readonly string[] = []): SigningKeys {
  const key = createPrivateKey(privateKey);
  if (key.asymmetricKeyDetails?.namedCurve !== 'prime256v1')
    throw new Error('the key of service accounts must be an EC key on P-256');
  const keys = [createPublicKey(key), ...formerPublicKeys.map((pem) => createPublicKey(pem))];
  return { private: key, public: keys.map((one) => ({ id: keyIdOf(one), key: one })) };
}

export class TokenIssuer {
  readonly issuer: string;
  /** What a token for the API server is meant for. */
  readonly audiences: readonly string[];
  readonly jwksUri: string;
  readonly #key: KeyObject;
  readonly #publicKeys: readonly { id: string; key: KeyObject }[];
  readonly #clock: Clock;

  constructor(options: TokenIssuerOptions) {
    const { issuer, audiences, jwksUri, clock } = options;
    this.issuer = issuer;
    this.audiences = audiences ?? [issuer];
    this.jwksUri = jwksUri;
    const keys = options.keys ?? signingKeysOf(options.privateKey, options.formerPublicKeys);
    this.#key = keys.private;
    this.#publicKeys = keys.public;
    this.#clock = clock;
  }

  /** `lifeSeconds` from now. */
  async issue(claims: KubernetesClaims, audiences: readonly string[], lifeSeconds: number): Promise<string> {
    const nowSeconds = Math.floor(this.#clock.now() / 1000);
    return new SignJWT({ 'kubernetes.io': claims })
      .setProtectedHeader({ alg: 'ES256', kid: this.#publicKeys[0]?.id ?? '' })
      .setAudience([...audiences])
      .setExpirationTime(nowSeconds + lifeSeconds)
      .setIssuedAt(nowSeconds)
      .setIssuer(this.issuer)
      .setJti(randomUUID())
      .setNotBefore(nowSeconds)
      .setSubject(serviceAccountUserName(claims.namespace, claims.serviceaccount.name))
      .sign(this.#key);
  }

  /** Without an end: as it stands in a Secret of type kubernetes.io/service-account-token. */
  async issueLegacy(claims: LegacyClaims): Promise<string> {
    const { namespace, serviceAccount, secret } = claims;
    return new SignJWT({
      [`${LEGACY_PREFIX}/namespace`]: namespace,
      [`${LEGACY_PREFIX}/secret.name`]: secret,
      [`${LEGACY_PREFIX}/service-account.name`]: serviceAccount.name,
      [`${LEGACY_PREFIX}/service-account.uid`]: serviceAccount.uid,
    })
      .setProtectedHeader({ alg: 'ES256', kid: this.#publicKeys[0]?.id ?? '' })
      .setIssuer(LEGACY_ISSUER)
      .setSubject(serviceAccountUserName(namespace, serviceAccount.name))
      .sign(this.#key);
  }

  /** By the id in a token's header. */
  publicKey(id: string): KeyObject | undefined {
    return this.#publicKeys.find((one) => one.id === id)?.key;
  }

  /** /openid/v1/jwks */
  async jwks(): Promise<{ keys: Record<string, unknown>[] }> {
    const keys = this.#publicKeys.map(async ({ id, key }) => ({
      use: 'sig',
      kid: id,
      alg: 'ES256',
      ...(await exportJWK(key)),
    }));
    return { keys: await Promise.all(keys) };
  }

  /** /.well-known/openid-configuration */
  discoveryDocument(): Record<string, unknown> {
    return {
      issuer: this.issuer,
      jwks_uri: this.jwksUri,
      response_types_supported: ['id_token'],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: ['ES256'],
    };
  }
}

/** As upstream makes it: the same key has the same id everywhere. */
const keyIdOf = (key: KeyObject): string =>
  createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest('base64url');
