/**
 * One request through the Ingress: found its route, answered without the backend or asked there, the next endpoint tried when
 * one cannot be reached. What the client sends is passed on as it comes, never collected.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2';
import type { Socket } from 'node:net';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { TLSSocket } from 'node:tls';
import { type Dispatcher, errors } from 'undici';
import { takesCanary } from './canary.ts';
import { type Choice, chosenByCookie, chosenByKey, keyFor } from './choose-endpoints.ts';
import { type Found, findRoute } from './find-route.ts';
import { type Asker, forwarded, passedOn } from './headers.ts';
import { corsHeaders, type OwnAnswer, ownAnswer, refusal } from './own-answers.ts';
import type { RateLimits } from './rate-limits.ts';
import type { HostRoutes, Route } from './route-table.ts';
import type { Upstreams } from './upstreams.ts';

export type Request = IncomingMessage | Http2ServerRequest;
export type Response = ServerResponse | Http2ServerResponse;

export interface TrafficContext {
  hosts: ReadonlyMap<string, HostRoutes>;
  upstreams: Upstreams;
  limits: RateLimits;
  newRequestId(): string;
  /** From 0 to below 1. */
  random(): number;
}

/** As nginx counts `proxy_next_upstream_tries` in ingress-nginx. */
const MOST_TRIES = 3;
const WITHOUT_BODY = ['GET', 'HEAD', 'OPTIONS', 'TRACE'];
/** May be asked twice without harm. Source: RFC 9110, section 9.2.2. */
const IDEMPOTENT = [...WITHOUT_BODY, 'PUT', 'DELETE'];

class BodyTooLarge extends Error {
  readonly code = 'BodyTooLarge';
}

export interface Arrived {
  asker: Asker;
  hostname: string;
  url: string;
  found: Found | undefined;
}

/** Who asks, for what, and which route that takes. */
export function arrived(request: Request, { hosts, newRequestId }: TrafficContext): Arrived {
  const socket = request.socket as Socket | TLSSocket;
  const isSecure = 'encrypted' in socket && socket.encrypted;
  const host = String(request.headers[':authority'] ?? request.headers.host ?? '');
  const hostname = hostnameOf(host);
  const url = request.url?.startsWith('/') ? request.url : '/';
  const [path = '/'] = url.split('?', 1);
  const asker: Asker = {
    address: (socket.remoteAddress ?? '').replace(/^::ffff:/, ''),
    host,
    port: socket.localPort ?? (isSecure ? 443 : 80),
    isSecure,
    requestId: newRequestId(),
  };
  return { asker, hostname, url, found: findRoute(hosts, hostname, path) };
}

export async function carry(request: Request, response: Response, context: TrafficContext): Promise<void> {
  const { asker, hostname, url, found } = arrived(request, context);
  const { headers, method = 'GET' } = request;
  const asked = { method, url, hostname, address: asker.address, isSecure: asker.isSecure };
  const contentLength = Number(headers['content-length'] ?? 0);
  const own = ownAnswer({ ...asked, origin: headers.origin, contentLength }, found);
  if (own || !found?.route) return answer(response, own ?? refusal(404));
  if (!mayPass(response, found.route, asker, context.limits)) return answer(response, refusal(503));
  const path = found.path + (url.includes('?') ? url.slice(url.indexOf('?')) : '');
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  try {
    await forward({ request, response, route: found.route, url, path, asker, signal: gone.signal }, context);
  } catch (error) {
    if (gone.signal.aborted || response.headersSent) response.destroy();
    else answer(response, refusal(statusOf(error)));
  }
}

/** Whether the client has not asked too much. One that is let pass is counted until its answer has ended. */
function mayPass(response: Response, { ingress, options }: Route, { address }: Asker, limits: RateLimits): boolean {
  const { rateLimits, mostConnections } = options;
  const client = `${ingress} ${address}`;
  if (!rateLimits.every((limit) => limits.mayAsk(`${client} ${limit.perSecond}`, limit))) return false;
  if (mostConnections === 0) return true;
  const end = limits.begin(client, mostConnections);
  if (end) response.once('close', end);
  return end !== undefined;
}

/** Whom to ask, the best first. */
export function chosen(
  { request, route, asker, url }: Pick<Forwarding, 'request' | 'route' | 'asker' | 'url'>,
  { upstreams, random }: TrafficContext,
): Choice {
  const { canary, options } = route;
  const header = (name: string) => [request.headers[name]].flat()[0];
  const cookie = (name: string) => cookieOf(request.headers.cookie, name);
  const isForCanary = canary && takesCanary(canary, { header, cookie }, random);
  const inTurn = upstreams.inTurn((isForCanary ? canary.backend : route.backend) ?? '');
  if (options.affinity)
    return chosenByCookie(inTurn, options.affinity, cookie(options.affinity.cookie), asker.isSecure);
  if (!options.hashBy) return { endpoints: inTurn };
  const variable = (name: string): string | undefined => {
    if (name === 'request_uri') return url;
    if (name === 'remote_addr') return asker.address;
    if (name === 'host') return asker.host;
    if (name.startsWith('http_')) return header(name.slice(5).replaceAll('_', '-').toLowerCase());
    if (name.startsWith('cookie_')) return cookie(name.slice(7));
    if (name.startsWith('arg_')) return new URLSearchParams(url.split('?')[1]).get(name.slice(4)) ?? undefined;
    return undefined;
  };
  return { endpoints: chosenByKey(inTurn, keyFor(options.hashBy, variable)) };
}

