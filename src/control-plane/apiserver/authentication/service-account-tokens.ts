/**
 * Users by ServiceAccount token. A token holds as long as its signature and its time, and as long as the ServiceAccount
 * and what it is bound to still exist: deleting a pod takes its tokens back.
 */
import { decodeProtectedHeader, errors, jwtVerify } from 'jose';
import { Node } from '#api/core/v1/node.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { Secret } from '#api/core/v1/secret.ts';
import { ServiceAccount } from '#api/core/v1/service-account.ts';
import type { Kind } from '#api/machinery/kind.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import type { Clock } from '#base/clock.ts';
import type { LiveLookup } from '../live-lookup.ts';
import type { Authenticated, TokenAuthenticator } from './authenticator.ts';
import { claimsOf, type ObjectClaim, type TokenClaims, userOfClaims } from './service-account-claims.ts';
import type { TokenIssuer } from './token-issuer.ts';

const MAX_TOKEN_LENGTH = 16_384;
// A pod that is going may still need its token to say good-bye.
const LEEWAY_AFTER_DELETION_MS = 60_000;
const KEPT_VERIFICATIONS = 1_000;

export interface ServiceAccountTokenServices {
  issuer: TokenIssuer;
  live: LiveLookup;
  clock: Clock;
}

interface Verified {
  claims: TokenClaims;
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
    return { user: userOfClaims(claims), audiences: common };
  }

  async #verify(token: string): Promise<Verified | undefined> {
    const { issuer, clock } = this.#services;
    const kept = this.#verified.get(token);
    if (kept && kept.expiresMs > clock.now()) return kept;
    const keyId = keyIdOf(token);
    const key = keyId === undefined ? undefined : issuer.publicKey(keyId);
    if (!key) return undefined;
    const options = { algorithms: ['ES256'], issuer: issuer.issuer, currentDate: new Date(clock.now()) };
    const { payload } = await jwtVerify(token, key, { ...options, requiredClaims: ['exp'] });
    const claims = claimsOf(payload);
    if (!claims) throw new Error('token has no claims of a service account');
    const verified = { claims, expiresMs: (payload.exp ?? 0) * 1000 };
    this.#verified.set(token, verified);
    if (this.#verified.size > KEPT_VERIFICATIONS) this.#verified.delete(this.#verified.keys().next().value ?? '');
    return verified;
  }

  async #refuseIfGone({ 'kubernetes.io': claims }: TokenClaims): Promise<void> {
    const { namespace, serviceaccount, pod, secret, node } = claims;
    await this.#refuseUnlessThere(ServiceAccount, namespace, serviceaccount);
    if (secret) await this.#refuseUnlessThere(Secret, namespace, secret);
    if (pod) await this.#refuseUnlessThere(Pod, namespace, pod);
    if (node?.uid && !pod) await this.#refuseUnlessThere(Node, '', { name: node.name, uid: node.uid });
  }

  async #refuseUnlessThere<T extends KubeObject>(kind: Kind<T>, namespace: string, claim: ObjectClaim) {
    const found = await this.#services.live(kind, { name: claim.name, ...(namespace && { namespace }) });
    const what = `${kind.kind} ${namespace ? `${namespace}/` : ''}${claim.name}`;
    if (!found) throw new Error(`${what} does not exist`);
    if (found.metadata.uid !== claim.uid) throw new Error(`${what} is another one than the token was made for`);
    const deleted = found.metadata.deletionTimestamp;
    if (deleted && Date.parse(deleted) < this.#services.clock.now() - LEEWAY_AFTER_DELETION_MS)
      throw new Error(`${what} has been deleted`);
  }
}

const list = (values: readonly string[]): string => `[${values.map((one) => JSON.stringify(one)).join(' ')}]`;

/** undefined: not a token of this form. */
function keyIdOf(token: string): string | undefined {
  if (token.length > MAX_TOKEN_LENGTH || token.split('.').length !== 3) return undefined;
  try {
    return decodeProtectedHeader(token).kid;
  } catch (error) {
    if (error instanceof TypeError || error instanceof errors.JOSEError) return undefined;
    throw error;
  }
}
