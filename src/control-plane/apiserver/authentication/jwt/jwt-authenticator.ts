/**
 * Users by a JWT of an issuer that the configuration names: signed by it, meant for us, in its time, and by its claims
 * somebody. Source: documentation, "OpenID Connect Tokens".
 */
import { decodeJwt, decodeProtectedHeader, errors } from 'jose';
import type { Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { JwtAuthenticatorConfiguration } from '../authentication-configuration.ts';
import type { Authenticated, TokenAuthenticator } from '../authenticator.ts';
import { type CompileExpression, type ClaimPrograms, claimProgramsOf } from './claim-programs.ts';
import { IdentityProvider } from './identity-provider.ts';
import { type Claims, userOfToken } from './user-of-token.ts';

export interface JwtAuthenticatorOptions {
  configuration: JwtAuthenticatorConfiguration;
  algorithms: readonly string[];
  compile: CompileExpression;
  clock: Clock;
  log: Log;
}

/** All that are taken when a configuration file names no algorithm. */
export const ALL_ALGORITHMS = [
  'ES256',
  'ES384',
  'ES512',
  'PS256',
  'PS384',
  'PS512',
  'RS256',
  'RS384',
  'RS512',
] as const;

const MAX_TOKEN_LENGTH = 64 * 1024;
/** Clocks of other machines may be ahead. */
const NOT_BEFORE_LEEWAY_SECONDS = 300;

export class JwtAuthenticator implements TokenAuthenticator {
  readonly #options: JwtAuthenticatorOptions;
  readonly #provider: IdentityProvider;
  readonly #programs: ClaimPrograms;

  constructor(options: JwtAuthenticatorOptions) {
    const { configuration, algorithms, compile, clock, log } = options;
    this.#options = options;
    this.#programs = claimProgramsOf(configuration, compile);
    this.#provider = new IdentityProvider({ issuer: configuration.issuer, algorithms, clock, log });
    this.#provider.start();
  }

  /** Whether the issuer has answered. */
  get isReady(): boolean {
    return this.#provider.isReady;
  }

  close(): void {
    this.#provider.close();
  }

  async authenticateToken(token: string): Promise<Authenticated | undefined> {
    const { configuration } = this.#options;
    const parts = token.length <= MAX_TOKEN_LENGTH ? partsOf(token) : undefined;
    if (parts?.claims['iss'] !== configuration.issuer.url) return undefined;
    if (!this.#provider.isReady) throw new Error('oidc: authenticator not initialized');
    const { claims, header } = parts;
    try {
      this.#checkAudience(claims);
      this.#checkTime(claims);
      await this.#provider.verify(token, header);
    } catch (error) {
      throw new Error(`oidc: verify token: ${(error as Error).message}`);
    }
    return { user: userOfToken(claims, configuration, this.#programs) };
  }

  #checkAudience({ aud }: Claims): void {
    const { audiences } = this.#options.configuration.issuer;
    const named = typeof aud === 'string' ? [aud] : Array.isArray(aud) ? aud.map(String) : [];
    if (named.some((one) => audiences.includes(one))) return;
    const got = list(named);
    throw new Error(
      audiences.length === 1
        ? `oidc: expected audience ${JSON.stringify(audiences[0])} got ${got}`
        : `oidc: expected audience in ${list([...audiences].sort())} got ${got}`,
    );
  }

  #checkTime({ exp, nbf }: Claims): void {
    const nowSeconds = this.#options.clock.now() / 1000;
    const expires = typeof exp === 'number' ? exp : 0;
    if (expires < nowSeconds) throw new Error(`oidc: token is expired (Token Expiry: ${timeText(expires)})`);
    if (typeof nbf === 'number' && nowSeconds + NOT_BEFORE_LEEWAY_SECONDS < nbf)
      throw new Error(`oidc: current time ${timeText(nowSeconds)} before the nbf (not before) time: ${timeText(nbf)}`);
  }
}

const list = (values: readonly string[]): string => `[${values.map((one) => JSON.stringify(one)).join(' ')}]`;
const timeText = (seconds: number): string => new Date(Math.min(seconds, 8e12) * 1000).toISOString();

/** undefined: not a JWT. Nothing in it has been verified. */
function partsOf(token: string): { claims: Claims; header: { kid?: string; alg?: string } } | undefined {
  try {
    return { claims: decodeJwt(token), header: decodeProtectedHeader(token) };
  } catch (error) {
    if (error instanceof TypeError || error instanceof errors.JOSEError) return undefined;
    throw error;
  }
}
