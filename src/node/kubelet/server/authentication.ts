/** Who calls: a client certificate of the cluster's CA, or a bearer token that the API server vouches for. */
import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { TokenReview } from '#api/authentication/v1/token-review.ts';
import { StatusError } from '#api/machinery/status.ts';
import type { Clock } from '#base/clock.ts';
import type { Client } from '#client/client.ts';
import { Unreachable, type UserInfo } from '#client/transport.ts';
import { ExpiringCache } from './expiring-cache.ts';

export interface AuthenticationOptions {
  client: Client;
  clock: Clock;
}

/** Upstream's authentication.webhook.cacheTTL. */
const REMEMBER_MS = 120_000;
const REMEMBERED = 1000;
const MAX_TOKEN_LENGTH = 64 * 1024;

export class Authentication {
  readonly #options: AuthenticationOptions;
  readonly #tokens: ExpiringCache<UserInfo | undefined>;

  constructor(options: AuthenticationOptions) {
    this.#options = options;
    this.#tokens = new ExpiringCache(options.clock, REMEMBERED);
  }

  /** undefined: nobody that is known. */
  async userOf(request: IncomingMessage): Promise<UserInfo | undefined> {
    return certificateUser(request.socket as TLSSocket) ?? (await this.#tokenUser(request.headers.authorization));
  }

  async #tokenUser(header: string | undefined): Promise<UserInfo | undefined> {
    const [, token] = /^bearer +(\S+)$/i.exec(header ?? '') ?? [];
    if (!token || token.length > MAX_TOKEN_LENGTH) return undefined;
    const key = createHash('sha256').update(token).digest('hex');
    return this.#tokens.getOrMake(key, async () => ({ value: await this.#review(token), forMs: REMEMBER_MS }));
  }

  async #review(token: string): Promise<UserInfo | undefined> {
    try {
      const { status } = await this.#options.client.create(TokenReview, { metadata: {}, spec: { token } });
      const user = status?.authenticated ? status.user : undefined;
      if (!user?.username) return undefined;
      return {
        name: user.username,
        groups: user.groups ?? [],
        ...(user.uid && { uid: user.uid }),
        ...(user.extra && { extra: user.extra as Record<string, string[]> }),
      };
    } catch (error) {
      if (error instanceof StatusError || error instanceof Unreachable) return undefined;
      throw error;
    }
  }
}

/** The subject's common name is the user, its organizations are the groups. The chain was checked by TLS. */
function certificateUser(socket: TLSSocket): UserInfo | undefined {
  if (!socket.authorized) return undefined;
  const { subject } = socket.getPeerCertificate() ?? {};
  if (!subject?.CN) return undefined;
  const organizations = subject.O as string | string[] | undefined;
  return { name: String(subject.CN), groups: [...[organizations ?? []].flat(), 'system:authenticated'] };
}
