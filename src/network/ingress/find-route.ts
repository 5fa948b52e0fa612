/** Which route a request takes. Regular expressions are RE2's: no path can make one run away. */

import type { HostRoutes, Route } from './route-table.ts';
import { translateRE2 } from './translate-path.ts';

export interface Found {
  host: HostRoutes;
  /** undefined: the host is known, the path is not. */
  route: Route | undefined;
  /** As the backend shall see it, without the query. */
  path: string;
}

/** @param hostname without a port. undefined: no Ingress wants this host. */
export function findRoute(hosts: ReadonlyMap<string, HostRoutes>, hostname: string, path: string): Found | undefined {
  const name = hostname.toLowerCase();
  const candidates = [name, `*${name.slice(name.indexOf('.'))}`, ''];
  let known: HostRoutes | undefined;
  for (const candidate of candidates) {
    const host = hosts.get(candidate);
    if (!host) continue;
    known ??= host;
    for (const route of host.routes) {
      const rewritten = matched(route, path);
      if (rewritten !== undefined) return { host, route, path: rewritten };
    }
  }
  return known && { host: known, route: undefined, path };
}

/** The path for the backend, where the route takes this one. */
function matched(route: Route, path: string): string | undefined {
  if (route.type === 'Regex') return translateRE2(route.path, path, route.options.rewriteTarget);
  const isMatch = route.type === 'Exact' ? path === route.path : isWithin(path, route.path);
  return isMatch ? path : undefined;
}

/** Element by element: `/foo` and `/foo/` hold `/foo/bar`, and not `/foobar`. */
function isWithin(path: string, prefix: string): boolean {
  const base = prefix.endsWith('/') ? prefix.slice(0, -1) : prefix;
  return path.startsWith(base) && (path.length === base.length || path[base.length] === '/');
}
