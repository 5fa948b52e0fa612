/**
 * What the annotations of an Ingress ask for, as `nginx.ingress.kubernetes.io/…`: names, units and defaults are those of
 * ingress-nginx. One that cannot be understood counts as absent, and where it says who may ask nobody may, as there. Source:
 * its documentation, "Annotations".
 */
import { parseCidr } from '#api/machinery/ip.ts';
import type { BasicAuth } from './basic-auth.ts';
import type { Affinity } from './choose-endpoints.ts';
import { type ExternalAuth, externalAuthOf } from './external-auth.ts';
import { type MirrorTarget, mirrorTargetOf } from './mirrors.ts';
import type { RateLimit } from './rate-limits.ts';

export interface RouteOptions {
  /** Its paths are regular expressions, whatever their type. */
  isRegex: boolean;
  /** What the whole path becomes; `$1` stands for the first group. */
  rewriteTarget?: string;
  /** To HTTPS, where the host has a certificate. */
  sslRedirect: boolean;
  /** To HTTPS in any case: somebody in front of us has the certificate. */
  forceSslRedirect: boolean;
  redirect?: { to: string; code: number };
  /** Where `/` is sent. */
  appRoot?: string;
  backendProtocol: 'http' | 'https' | 'grpc' | 'grpcs';
  connectTimeoutMs: number;
  /** Between two pieces of the request that the backend takes; never longer than it is waited for the answer. */
  sendTimeoutMs: number;
  /** Between two reads of the answer. */
  readTimeoutMs: number;
  /** Of the whole exchange, and of one try; absent: any. */
  requestTimeoutMs?: number;
  tryTimeoutMs?: number;
  /** 0: any. */
  mostBodyBytes: number;
  /** Only these clients; empty: everybody. */
  allowedSources: string[];
  deniedSources: string[];
  /** Something was said of who may ask that cannot be kept: 503. */
  isClosed?: true;
  /** The Host that the backend sees, where it is not the client's. */
  upstreamHost?: string;
  cors?: CorsOptions;
  affinity?: Affinity;
  /** The key that decides which endpoint a request is for; see `keyFor`. */
  hashBy?: string;
  rateLimits: RateLimit[];
  /** Whom no limit counts. */
  unlimitedSources: string[];
  /** Who is asked before the backend. */
  auth?: ExternalAuth;
  basicAuth?: BasicAuth;
  /** Who gets a copy of each request. */
  mirror?: MirrorTarget;
  /** At a time and client; 0: any. */
  mostConnections: number;
  /** Absent: no line is written for its requests. */
  logsAccess?: true;
}

export interface CorsOptions {
  /** `*`, or origins; `https://*.example.com` stands for one label, and for any number of them where it is the Gateway API's. */
  origins: string[];
  /** Any number of labels; and where credentials are allowed what `*` allows is said by its name, as browsers want it. */
  isOfGateway?: true;
  methods: string;
  headers: string;
  exposedHeaders: string;
  allowsCredentials: boolean;
  maxAgeSeconds: number;
}

export const ANNOTATION_PREFIX = 'nginx.ingress.kubernetes.io/';
const CORS_METHODS = 'GET, PUT, POST, DELETE, PATCH, OPTIONS';
const CORS_HEADERS =
  'DNT,Keep-Alive,User-Agent,X-Requested-With,If-Modified-Since,Cache-Control,Content-Type,Range,Authorization';
const DAYS_20_SECONDS = 1_728_000;
/** What may stand in a header, and so in any of these. */
const HEADER_TEXT = /^[\t\x20-\x7e]*$/;
const REDIRECT_CODES = [301, 302, 303, 307, 308];

