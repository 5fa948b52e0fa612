/**
 * Whose request it is: authenticated, acting as somebody else perhaps, and on record from here on where the policy says so.
 */
import { StatusError } from '#api/machinery/status.ts';
import type { Clock } from '#base/clock.ts';
import { type Soon, soon } from '#base/soon.ts';
import type { UserInfo } from '#client/transport.ts';
import type { AuditedRequest } from '../audit/audited-request.ts';
import { type Auditor, type ReceivedRequest, sourceIpsOf } from '../audit/auditor.ts';
import {
  ANONYMOUS,
  type Authenticated,
  type Authenticator,
  type Credentials,
} from '../authentication/authenticator.ts';
import { Impersonation } from '../authentication/impersonation.ts';
import type { Authorizer } from '../authorization/authorizer.ts';
import type { AccessCounts } from '../metrics/access-counts.ts';
import { attributesOf } from '../pipeline.ts';
import type { RequestInfo } from '../request-info.ts';
import { clientCertificateOf, type Incoming } from './exchange.ts';

export interface CallersOptions {
  authenticator: Authenticator;
  authorizer: Authorizer;
  auditor?: Auditor | undefined;
  counts: AccessCounts;
  clock: Clock;
}

/** A request that may be put on record. */
export interface Recorded {
  request: Incoming;
  /** With its query. */
  url: string;
  auditId: string;
  /** Set when it is; whoever finds out how the request ends tells it. */
  audited?: AuditedRequest | undefined;
  /** Told when it is not known who asks. */
  forNobody?(): void;
}

export interface Caller {
  /** As whom the request is carried out. */
  user: UserInfo;
  /** For the client, from whoever looked at its credentials. */
  warnings: readonly string[];
}

const NO_WARNINGS: readonly string[] = [];
const BEARER = /^Bearer +(\S+) *$/i;

export class Callers {
  readonly #options: CallersOptions;
  readonly #impersonation: Impersonation;

  constructor(options: CallersOptions) {
    this.#options = options;
    this.#impersonation = new Impersonation(options.authorizer);
  }

  /** Throws Unauthorized, and Forbidden when it may not be who it wants to be. */
  of(recorded: Recorded, info: RequestInfo): Soon<Caller> {
    return soon(this.#authenticated(recorded, info), (known) => {
      const { user, warnings = NO_WARNINGS } = known;
      if (user.name === ANONYMOUS) recorded.forNobody?.();
      if (this.#options.auditor) this.#record(recorded, info, known);
      const acting = this.#impersonation.actingAs(() => attributesOf(info, user), recorded.request); // 400, 403
      if (!acting) return { user, warnings };
      return acting.then((other) => {
        recorded.audited?.actingAs(other.user, other.constraint);
        return { user: other.user, warnings };
      });
    });
  }

  #authenticated(recorded: Recorded, info: RequestInfo): Soon<Authenticated> {
    const { request } = recorded;
    const clientCertificate = clientCertificateOf(request);
    const bearerToken = bearerTokenOf(request);
    const credentials: Credentials = { headers: request.headers, path: info.path };
    if (clientCertificate) credentials.clientCertificate = clientCertificate; // spreading costs µs of every request
    if (bearerToken) credentials.bearerToken = bearerToken;
    const { counts, clock } = this.#options;
    const began = clock.monotonicMs();
    const failed = (error: unknown): never => {
      recorded.forNobody?.();
      counts.notAuthenticated(error instanceof Unknown ? 'failure' : 'error', clock.monotonicMs() - began);
      this.#options.auditor?.begin(receivedOf(recorded, info, undefined))?.notAuthenticated(failureText(credentials));
      throw error;
    };
    try {
      const known = this.#options.authenticator.authenticate(credentials);
      return known instanceof Promise
        ? known.then((found) => this.#somebody(found, began)).catch(failed)
        : this.#somebody(known, began);
    } catch (error) {
      return failed(error);
    }
  }

  #somebody(known: Authenticated | undefined, beganMs: number): Authenticated {
    if (!known) throw new Unknown('Unauthorized', 'Unauthorized');
    const { counts, clock } = this.#options;
    counts.authenticated(known.user.name, clock.monotonicMs() - beganMs);
    return known;
  }

  #record(recorded: Recorded, info: RequestInfo, { user, annotations = {} }: Authenticated): void {
    const audited = this.#options.auditor?.begin(receivedOf(recorded, info, user));
    recorded.audited = audited;
    if (audited) for (const [key, value] of Object.entries(annotations)) audited.annotate(key, value);
  }
}

/** Nobody knows the credentials; to the client no other than those that are bad. */
class Unknown extends StatusError {}

/** As upstream says it in its audit log. */
function failureText({ headers, bearerToken, clientCertificate }: Credentials): string {
  const tried = [
    ...(/^basic /i.test(String(headers.authorization ?? '')) ? ['basic'] : []),
    ...(bearerToken ? ['bearer'] : []),
    ...(clientCertificate ? ['x509'] : []),
  ];
  return tried.length > 0
    ? `Authentication failed, attempted: ${tried.join(', ')}`
    : 'Authentication failed, no credentials provided';
}

function receivedOf(
  { request: { headers, socket }, url, auditId }: Recorded,
  info: RequestInfo,
  user: UserInfo | undefined,
): ReceivedRequest {
  const userAgent = headers['user-agent'] ?? '';
  return { auditId, info, uri: url, user, userAgent, sourceIps: sourceIpsOf(headers, socket.remoteAddress) };
}

function bearerTokenOf({ headers }: Incoming): string | undefined {
  const { authorization, upgrade, 'sec-websocket-protocol': protocols } = headers;
  const given = authorization === undefined ? undefined : BEARER.exec(authorization)?.[1];
  if (given !== undefined || protocols === undefined || upgrade?.toLowerCase() !== 'websocket') return given;
  return webSocketToken(protocols);
}

const WEB_SOCKET_TOKEN = 'base64url.bearer.authorization.k8s.io.';

/** Nobody has it. */
const MALFORMED = '\0';

/** Browsers cannot set Authorization on a WebSocket: the token comes as one subprotocol beside others, of which one is taken. */
function webSocketToken(protocols: string | string[]): string | undefined {
  const all = (Array.isArray(protocols) ? protocols.join(',') : protocols).split(',').map((one) => one.trim());
  const tokens = all.filter(isTokenProtocol);
  if (tokens.length === 0) return undefined;
  const [text = ''] = tokens.map((one) => one.slice(WEB_SOCKET_TOKEN.length));
  if (tokens.length === 1 && text === '') return undefined; // none, however it is offered
  const isGood = tokens.length === 1 && all.length > 1 && /^[\w-]+$/.test(text) && text.length % 4 !== 1;
  return isGood ? Buffer.from(text, 'base64url').toString() : MALFORMED;
}

export const isTokenProtocol = (protocol: string): boolean => protocol.startsWith(WEB_SOCKET_TOKEN);
