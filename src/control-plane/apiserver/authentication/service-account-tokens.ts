/**
 * Users by ServiceAccount token. A token holds as long as its signature and its time, and as long as the ServiceAccount
 * and what it is bound to still exist: deleting a pod takes its tokens back.
 */
import { decodeJwt, decodeProtectedHeader, errors, jwtVerify } from 'jose';
import { Node } from '#api/core/v1/node.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { Secret } from '#api/core/v1/secret.ts';
import { ServiceAccount } from '#api/core/v1/service-account.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { notFound } from '#api/machinery/status.ts';
import type { Clock } from '#base/clock.ts';
import type { UserInfo } from '#client/transport.ts';
import type { LiveLookup } from '../live-lookup.ts';
import type { Authenticated, TokenAuthenticator } from './authenticator.ts';
import {
  claimsOf,
  type ObjectClaim,
  serviceAccountUserName,
  type TokenClaims,
  userOfClaims,
} from './service-account-claims.ts';
import type { TokenIssuer } from './token-issuer.ts';
import { algorithmOf } from './token-signer.ts';

const MAX_TOKEN_LENGTH = 16_384;
/** After its end, and after the deletion of what it is bound to: a pod that is going may still need it to say good-bye. */
const LEEWAY_SECONDS = 60;
const KEPT_VERIFICATIONS = 1_000;

export interface ServiceAccountTokenServices {
  issuer: TokenIssuer;
  live: LiveLookup;
  clock: Clock;
}

interface Verified {
  claims: TokenClaims;
  /** The same object each time. */
  user: UserInfo;
  expiresMs: number;
}

export class ServiceAccountTokens implements TokenAuthenticator {
  readonly #services: ServiceAccountTokenServices;
  /** Tokens whose signature was good, oldest first: a client sends the same one with every request. */
  readonly #verified = new Map<string, Verified>();

  constructor(services: ServiceAccountTokenServices) {
    this.#services = services;
  }

  async authenticateToken(token: string, audiences: readonly string[]): Promise<Authenticated | undefined> {
    const verified = await this.#verify(token);
    if (!verified) return undefined;
    const { claims } = verified;
    const wanted = audiences.length > 0 ? audiences : this.#services.issuer.audiences;
    const common = wanted.filter((one) => claims.aud.includes(one));
    if (common.length === 0)
      throw new Error(`token audiences ${list(claims.aud)} is invalid for the target audiences ${list(wanted)}`);
    await this.#refuseIfGone(claims);
    const annotations = this.#staleness(claims);
    return { user: verified.user, audiences: common, ...(annotations && { annotations }) };
  }

  async #verify(token: string): Promise<Verified | undefined> {
    const { issuer, clock } = this.#services;
    const kept = this.#verified.get(token);
    if (kept && kept.expiresMs > clock.now()) return kept;
    const keyId = keyIdOf(token, issuer.issuer);
    if (keyId === undefined) return undefined;
    const found = await issuer.keyWith(keyId);
    const algorithm = found && algorithmOf(found.key);
    if (!algorithm) throw new Error('invalid signature, no keys found');
    const options = { algorithms: [algorithm], issuer: issuer.issuer, currentDate: new Date(clock.now()) };
    const { payload } = await jwtVerify(token, found.key, {
      ...options,
      requiredClaims: ['exp'],
      clockTolerance: LEEWAY_SECONDS,
    }).catch(inUpstreamsWords);
    const claims = claimsOf(payload);
    if (!claims) throw new Error('token has no claims of a service account');
    const expiresMs = ((payload.exp ?? 0) + LEEWAY_SECONDS) * 1000;
    const verified = { claims, user: userOfClaims(claims), expiresMs };
    this.#verified.set(token, verified);
    if (this.#verified.size > KEPT_VERIFICATIONS) this.#verified.delete(this.#verified.keys().next().value ?? '');
    return verified;
  }

  /** A client that did not take a new token in time is noted for the audit. */
  #staleness({ 'kubernetes.io': { warnafter, namespace, serviceaccount } }: TokenClaims) {
    const nowSeconds = Math.floor(this.#services.clock.now() / 1000);
    if (!warnafter || nowSeconds <= warnafter) return undefined;
    const subject = serviceAccountUserName(namespace, serviceaccount.name);
    const text = `subject: ${subject}, seconds after warning threshold: ${nowSeconds - warnafter}`;
    return { 'authentication.k8s.io/stale-token': text };
  }

  async #refuseIfGone({ 'kubernetes.io': claims }: TokenClaims): Promise<void> {
    const { namespace, serviceaccount, pod, secret, node } = claims;
    const { live } = this.#services;
    const account = await live(ServiceAccount, { namespace, name: serviceaccount.name });
    if (!account) throw notFound(ServiceAccount, serviceaccount.name);
    if (account.metadata.uid !== serviceaccount.uid)
      throw new Error(`service account UID (${account.metadata.uid}) does not match claim (${serviceaccount.uid})`);
    if (this.#isGone(account)) throw new Error(`service account ${namespace}/${serviceaccount.name} has been deleted`);
    if (secret) this.#refuseUnlessBound(secret, await live(Secret, { namespace, name: secret.name }), 'secret');
    if (pod) this.#refuseUnlessBound(pod, await live(Pod, { namespace, name: pod.name }), 'pod');
    if (node?.uid && !pod)
      this.#refuseUnlessBound({ name: node.name, uid: node.uid }, await live(Node, { name: node.name }), 'node');
  }

  #refuseUnlessBound(claim: ObjectClaim, found: KubeObject | undefined, what: 'secret' | 'pod' | 'node'): void {
    if (!found) throw new Error(INVALIDATED);
    const { uid } = found.metadata;
    if (uid !== claim.uid) {
      throw new Error(`${what} UID (${uid}) does not match service account ${what} ref claim (${claim.uid})`);
    }
    if (this.#isGone(found)) throw new Error(INVALIDATED);
  }

  #isGone({ metadata: { deletionTimestamp } }: KubeObject): boolean {
    return (
      deletionTimestamp !== undefined &&
      Date.parse(deletionTimestamp) < this.#services.clock.now() - LEEWAY_SECONDS * 1000
    );
  }
}

const INVALIDATED = 'service account token has been invalidated';

function inUpstreamsWords(error: unknown): never {
  if (error instanceof errors.JWTExpired) throw new Error('service account token has expired');
  if (error instanceof errors.JWTClaimValidationFailed && error.claim === 'nbf')
    throw new Error('service account token is not valid yet');
  throw error;
}

const list = (values: readonly string[]): string => `[${values.map((one) => JSON.stringify(one)).join(' ')}]`;

/** undefined: not a token of this form, or of another issuer. Nothing in it has been verified. */
export function keyIdOf(token: string, issuer: string): string | undefined {
  if (token.length > MAX_TOKEN_LENGTH || token.split('.').length !== 3) return undefined;
  try {
    return decodeJwt(token).iss === issuer ? (decodeProtectedHeader(token).kid ?? '') : undefined;
  } catch (error) {
    if (error instanceof TypeError || error instanceof errors.JOSEError) return undefined;
    throw error;
  }
}
