/** Headers on their way through: what belongs to one connection stays there, and the backend learns who asks. */
import type { IncomingHttpHeaders } from 'node:http';

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
];

type Headers = Record<string, string | string[]>;

/** Without pseudo headers of HTTP/2, and without those that `Connection` names. */
export function passedOn(headers: IncomingHttpHeaders): Headers {
  const named = String(headers['connection'] ?? '')
    .split(',')
    .map((name) => name.trim().toLowerCase());
  const passed: Headers = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || name.startsWith(':')) continue;
    if (!OF_ONE_CONNECTION.includes(name) && !named.includes(name)) passed[name] = value;
  }
  return passed;
}

export interface Asker {
  /** Address of the client. */
  address: string;
  /** As the client wrote it, with its port where it has one. */
  host: string;
  port: number;
  isSecure: boolean;
  requestId: string;
}

/** What a client says of itself in these headers is not believed. */
export function forwarded({ address, host, port, isSecure, requestId }: Asker): Record<string, string> {
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
