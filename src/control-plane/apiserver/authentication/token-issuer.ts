/** Issues ServiceAccount tokens, and publishes the keys with which anybody can verify them. */
import { randomUUID } from 'node:crypto';
import { exportJWK } from 'jose';
import type { Clock } from '#base/clock.ts';
import {
  type KubernetesClaims,
  LEGACY_ISSUER,
  LEGACY_PREFIX,
  type LegacyClaims,
  serviceAccountUserName,
} from './service-account-claims.ts';
import {
  algorithmOf,
  ownSigner,
  type SigningKeys,
  signingKeysOf,
  type TokenSigner,
  type VerificationKey,
} from './token-signer.ts';

export type TokenIssuerOptions = IssuerTerms & (KeyTexts | ReadKeys | Outside);

interface KeyTexts {
  /** PEM, an EC key on P-256. */
  privateKey: string;
  /** PEM: keys of earlier days, whose tokens still hold. */
  formerPublicKeys?: readonly string[];
  keys?: never;
  signer?: never;
}

/** For who makes many issuers with the same keys. */
interface ReadKeys {
  /** What `signingKeysOf` has read, those of earlier days among them. */
  keys: SigningKeys;
  privateKey?: never;
  formerPublicKeys?: never;
  signer?: never;
}

/** Keys that are not this server's. */
interface Outside {
  signer: TokenSigner;
  keys?: never;
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

export class TokenIssuer {
  readonly issuer: string;
  /** What a token for the API server is meant for. */
  readonly audiences: readonly string[];
  readonly jwksUri: string;
  readonly signer: TokenSigner;
  readonly #clock: Clock;

  constructor(options: TokenIssuerOptions) {
    const { issuer, audiences, jwksUri, clock, signer } = options;
    this.issuer = issuer;
    this.audiences = audiences ?? [issuer];
    this.jwksUri = jwksUri;
    this.signer = signer ?? ownSigner(options.keys ?? signingKeysOf(options.privateKey, options.formerPublicKeys));
    this.#clock = clock;
  }

  /** `lifeSeconds` from now. Throws what an outside signer says. */
  async issue(claims: KubernetesClaims, audiences: readonly string[], lifeSeconds: number): Promise<string> {
    const nowSeconds = Math.floor(this.#clock.now() / 1000);
    return this.signer.sign({
      aud: [...audiences],
      exp: nowSeconds + lifeSeconds,
      iat: nowSeconds,
      iss: this.issuer,
      jti: randomUUID(),
      'kubernetes.io': claims,
      nbf: nowSeconds,
      sub: serviceAccountUserName(claims.namespace, claims.serviceaccount.name),
    });
  }

  /** Without an end: as it stands in a Secret of type kubernetes.io/service-account-token. */
  async issueLegacy(claims: LegacyClaims): Promise<string> {
    const { namespace, serviceAccount, secret } = claims;
    return this.signer.sign({
      [`${LEGACY_PREFIX}/namespace`]: namespace,
      [`${LEGACY_PREFIX}/secret.name`]: secret,
      [`${LEGACY_PREFIX}/service-account.name`]: serviceAccount.name,
      [`${LEGACY_PREFIX}/service-account.uid`]: serviceAccount.uid,
      iss: LEGACY_ISSUER,
      sub: serviceAccountUserName(namespace, serviceAccount.name),
    });
  }

  /** By the id in a token's header. */
  async keyWith(id: string): Promise<VerificationKey | undefined> {
    return (await this.signer.keysWith(id))[0];
  }

  /** /openid/v1/jwks */
  async jwks(): Promise<{ keys: Record<string, unknown>[] }> {
    const keys = this.#published().map(async ({ id, key }) => ({
      use: 'sig',
      kid: id,
      alg: algorithmOf(key),
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
      id_token_signing_alg_values_supported: [...new Set(this.#published().map(({ key }) => algorithmOf(key)))].sort(),
    };
  }

  #published(): VerificationKey[] {
    return this.signer.keys().filter(({ isHidden }) => !isHidden);
  }
}
