/**
 * Users by a JWT of an issuer that the configuration names: signed by it, meant for us, in its time, and by its claims
 * somebody. Source: documentation, "OpenID Connect Tokens".
 */
import type { Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { JwtAuthenticatorConfiguration } from '../authentication-configuration.ts';
import type { Authenticated, TokenAuthenticator } from '../authenticator.ts';
import { type ClaimPrograms, type CompileExpression, claimProgramsOf } from './claim-programs.ts';
import { DistributedClaims } from './distributed-claims.ts';
import { IdentityProvider } from './identity-provider.ts';
import { partsOf, verifyToken } from './signed-token.ts';
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

export class JwtAuthenticator implements TokenAuthenticator {
  readonly #options: JwtAuthenticatorOptions;
  readonly #provider: IdentityProvider;
  readonly #programs: ClaimPrograms;
  readonly #distributed: DistributedClaims | undefined;

  constructor(options: JwtAuthenticatorOptions) {
    const { configuration, algorithms, compile, clock, log } = options;
    this.#options = options;
    this.#programs = claimProgramsOf(configuration, compile);
    this.#provider = new IdentityProvider({ issuer: configuration.issuer, algorithms, clock, log });
    const groups = configuration.claimMappings.groups?.claim;
    this.#distributed = groups ? new DistributedClaims(groups, { ...options, own: this.#provider }) : undefined;
    void this.#provider.start();
  }

  get issuer(): string {
    return this.#options.configuration.issuer.url;
  }

  /** Whether the issuer has answered. */
  get isReady(): boolean {
    return this.#provider.isReady;
  }

  close(): void {
    this.#provider.close();
    this.#distributed?.close();
  }

  async authenticateToken(token: string): Promise<Authenticated | undefined> {
    const { configuration, clock } = this.#options;
    const parts = partsOf(token);
    if (parts?.claims['iss'] !== configuration.issuer.url) return undefined;
    if (!this.#provider.isReady) throw new Error('oidc: authenticator not initialized');
    try {
      await verifyToken(parts, { provider: this.#provider, audiences: configuration.issuer.audiences, clock });
    } catch (error) {
      throw new Error(`oidc: verify token: ${(error as Error).message}`);
    }
    return { user: userOfToken(await this.#wholeClaims(parts.claims), configuration, this.#programs) };
  }

  async #wholeClaims(claims: Claims): Promise<Claims> {
    try {
      return (await this.#distributed?.expand(claims)) ?? claims;
    } catch (error) {
      throw new Error(`oidc: could not expand distributed claims: ${(error as Error).message}`);
    }
  }
}
