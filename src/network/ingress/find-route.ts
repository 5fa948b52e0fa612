/** Which route a request takes. Regular expressions are RE2's: no path can make one run away. */

import { rewritePath } from './rewrite-path.ts';
import type { HostRoutes, Route } from './route-table.ts';

export interface Found {
  host: HostRoutes;
  /** undefined: the host is known, the path is not. */
  route: Route | undefined;
  /** Another path for the backend; undefined: the one that was asked for. */
  rewritten?: string | undefined;
}

/** @param hostname lower case, without a port. @param path see `Arrival`. undefined: no Ingress wants this host. */
export function findRoute(hosts: ReadonlyMap<string, HostRoutes>, hostname: string, path: string): Found | undefined {
  let known: HostRoutes | undefined;
  for (const candidate of namesFor(hostname)) {
    const host = hosts.get(candidate);
    if (!host) continue;
    known ??= host;
    for (const route of host.routes) {
      const match = matched(route, path);
      if (match !== undefined) return { host, route, rewritten: match === true ? undefined : match };
    }
  }
  return known && { host: known, route: undefined };
}

/** Under which a host may stand in the table, the most exact first. */
export const namesFor = (hostname: string): string[] => [hostname, `*${hostname.slice(hostname.indexOf('.'))}`, ''];

/** Whether the route takes this path; another path, where it has one for the backend. */
function matched(route: Route, path: string): string | true | undefined {
  if (route.type === 'Regex') return rewritePath(route.path, path, route.options.rewriteTarget);
  const isMatch = route.type === 'Exact' ? path === route.path : isWithin(path, route.path);
  return isMatch ? true : undefined;
}

/** Element by element: `/foo` and `/foo/` hold `/foo/bar`, and not `/foobar`. */
function isWithin(path: string, prefix: string): boolean {
  const base = prefix.endsWith('/') ? prefix.slice(0, -1) : prefix;
  return path.startsWith(base) && (path.length === base.length || path[base.length] === '/');
}
