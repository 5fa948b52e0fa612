/**
 * Tokens that stand in Secrets of type kubernetes.io/service-account-token. They have no end: they hold as long as the
 * Secret holds them, and the day of their last use is written on it. Source: documentation, "Managing Service Accounts".
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { jwtVerify } from 'jose';
import { Secret } from '#api/core/v1/secret.ts';
import { ServiceAccount } from '#api/core/v1/service-account.ts';
import { notFound } from '#api/machinery/status.ts';
import type { Clock } from '#base/clock.ts';
import type { LiveLookup } from '../live-lookup.ts';
import type { Authenticated, TokenAuthenticator } from './authenticator.ts';
import { LEGACY_ISSUER, LEGACY_PREFIX, type LegacyClaims, serviceAccountUserName } from './service-account-claims.ts';
import { keyIdOf } from './service-account-tokens.ts';
import type { TokenIssuer } from './token-issuer.ts';
import { algorithmOf } from './token-signer.ts';

export interface LegacyTokenServices {
  issuer: TokenIssuer;
  live: LiveLookup;
  /** Writes labels on a Secret, if it is still this one. */
  label(secret: Secret, labels: Record<string, string>): Promise<void>;
  clock: Clock;
}

const INVALID_SINCE = 'kubernetes.io/legacy-token-invalid-since';
const LAST_USED = 'kubernetes.io/legacy-token-last-used';
const GENERATED_WARNING =
  'Use tokens from the TokenRequest API or manually created secret-based tokens instead of auto-generated secret-based tokens.';
const DAY_MS = 24 * 3_600_000;

export class LegacyTokens implements TokenAuthenticator {
  readonly #services: LegacyTokenServices;

  constructor(services: LegacyTokenServices) {
    this.#services = services;
  }

  async authenticateToken(token: string, audiences: readonly string[]): Promise<Authenticated | undefined> {
    const { issuer } = this.#services;
    const keyId = keyIdOf(token, LEGACY_ISSUER);
    if (keyId === undefined) return undefined;
    const found = await issuer.keyWith(keyId);
    const algorithm = found && algorithmOf(found.key);
    if (!algorithm) throw new Error('invalid signature, no keys found');
    const { payload } = await jwtVerify(token, found.key, { algorithms: [algorithm], issuer: LEGACY_ISSUER });
    const common = audiences.length > 0 ? audiences.filter((one) => issuer.audiences.includes(one)) : issuer.audiences;
    if (common.length === 0)
      throw new Error(
        `token audiences ${list(issuer.audiences)} is invalid for the target audiences ${list(audiences)}`,
      );
    const claims = claimsIn(payload);
    const { secret, account } = await this.#held(token, claims);
    const use = await this.#use(secret, account, claims);
    const { namespace, serviceAccount } = claims;
    const subject = serviceAccountUserName(namespace, serviceAccount.name);
    return {
      user: {
        name: subject,
        uid: serviceAccount.uid,
        groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`],
      },
      audiences: common,
      ...use,
      annotations: { 'authentication.k8s.io/legacy-token': subject, ...use.annotations },
    };
  }

  async #held(token: string, { namespace, secret: name, serviceAccount }: LegacyClaims) {
    const { live } = this.#services;
    const secret = await live(Secret, { namespace, name });
    if (!secret || secret.metadata.deletionTimestamp) throw new Error('Token has been invalidated');
    const held = Buffer.from(secret.data?.['token'] ?? '', 'base64').toString('utf8');
    if (!timingSafeEqual(digest(held), digest(token))) throw new Error("Token does not match server's copy");
    const account = await live(ServiceAccount, { namespace, name: serviceAccount.name });
    if (!account) throw notFound(ServiceAccount, serviceAccount.name);
    if (account.metadata.deletionTimestamp)
      throw new Error(`ServiceAccount ${namespace}/${serviceAccount.name} has been deleted`);
    if (account.metadata.uid !== serviceAccount.uid)
      throw new Error(`ServiceAccount UID (${account.metadata.uid}) does not match claim (${serviceAccount.uid})`);
    return { secret, account };
  }

  /** What is noted of its use. Throws when it was marked invalid. */
  async #use(
    secret: Secret,
    account: ServiceAccount,
    claims: LegacyClaims,
  ): Promise<Pick<Authenticated, 'warnings' | 'annotations'>> {
    const { name, namespace, labels } = secret.metadata;
    await this.#noteUse(secret);
    if (labels?.[INVALID_SINCE])
      throw new Error(
        `the token in secret ${namespace}/${name} for service account ${namespace}/${claims.serviceAccount.name} has been marked invalid. ` +
          'Use tokens from the TokenRequest API or manually created secret-based tokens, ' +
          `or remove the '${INVALID_SINCE}' label from the secret to temporarily allow use of this token`,
      );
    const isGenerated = account.secrets?.some((ref) => ref.name === name) ?? false;
    return isGenerated
      ? {
          warnings: [GENERATED_WARNING],
          annotations: { 'authentication.k8s.io/legacy-token-autogenerated-secret': name },
        }
      : { annotations: { 'authentication.k8s.io/legacy-token-manual-secret': name } };
  }

  /** Once a day; another server's clock may already be in the next. */
  async #noteUse(secret: Secret): Promise<void> {
    const nowMs = this.#services.clock.now();
    const today = dayOf(nowMs);
    const noted = secret.metadata.labels?.[LAST_USED];
    if (noted !== today && noted !== dayOf(nowMs + DAY_MS)) await this.#services.label(secret, { [LAST_USED]: today });
  }
}

const dayOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10);
const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
const list = (values: readonly string[]): string => `[${values.map((one) => JSON.stringify(one)).join(' ')}]`;

function claimsIn(payload: Record<string, unknown>): LegacyClaims {
  const text = (name: string, claim: string) => {
    const value = payload[name];
    if (typeof value === 'string' && value) return value;
    throw new Error(`${claim} claim is missing`);
  };
  const subject = text('sub', 'sub');
  const namespace = text(`${LEGACY_PREFIX}/namespace`, 'namespace');
  const secret = text(`${LEGACY_PREFIX}/secret.name`, 'secretName');
  const name = text(`${LEGACY_PREFIX}/service-account.name`, 'serviceAccountName');
  const uid = text(`${LEGACY_PREFIX}/service-account.uid`, 'serviceAccountUID');
  if (subject !== serviceAccountUserName(namespace, name)) throw new Error('sub claim is invalid');
  return { namespace, secret, serviceAccount: { name, uid } };
}
