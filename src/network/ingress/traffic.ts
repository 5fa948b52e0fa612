/**
 * One request through the Ingress: answered here or asked of a backend, the next endpoint tried when one cannot be reached.
 * What the client sends is passed on as it comes, never collected. Nothing that goes wrong with one request ends the process.
 */
import type { ServerResponse } from 'node:http';
import { constants, type Http2ServerResponse } from 'node:http2';
import { pipeline } from 'node:stream/promises';
import { type Dispatcher, errors } from 'undici';
import { type Admitted, admitted } from './admission.ts';
import { type Arrival, arrivalOf, type Request } from './arrival.ts';
import type { Endpoint } from './backends.ts';
import { chooseUpstream } from './choose-upstream.ts';
import { forwarded, passedOn, withVary } from './headers.ts';
import { corsHeaders, type OwnAnswer, refusal } from './own-answers.ts';
import type { RateLimits } from './rate-limits.ts';
import { BodyTooLarge, bodyOf, type RequestBody } from './request-body.ts';
import type { HostRoutes } from './route-table.ts';
import type { Upstreams } from './upstreams.ts';

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
export const MOST_TRIES = 3;
/** May be asked twice without harm. Source: RFC 9110, section 9.2.2. */
const IDEMPOTENT = ['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE'];

/** Resolves when the answer has ended, however it did. */
export async function carry(request: Request, response: Response, context: TrafficContext): Promise<void> {
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  try {
    const arrival = arrivalOf(request, context.newRequestId());
    if (!arrival) return answer(response, refusal(400));
    const admission = admitted(arrival, request.headers, context);
    if ('status' in admission) return answer(response, admission);
    response.once('close', () => admission.ended());
    await forward({ request, response, arrival, ...admission, signal: gone.signal }, context);
  } catch (error) {
    if (gone.signal.aborted || response.headersSent) breakOff(response);
    else answer(response, refusal(statusOf(error)));
  }
}

interface Forwarding extends Admitted {
  request: Request;
  response: Response;
  arrival: Arrival;
  signal: AbortSignal;
}

async function forward(forwarding: Forwarding, context: TrafficContext): Promise<void> {
  const { request, response, route, arrival, signal } = forwarding;
  const choice = chooseUpstream(arrival, request.headers, { route, ...context });
  const endpoints = choice.endpoints.slice(0, MOST_TRIES);
  if (endpoints.length === 0) return answer(response, refusal(503));
  const { endpoint, reached } = await ask(forwarding, endpoints, context.upstreams);
  const headers = passedOn(reached.headers);
  const cookie = choice.cookieFor(endpoint);
  if (cookie) headers['set-cookie'] = [headers['set-cookie'] ?? [], cookie].flat();
  const cors = route.options.cors && corsHeaders(route.options.cors, request.headers.origin);
  (response as ServerResponse).writeHead(
    reached.statusCode,
    cors ? withVary({ ...headers, ...cors }, headers) : headers,
  );
  await pipeline(reached.body, response as NodeJS.WritableStream, { signal });
}

/** The first of them that answers. */
async function ask(
  forwarding: Forwarding,
  endpoints: readonly Endpoint[],
  upstreams: Upstreams,
): Promise<{ endpoint: Endpoint; reached: Dispatcher.ResponseData }> {
  const { request, route, arrival, signal } = forwarding;
  const body = bodyOf(request, route.options.mostBodyBytes);
  let last: unknown;
  for (const endpoint of endpoints) {
    try {
      const pool = upstreams.poolOf(endpoint, route.options);
      return { endpoint, reached: await pool.request(requestFor(forwarding, body)) };
    } catch (error) {
      last = error;
      if (signal.aborted || body?.isBegun || !mayTryAgain(error, arrival.method)) break;
    }
  }
  throw last;
}

function requestFor(
  { request, route, path, arrival, signal }: Forwarding,
  body: RequestBody | undefined,
): Dispatcher.RequestOptions {
  const { readTimeoutMs, upstreamHost } = route.options;
  return {
    method: arrival.method as Dispatcher.HttpMethod,
    path,
    headers: { ...passedOn(request.headers), host: upstreamHost ?? arrival.host, ...forwarded(arrival) },
    body: (body as Dispatcher.RequestOptions['body']) ?? null,
    signal,
    headersTimeout: readTimeoutMs,
    bodyTimeout: readTimeoutMs,
  };
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

function answer(response: Response, { status, headers, text = '' }: OwnAnswer): void {
  (response as ServerResponse).writeHead(status, { ...(text && { 'content-type': 'text/plain' }), ...headers });
  response.end(text);
}

/** So that nobody takes the part that was sent for the whole. */
function breakOff(response: Response): void {
  if ('stream' in response && response.stream && !response.stream.destroyed)
    response.stream.close(constants.NGHTTP2_INTERNAL_ERROR);
  else response.destroy();
}