/** @param namespace of the object that says it: Secrets of others are not looked at. */
export function routeOptionsOf(annotations: Readonly<Record<string, string>> = {}, namespace = ''): RouteOptions {
  const text = (name: string): string | undefined => {
    const value = annotations[ANNOTATION_PREFIX + name]?.trim();
    return value && HEADER_TEXT.test(value) ? value : undefined;
  };
  const isOn = (name: string, otherwise = false): boolean =>
    text(name) === undefined ? otherwise : text(name) === 'true';
  const number = (name: string, otherwise: number): number => {
    const value = Number(text(name) ?? Number.NaN);
    return Number.isInteger(value) && value >= 0 ? value : otherwise;
  };
  const list = (name: string): string[] => (text(name) ?? '').split(',').flatMap((each) => each.trim() || []);
  const rewriteTarget = text('rewrite-target');
  const redirect = redirectOf(
    text('permanent-redirect'),
    number('permanent-redirect-code', 301),
    text('temporal-redirect'),
  );
  const appRoot = text('app-root');
  const upstreamHost = text('upstream-vhost');
  const hashBy = text('upstream-hash-by');
  const burst = number('limit-burst-multiplier', 5);
  const rateLimits = [
    { limit: number('limit-rps', 0), seconds: 1 },
    { limit: number('limit-rpm', 0), seconds: 60 },
  ]
    .filter(({ limit }) => limit > 0)
    .map(({ limit, seconds }) => ({ perSecond: limit / seconds, burst: Math.max(1, limit * burst) }));
  const maxAge = text('session-cookie-max-age');
  const basicAuth = basicAuthOf(text, namespace);
  const auth = externalAuthOf(text('auth-url') ?? '', {
    method: text('auth-method'),
    signIn: text('auth-signin'),
    passedHeaders: list('auth-response-headers'),
  });
  const mirror = mirrorTargetOf(text('mirror-target') ?? '', {
    host: text('mirror-host'),
    hasBody: text('mirror-request-body') !== 'off',
  });
  const isSaid = (name: string) => Boolean(annotations[ANNOTATION_PREFIX + name]?.trim());
  const allowedSources = [...list('whitelist-source-range'), ...list('allowlist-source-range')].flatMap(rangeOf);
  const refused = list('denylist-source-range');
  const deniedSources = refused.flatMap(rangeOf);
  const isAllowing = isSaid('whitelist-source-range') || isSaid('allowlist-source-range');
  const isClosed =
    (isSaid('auth-url') && !auth) ||
    (isSaid('auth-type') && !basicAuth) ||
    (isSaid('auth-tls-secret') && text('auth-tls-verify-client') !== 'off') ||
    (isAllowing && allowedSources.length === 0) ||
    (isSaid('denylist-source-range') && (refused.length === 0 || deniedSources.length < refused.length));
  return {
    isRegex: isOn('use-regex') || rewriteTarget !== undefined,
    ...(rewriteTarget && { rewriteTarget }),
    sslRedirect: isOn('ssl-redirect', true),
    forceSslRedirect: isOn('force-ssl-redirect'),
    ...(redirect && { redirect }),
    ...(appRoot?.startsWith('/') && { appRoot }),
    backendProtocol: protocolOf(text('backend-protocol')),
    connectTimeoutMs: inTimers(1000 * number('proxy-connect-timeout', 5)),
    sendTimeoutMs: inTimers(1000 * number('proxy-send-timeout', 60)),
    readTimeoutMs: inTimers(1000 * number('proxy-read-timeout', 60)),
    mostBodyBytes: bytesOf(text('proxy-body-size')) ?? 2 ** 20,
    allowedSources,
    deniedSources,
    ...(isClosed && { isClosed }),
    ...(upstreamHost && { upstreamHost }),
    ...(hashBy && { hashBy }),
    rateLimits,
    unlimitedSources: [...list('limit-whitelist'), ...list('limit-allowlist')].flatMap(rangeOf),
    ...(auth && { auth }),
    ...(basicAuth && { basicAuth }),
    ...(mirror && { mirror }),
    mostConnections: number('limit-connections', 0),
    ...(isOn('enable-access-log') && { logsAccess: true as const }),
    ...(text('affinity') === 'cookie' && {
      affinity: {
        cookie: text('session-cookie-name')?.replace(/[^\w-]/g, '') || 'INGRESSCOOKIE',
        path: text('session-cookie-path')?.replace(/[;,\s]/g, '') ?? '/',
        ...(maxAge && { maxAgeSeconds: number('session-cookie-max-age', 0) }),
        isSecureOnly: isOn('session-cookie-secure'),
      },
    }),
    ...(isOn('enable-cors') && {
      cors: {
        origins: text('cors-allow-origin') ? list('cors-allow-origin') : ['*'],
        methods: text('cors-allow-methods') ?? CORS_METHODS,
        headers: text('cors-allow-headers') ?? CORS_HEADERS,
        exposedHeaders: text('cors-expose-headers') ?? '',
        allowsCredentials: isOn('cors-allow-credentials', true),
        maxAgeSeconds: number('cors-max-age', DAYS_20_SECONDS),
      },
    }),
  };
}

/** A timer that is to wait longer does not wait at all. Source: Node.js documentation, "Timers". */
export const inTimers = (ms: number): number => Math.min(ms, 2 ** 31 - 1);

const REALM = 'Authentication Required';

function basicAuthOf(text: (name: string) => string | undefined, namespace: string): BasicAuth | undefined {
  const name = text('auth-secret');
  if (text('auth-type') !== 'basic' || !name) return undefined;
  const realm = (text('auth-realm') ?? REALM).replace(/["\\]/g, '');
  const secret = name.includes('/') ? name : `${namespace}/${name}`;
  if (!secret.startsWith(`${namespace}/`)) return { secret: '', isFile: true, realm }; // nobody passes
  return { secret, isFile: text('auth-secret-type') !== 'auth-map', realm };
}

function redirectOf(
  permanent: string | undefined,
  code: number,
  temporal: string | undefined,
): RouteOptions['redirect'] {
  if (temporal) return { to: temporal, code: 302 };
  return permanent ? { to: permanent, code: REDIRECT_CODES.includes(code) ? code : 301 } : undefined;
}

const PROTOCOLS: Readonly<Record<string, RouteOptions['backendProtocol']>> = {
  HTTPS: 'https',
  GRPC: 'grpc',
  GRPCS: 'grpcs',
};
const protocolOf = (text: string | undefined) => PROTOCOLS[text?.toUpperCase() ?? ''] ?? 'http';

const UNITS: Readonly<Record<string, number>> = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 };

/** `8m`, `512k`, `0`. */
function bytesOf(text: string | undefined): number | undefined {
  const [, digits, unit = ''] = /^(\d{1,12})([kmg]?)$/i.exec(text ?? '') ?? [];
  return digits === undefined ? undefined : Number(digits) * (UNITS[unit.toLowerCase()] ?? 1);
}

/** A bare address is a range of one. */
function rangeOf(text: string): string[] {
  const range = text.includes('/') ? text : `${text}/${text.includes(':') ? 128 : 32}`;
  return parseCidr(range) ? [range] : [];
}
