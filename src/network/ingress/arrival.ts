/** A request as it came: who asks, at which host, for which path. What cannot be understood in one way only is refused. */
import type { IncomingMessage } from 'node:http';
import type { Http2ServerRequest } from 'node:http2';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';

export type Request = IncomingMessage | Http2ServerRequest;

export interface Arrival {
  method: string;
  /** As the client wrote it, with its port where it has one. */
  host: string;
  /** Lower case, without port, brackets and last dot. */
  hostname: string;
  /** Path and query as they came: what a backend is sent that gets no other path. */
  url: string;
  /** With its `?`; empty where there is none. */
  query: string;
  /** Decoded, without `.`, `..` and doubled slashes: what routes are chosen by. */
  path: string;
  /** Of the client. */
  address: string;
  /** The server's. */
  port: number;
  isSecure: boolean;
  requestId: string;
}

/** undefined: the request is no good (400). */
export function arrivalOf(request: Request, requestId: string): Arrival | undefined {
  const socket = request.socket as Socket | TLSSocket;
  const isSecure = 'encrypted' in socket && socket.encrypted;
  const target = targetOf(request);
  if (!target) return undefined;
  const at = target.url.indexOf('?');
  const raw = at < 0 ? target.url : target.url.slice(0, at);
  const path = NEEDS_CARE.test(raw) ? normalPath(raw) : raw;
  if (path === undefined) return undefined;
  return {
    method: request.method ?? 'GET',
    host: target.host,
    hostname: hostnameOf(target.host),
    url: target.url,
    query: at < 0 ? '' : target.url.slice(at),
    path,
    address: addressOf(socket),
    port: socket.localPort ?? (isSecure ? 443 : 80),
    isSecure,
    requestId,
  };
}

/** What `normalPath` would change or refuse. */
const NEEDS_CARE = /[%\0]|\/[./]/;

const MAPPED = '::ffff:';
function addressOf({ remoteAddress = '' }: Socket): string {
  return remoteAddress.startsWith(MAPPED) ? remoteAddress.slice(MAPPED.length) : remoteAddress;
}

/** In origin form, or absolute, whose host then counts. Source: RFC 9112, section 3.2. */
function targetOf({ url = '', method, headers }: Request): { host: string; url: string } | undefined {
  const host = String(headers[':authority'] ?? headers.host ?? '');
  if (url.includes('#')) return undefined; // some take it for the end of the path, and some for a part of it
  if (url.startsWith('/')) return { host, url };
  if (url === '*' && method === 'OPTIONS') return { host, url: '/' };
  const [, authority, rest] = /^https?:\/\/([^/?#]+)([^#]*)$/i.exec(url) ?? [];
  if (authority === undefined) return undefined;
  return { host: authority, url: rest?.startsWith('/') ? rest : `/${rest ?? ''}` };
}

/** undefined for what cannot be decoded or leads out of the root. A path's rules must hold however it is written. */
export function normalPath(raw: string): string | undefined {
  let decoded: string;
  try {
    decoded = decodeURIComponent(raw);
  } catch (error) {
    if (error instanceof URIError) return undefined;
    throw error;
  }
  if (decoded.includes('\0')) return undefined;
  const kept: string[] = [];
  const segments = decoded.split('/').slice(1);
  for (const segment of segments) {
    if (segment === '..' && kept.pop() === undefined) return undefined;
    if (segment !== '' && segment !== '.' && segment !== '..') kept.push(segment);
  }
  const isFolder = kept.length > 0 && ['', '.', '..'].includes(segments.at(-1) ?? '');
  return `/${kept.join('/')}${isFolder ? '/' : ''}`;
}

/** Names as nearly everybody writes them. */
const PLAIN_HOST = /^[a-z0-9-]+(?:\.[a-z0-9-]+)*$/;

function hostnameOf(host: string): string {
  if (PLAIN_HOST.test(host)) return host;
  const [, bracketed] = /^\[([^\]]*)\]/.exec(host) ?? [];
  return (bracketed ?? host.replace(/:\d*$/, '').replace(/\.$/, '')).toLowerCase();
}
