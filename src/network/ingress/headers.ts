/** Headers on their way through: what belongs to one connection stays there, and the backend learns who asks. */
import type { IncomingHttpHeaders } from 'node:http';
import type { Arrival } from './arrival.ts';

/** RFC 9110, section 7.6.1. */
const OF_ONE_CONNECTION = [
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
  'expect', // answered here already
];

export type Headers = Record<string, string | string[]>;

/**
 * Without pseudo headers of HTTP/2, without those that `Connection` names, and without names that hold `_`: many a backend
 * takes `X_Real_IP` for `X-Real-IP`.
 */
export function passedOn(headers: IncomingHttpHeaders): Headers {
  const named = String(headers['connection'] ?? '')
    .split(',')
    .map((name) => name.trim().toLowerCase());
  const passed: Headers = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || name.startsWith(':') || name.includes('_')) continue;
    if (!OF_ONE_CONNECTION.includes(name) && !named.includes(name)) passed[name] = value;
  }
  return passed;
}

/** What a client says of itself in these headers is not believed. */
export function forwarded({ address, host, port, isSecure, requestId }: Arrival): Record<string, string> {
  const scheme = isSecure ? 'https' : 'http';
  return {
    'x-request-id': requestId,
    'x-real-ip': address,
    'x-forwarded-for': address,
    'x-forwarded-host': host,
    'x-forwarded-port': String(port),
    'x-forwarded-proto': scheme,
    'x-forwarded-scheme': scheme,
    'x-scheme': scheme,
  };
}

/** Caches must tell apart what either of us tells apart. */
export const withVary = (headers: Headers, { vary }: Headers): Headers =>
  vary && headers['vary'] !== vary ? { ...headers, vary: [vary, headers['vary'] ?? []].flat().join(', ') } : headers;