function cookieOf(header: string | undefined, name: string): string | undefined {
  for (const pair of (header ?? '').split(';')) {
    const at = pair.indexOf('=');
    if (pair.slice(0, at).trim() === name) return pair.slice(at + 1).trim();
  }
  return undefined;
}

interface Forwarding {
  request: Request;
  response: Response;
  route: Route;
  /** As it was asked, with the query. */
  url: string;
  /** As the backend shall see it, with the query. */
  path: string;
  asker: Asker;
  signal: AbortSignal;
}

async function forward(forwarding: Forwarding, context: TrafficContext): Promise<void> {
  const { request, response, route, signal } = forwarding;
  const choice = chosen(forwarding, context);
  const endpoints = choice.endpoints.slice(0, MOST_TRIES);
  if (endpoints.length === 0) return answer(response, refusal(503));
  const body = bodyOf(request, route.options.mostBodyBytes);
  let reached: Dispatcher.ResponseData | undefined;
  for (const [i, endpoint] of endpoints.entries()) {
    try {
      reached = await context.upstreams.poolOf(endpoint, route.options).request(requestFor(forwarding, body));
      break;
    } catch (error) {
      const isLast = i === endpoints.length - 1;
      // A body that was begun cannot be sent again.
      if (isLast || signal.aborted || body || !mayTryAgain(error, request.method ?? 'GET')) throw error;
    }
  }
  if (!reached) return;
  const { cors } = route.options;
  const headers = passedOn(reached.headers);
  if (choice.setCookie) headers['set-cookie'] = [headers['set-cookie'] ?? [], choice.setCookie].flat();
  response.writeHead(reached.statusCode, {
    ...headers,
    ...(cors && corsHeaders(cors, request.headers.origin)),
  });
  await pipeline(reached.body, response as NodeJS.WritableStream, { signal });
}

function requestFor(
  { request, route, path, asker, signal }: Forwarding,
  body: Dispatcher.RequestOptions['body'],
): Dispatcher.RequestOptions {
  const { readTimeoutMs, upstreamHost } = route.options;
  return {
    method: request.method as Dispatcher.HttpMethod,
    path,
    headers: { ...passedOn(request.headers), host: upstreamHost ?? asker.host, ...forwarded(asker) },
    body: body ?? null,
    signal,
    headersTimeout: readTimeoutMs,
    bodyTimeout: readTimeoutMs,
  };
}

/** undefined where there is none. Fails with BodyTooLarge once more than `most` bytes came. */
function bodyOf(request: Request, most: number): Dispatcher.RequestOptions['body'] | undefined {
  const { headers, method = 'GET' } = request;
  const isHttp1 = request.httpVersionMajor === 1;
  const isAnnounced = headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined;
  if (isHttp1 ? !isAnnounced : WITHOUT_BODY.includes(method)) return undefined;
  if (headers['content-length'] === '0') return undefined;
  if (most === 0 || headers['content-length'] !== undefined) return request;
  let bytes = 0;
  const counted = new Transform({
    transform(chunk: Buffer, _, done) {
      bytes += chunk.length;
      if (bytes > most) done(new BodyTooLarge());
      else done(null, chunk);
    },
  });
  return request.pipe(counted);
}

/** Not reached at all: any request. Lost on the way: only what may be asked twice. */
function mayTryAgain(error: unknown, method: string): boolean {
  const { code } = error as { code?: string };
  if (error instanceof errors.ConnectTimeoutError || code === 'ECONNREFUSED' || code === 'EHOSTUNREACH') return true;
  return IDEMPOTENT.includes(method) && (error instanceof errors.SocketError || code === 'ECONNRESET');
}

function statusOf(error: unknown): number {
  if (error instanceof BodyTooLarge) return 413;
  const isLate = error instanceof errors.HeadersTimeoutError || error instanceof errors.ConnectTimeoutError;
  return isLate ? 504 : 502;
}

export function answer(response: Response, { status, headers, text = '' }: OwnAnswer): void {
  (response as ServerResponse).writeHead(status, { ...(text && { 'content-type': 'text/plain' }), ...headers });
  response.end(text);
}

/** Without the port; an IPv6 address without its brackets. */
function hostnameOf(host: string): string {
  const [, name] = /^\[([^\]]*)\]/.exec(host) ?? [];
  return name ?? host.replace(/:\d*$/, '');
}
