/**
 * What a backend is asked, and what its answer becomes for the client, by whatever protocol: filters of the route and then of the
 * backend, what somebody said who was asked first, the cookie of affinity, and what browsers are told.
 */
import type { Admitted } from './admission.ts';
import type { Arrival, Request } from './arrival.ts';
import type { Endpoint } from './backends.ts';
import type { Choice } from './choose-upstream.ts';
import type { ExchangeParts } from './exchange-parts.ts';
import { type ExternalAuth, withPassed } from './external-auth.ts';
import { type FlatHeaders, requestHeaders, withCors } from './headers.ts';
import { corsHeaders } from './own-answers.ts';
import { changedHeaders, changedPath } from './route-filters.ts';

export interface BackendRequest {
  /** With the query. */
  path: string;
  headers: FlatHeaders;
}

interface Asked {
  request: Request;
  arrival: Arrival;
  admission: Pick<Admitted, 'route' | 'path'>;
  choice: Choice;
  auth?: { asked: ExternalAuth; passes: FlatHeaders };
}

export function backendRequest({ request, arrival, admission, choice, auth }: Asked): BackendRequest {
  const { options, filters, path: prefix } = admission.route;
  const own = choice.backend?.filters;
  const host = own?.rewrite?.hostname ?? filters?.rewrite?.hostname ?? options.upstreamHost ?? arrival.host;
  let headers = requestHeaders(request, arrival, host);
  if (auth) headers = withPassed(headers, auth.asked, auth.passes);
  if (filters?.requestHeaders) headers = changedHeaders(headers, filters.requestHeaders);
  if (own?.requestHeaders) headers = changedHeaders(headers, own.requestHeaders);
  const path = own?.rewrite?.path && changedPath(arrival.path, prefix, own.rewrite.path) + arrival.query;
  return { path: path ?? admission.path, headers };
}

/** @param received from this endpoint; it is changed. */
export function answerHeaders(
  received: FlatHeaders,
  endpoint: Endpoint,
  { request, admission, choice, auth }: ExchangeParts,
): FlatHeaders {
  const { options, filters } = admission.route;
  const own = choice.backend?.filters;
  let headers = received;
  const cookie = choice.cookieFor?.(endpoint);
  if (cookie) headers.push('set-cookie', cookie);
  for (const set of auth?.cookies ?? []) headers.push('set-cookie', set);
  if (filters?.responseHeaders) headers = changedHeaders(headers, filters.responseHeaders);
  if (own?.responseHeaders) headers = changedHeaders(headers, own.responseHeaders);
  if (options.cors) headers = withCors(headers, corsHeaders(options.cors, request.headers));
  return headers;
}
