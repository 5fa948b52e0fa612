/** What is answered without asking a backend: redirects, refusals, and a browser's question what it may ask. */
import type { IncomingHttpHeaders } from 'node:http';
import { type IpRange, parseCidr, parseIp, rangeContains } from '#api/machinery/ip.ts';
import type { Arrival } from './arrival.ts';
import type { Found } from './find-route.ts';
import { locationOf } from './route-filters.ts';
import type { CorsOptions, RouteOptions } from './route-options.ts';

export interface OwnAnswer {
  status: number;
  headers?: Record<string, string>;
  text?: string;
}

const TEXTS: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  401: 'Authorization Required',
  403: 'Forbidden',
  404: 'Not Found',
  413: 'Request Entity Too Large',
  500: 'Internal Server Error',
  502: 'Bad Gateway',
  503: 'Service Temporarily Unavailable',
  504: 'Gateway Time-out',
};

export const refusal = (status: number): OwnAnswer => ({ status, text: `${status} ${TEXTS[status] ?? ''}\n` });

/** undefined: the backend is asked. The order is that of ingress-nginx. */
export function ownAnswer(
  asked: Arrival,
  headers: IncomingHttpHeaders,
  found: Found | undefined,
): OwnAnswer | undefined {
  const route = found?.route;
  if (!found || !route) return { status: 404, text: 'default backend - 404\n' };
  const { options, filters } = route;
  if (filters?.redirect) {
    const { hostname, path, query, port, isSecure } = asked;
    const url = asked.url.slice(0, asked.url.length - query.length);
    const scheme = isSecure ? 'https' : 'http';
    const location = locationOf(filters.redirect, { scheme, hostname, url, path, query, port, prefix: route.path });
    return redirect(filters.redirect.status, location);
  }
  const hasCertificate = found.host.certificate !== undefined;
  if (!asked.isSecure && ((options.sslRedirect && hasCertificate) || options.forceSslRedirect))
    return redirect(
      308,
      `https://${asked.hostname.includes(':') ? `[${asked.hostname}]` : asked.hostname}${asked.url}`,
    );
  if (options.isClosed) return refusal(503);
  if (!mayAsk(asked.address, options)) return refusal(403);
  if (options.redirect) return redirect(options.redirect.code, options.redirect.to);
  if (options.appRoot && asked.path === '/') return redirect(302, options.appRoot);
  if (options.cors && asked.method === 'OPTIONS' && headers.origin) {
    const allowed = corsHeaders(options.cors, headers);
    return { status: 204, headers: { ...allowed, 'content-length': '0' } };
  }
  if (options.mostBodyBytes > 0 && Number(headers['content-length'] ?? 0) > options.mostBodyBytes) return refusal(413);
  return undefined;
}

const redirect = (status: number, location: string): OwnAnswer => ({ status, headers: { location } });

function mayAsk(address: string, { allowedSources, deniedSources }: RouteOptions): boolean {
  if (allowedSources.length === 0 && deniedSources.length === 0) return true;
  return !isAmong(address, deniedSources) && (allowedSources.length === 0 || isAmong(address, allowedSources));
}

/** Whether an address is in one of these ranges. */
export function isAmong(address: string, sources: readonly string[]): boolean {
  const ip = sources.length > 0 ? parseIp(address) : undefined;
  return ip !== undefined && rangesOf(sources).some((range) => rangeContains(range, ip));
}

/** Parsed once for each state of a route. */
const parsed = new WeakMap<readonly string[], readonly IpRange[]>();

function rangesOf(texts: readonly string[]): readonly IpRange[] {
  let ranges = parsed.get(texts);
  if (!ranges) {
    ranges = texts.flatMap((text) => parseCidr(text) ?? []);
    parsed.set(texts, ranges);
  }
  return ranges;
}

/** Empty for an origin that is not allowed. Source: Fetch standard, "CORS protocol"; Gateway API reference, HTTPCORSFilter. */
export function corsHeaders(cors: CorsOptions, headers: IncomingHttpHeaders): Record<string, string> {
  const { origin = '' } = headers;
  const isNamed = cors.isOfGateway && cors.allowsCredentials;
  const isAny = cors.origins.includes('*');
  const isAllowed = isAny || cors.origins.some((each) => isOrigin(each, origin, cors));
  const allowed = isAny && !isNamed ? '*' : isAllowed ? origin : undefined;
  if (!allowed) return {};
  const named = (said: string, asked: string) => (said === '*' && isNamed ? String(headers[asked] ?? '') : said);
  const methods = named(cors.methods, 'access-control-request-method');
  const names = named(cors.headers, 'access-control-request-headers');
  return {
    'access-control-allow-origin': allowed,
    ...(cors.allowsCredentials && { 'access-control-allow-credentials': 'true' }),
    ...(methods && { 'access-control-allow-methods': methods }),
    ...(names && { 'access-control-allow-headers': names }),
    ...(cors.exposedHeaders && { 'access-control-expose-headers': cors.exposedHeaders }),
    'access-control-max-age': String(cors.maxAgeSeconds),
    ...(allowed !== '*' && { vary: 'Origin' }),
  };
}

const ONE_LABEL = /^[a-z0-9-]+$/i;
const LABELS = /^[a-z0-9-]+(\.[a-z0-9-]+)*$/i;

function isOrigin(pattern: string, origin: string, { isOfGateway }: CorsOptions): boolean {
  const star = pattern.indexOf(isOfGateway ? '*' : '*.');
  if (star < 0) return pattern === origin;
  const [before, after] = [pattern.slice(0, star), pattern.slice(star + 1)];
  const label = origin.slice(before.length, origin.length - after.length);
  return origin.startsWith(before) && origin.endsWith(after) && (isOfGateway ? LABELS : ONE_LABEL).test(label);
}
