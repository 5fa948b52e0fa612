/** What a route changes of a request and of its answer. Typed, and the same for whatever kind of object says it. Source: Gateway API reference, HTTPRouteFilter. */
import { type FlatHeaders, valuesOf, withHeader, withoutHeader } from './headers.ts';

export interface HeaderChanges {
  /** Names in lower case. */
  set: [name: string, value: string][];
  add: [name: string, value: string][];
  remove: string[];
}

/** The whole path in place of the whole, or of the prefix by which the route was chosen. */
export type PathChange = { full: string } | { prefix: string };

export interface RouteRedirect {
  scheme?: string;
  hostname?: string;
  port?: number;
  path?: PathChange;
  status: number;
}

export interface Mirror {
  backend: string;
  /** From 0 to 1. */
  share: number;
}

export interface RouteFilters {
  requestHeaders?: HeaderChanges;
  responseHeaders?: HeaderChanges;
  redirect?: RouteRedirect;
  rewrite?: { hostname?: string; path?: PathChange };
  mirrors?: Mirror[];
}

export function changedHeaders(flat: FlatHeaders, { set, add, remove }: HeaderChanges): FlatHeaders {
  let changed = flat;
  for (const name of remove) changed = withoutHeader(changed, name);
  for (const [name, value] of set) changed = withHeader(changed, name, [value]);
  for (const [name, value] of add) {
    const present = valuesOf(changed, name);
    changed =
      name === 'set-cookie' ? [...changed, name, value] : withHeader(changed, name, [[...present, value].join(',')]); // one line: so clients that look at one only see all
  }
  return changed;
}

/** @param prefix of the route. @param path decoded, without a query. @returns encoded: what stood for itself in it must not begin a query. */
export function changedPath(path: string, prefix: string, change: PathChange): string {
  if ('full' in change) return change.full;
  const base = prefix.endsWith('/') ? prefix.slice(0, -1) : prefix;
  const rest = encoded(path.slice(base.length));
  const start = change.prefix.endsWith('/') ? change.prefix.slice(0, -1) : change.prefix;
  return `${start}${rest && !rest.startsWith('/') ? '/' : ''}${rest}` || '/';
}

/** Lone surrogates cannot come: the path was decoded from UTF-8. */
const encoded = (path: string): string =>
  PLAIN_PATH.test(path) ? path : encodeURI(path).replaceAll('?', '%3F').replaceAll('#', '%23');
const PLAIN_PATH = /^[\w/.~!$&'()*+,;=:@-]*$/;

const DEFAULT_PORTS: Readonly<Record<string, number>> = { http: 80, https: 443 };

export interface Redirected {
  scheme: 'http' | 'https';
  /** Without a port. */
  hostname: string;
  /** As the client wrote it. */
  url: string;
  /** Decoded. */
  path: string;
  query: string;
  /** Of the route. */
  prefix: string;
  /** That the listener has: it is kept where the redirect names neither port nor scheme. */
  port: number;
}

/** The port is left out where the scheme says it. Source: Gateway API reference, HTTPRequestRedirectFilter. */
export function locationOf(
  redirect: RouteRedirect,
  { scheme, hostname, url, path, query, prefix, port }: Redirected,
): string {
  const toScheme = redirect.scheme ?? scheme;
  const toPort = redirect.port ?? (redirect.scheme ? (DEFAULT_PORTS[redirect.scheme] ?? port) : port);
  const host = redirect.hostname ?? hostname;
  const toPath = redirect.path ? changedPath(path, prefix, redirect.path) : url;
  const shown = DEFAULT_PORTS[toScheme] === toPort ? '' : `:${toPort}`;
  return `${toScheme}://${host.includes(':') ? `[${host}]` : host}${shown}${toPath}${query}`;
}
