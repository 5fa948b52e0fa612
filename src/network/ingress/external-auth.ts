/**
 * Asks somebody else whether a request may pass, before its backend is asked. Source: ingress-nginx' documentation, "External
 * Authentication"; ngx_http_auth_request_module.
 */
import type { Dispatcher } from 'undici';
import type { Arrival, Request } from './arrival.ts';
import { type FlatHeaders, requestHeaders, valuesOf, withHeader, withoutHeader } from './headers.ts';
import { type OwnAnswer, refusal } from './own-answers.ts';
import type { RouteOptions } from './route-options.ts';
import { connectionsElsewhere, type ServerElsewhere, serverElsewhere } from './server-elsewhere.ts';
import type { Upstreams } from './upstreams.ts';

export interface ExternalAuth extends ServerElsewhere {
  path: string;
  method: string;
  /** Where a browser is sent that may not pass. */
  signIn?: string;
  /** Of its answer, to the backend. Lower case. */
  passedHeaders: string[];
}

/** undefined for what is no URL. */
export function externalAuthOf(
  url: string,
  {
    method,
    signIn,
    passedHeaders,
  }: { method?: string | undefined; signIn?: string | undefined; passedHeaders: string[] },
): ExternalAuth | undefined {
  const found = serverElsewhere(url);
  if (!found) return undefined;
  const { url: parsed, ...server } = found;
  return {
    ...server,
    path: parsed.pathname + parsed.search,
    method: method ?? 'GET',
    ...(signIn && { signIn }),
    passedHeaders: passedHeaders.map((each) => each.toLowerCase()),
  };
}

/** Headers for the backend, or what the client is told. */
export type AuthVerdict = { passes: FlatHeaders; cookies: string[] } | { refused: OwnAnswer };

const WITHIN_MS = 60_000;

export async function askAuth(
  auth: ExternalAuth,
  { request, arrival, options }: { request: Request; arrival: Arrival; options: RouteOptions },
  upstreams: Upstreams,
): Promise<AuthVerdict> {
  const scheme = arrival.isSecure ? 'https' : 'http';
  const original = `${scheme}://${arrival.host}${arrival.url}`;
  const host = new URL(auth.origin).host;
  let asked = withoutHeader(requestHeaders(request, arrival, host), 'content-length');
  const told = {
    'x-original-url': original,
    'x-original-method': arrival.method,
    'x-auth-request-redirect': arrival.url,
  };
  for (const [name, value] of Object.entries(told)) asked = withHeader(asked, name, [value]); // never the client's own
  const connections = connectionsElsewhere(auth, upstreams, options);
  if (!connections) return { refused: refusal(503) };
  const client = connections.take();
  try {
    const { statusCode, headers, body } = await client.request({
      method: auth.method as Dispatcher.HttpMethod,
      path: auth.path,
      headers: asked,
      headersTimeout: WITHIN_MS,
      bodyTimeout: WITHIN_MS,
    });
    await body.dump();
    const cookies = [headers['set-cookie'] ?? []].flat();
    if (statusCode >= 200 && statusCode < 300) return { passes: passed(auth, headers), cookies };
    if (statusCode !== 401 && statusCode !== 403) return { refused: refusal(500) };
    if (statusCode === 401 && auth.signIn)
      return { refused: { status: 302, headers: { location: signInAt(auth.signIn, original, arrival) } } };
    const challenge = headers['www-authenticate'];
    return {
      refused: { ...refusal(statusCode), ...(challenge && { headers: { 'www-authenticate': String(challenge) } }) },
    };
  } finally {
    connections.giveBack(client);
  }
}

function passed({ passedHeaders }: ExternalAuth, headers: Record<string, string | string[] | undefined>): FlatHeaders {
  return passedHeaders.flatMap((name) => [headers[name] ?? []].flat().flatMap((value) => [name, value]));
}

/** The page is told where to go back, unless the annotation says that itself. */
function signInAt(signIn: string, original: string, { host, url, isSecure }: Arrival): string {
  const variables: Readonly<Record<string, string>> = {
    host,
    http_host: host,
    scheme: isSecure ? 'https' : 'http',
    request_uri: url,
    escaped_request_uri: encodeURIComponent(url),
  };
  const page = signIn.replace(/\$\{?(\w+)\}?/g, (_, name: string) => variables[name] ?? '');
  if (/[?&](rd|rt|returnTo)=/.test(page)) return page;
  return `${page}${page.includes('?') ? '&' : '?'}rd=${encodeURIComponent(original)}`;
}

/** What the answer named stands in place of what the client said under the same names. */
export function withPassed(headers: FlatHeaders, { passedHeaders }: ExternalAuth, passed: FlatHeaders): FlatHeaders {
  let kept = headers;
  for (const name of passedHeaders) if (valuesOf(kept, name).length > 0) kept = withoutHeader(kept, name);
  return [...kept, ...passed];
}
