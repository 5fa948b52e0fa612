/**
 * Who is asking. An authenticator looks at what came with a request and says which user that is; it decides nothing about
 * what the user may do. Source: Kubernetes documentation, "Authenticating".
 */
import type { X509Certificate } from 'node:crypto';
import type { Soon } from '#base/soon.ts';
import type { UserInfo } from '#client/transport.ts';

export interface Credentials {
  /** The peer's certificate as the TLS layer got it. Whether it is to be trusted is for the authenticator to say. */
  clientCertificate?: X509Certificate;
  /** What follows `Bearer ` in Authorization, or came by the WebSocket subprotocol. */
  bearerToken?: string;
  /** Names in lower case, as Node gives them. */
  headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Of the request, without its query: where it leads decides whether nobody may ask. */
  path?: string;
}

export interface Authenticated {
  user: UserInfo;
  /** Which of the API server's audiences the token was meant for; undefined for other credentials. */
  audiences?: readonly string[];
  /** For the client, as `Warning: 299`. */
  warnings?: readonly string[];
  /** For the audit event of the request. */
  annotations?: Readonly<Record<string, string>>;
}

export interface Authenticator {
  /** undefined: nothing here that this one knows. Throws StatusError Unauthorized when the credentials are bad. */
  authenticate(credentials: Credentials): Soon<Authenticated | undefined>;
}

/** Answers a TokenReview and feeds the bearer token authenticator. */
export interface TokenAuthenticator {
  /**
   * `audiences` are those the asker would accept; empty means the API server's own.
   * undefined: not a token of this kind. Throws Error with the reason when it is one and is not valid.
   */
  authenticateToken(token: string, audiences: readonly string[]): Promise<Authenticated | undefined>;
}

export const ANONYMOUS = 'system:anonymous';
export const UNAUTHENTICATED_GROUP = 'system:unauthenticated';
export const AUTHENTICATED_GROUP = 'system:authenticated';
export const MASTERS_GROUP = 'system:masters';
