/** Which route a request takes. Regular expressions are RE2's: no path can make one run away. */
import { expressions } from './expressions.ts';
import type { PortListeners } from './listeners.ts';
import { mostSpecific } from './listeners.ts';
import { rewritePath } from './rewrite-path.ts';
import { type Conditioned, holds } from './route-conditions.ts';
import type { HostRoutes, Route } from './route-table.ts';

export interface Found {
  host: HostRoutes;
  /** undefined: the host is known, the path is not. */
  route: Route | undefined;
  /** Another path for the backend; undefined: the one that was asked for. */
  rewritten?: string | undefined;
}

export interface RouteQuestion extends Conditioned {
  /** Lower case, without a port. */
  hostname: string;
  /** See `Arrival`. */
  path: string;
}

export interface KnownRoutes {
  /** Of Ingresses. */
  hosts: ReadonlyMap<string, HostRoutes>;
  /** Of Gateways, at the port that was asked; absent: of none. */
  port?: PortListeners | undefined;
}

/** Whether an Ingress has rules for just this host; one that has but a certificate for it leaves it to others. */
export const isOfIngress = ({ hosts }: KnownRoutes, hostname: string): boolean => hasRules(hosts.get(hostname));

const hasRules = (host: HostRoutes | undefined): host is HostRoutes =>
  host !== undefined && (host.routes.length > 0 || host.hasRule === true);

/**
 * undefined: nobody wants this host. A host that an Ingress has rules for is the Ingress's; what it names by a wildcard or not at
 * all, a Gateway's listener may have first.
 */
export function findRoute(known: KnownRoutes, asked: RouteQuestion): Found | undefined {
  const { hosts, port } = known;
  if (!port || isOfIngress(known, asked.hostname)) return ofIngress(hosts, asked);
  const found = ofGateway(port, asked);
  return found?.route ? found : (ofIngress(hosts, asked) ?? found);
}

/** The most exact host that has rules is asked, and no other: a path that it does not have is nobody's, as in ingress-nginx. */
function ofIngress(hosts: ReadonlyMap<string, HostRoutes>, asked: RouteQuestion): Found | undefined {
  for (const candidate of namesFor(asked.hostname)) {
    const host = hosts.get(candidate);
    if (!hasRules(host)) continue;
    return among(host, asked) ?? { host, route: undefined };
  }
  return undefined;
}

/** One listener has the request, or nobody: the most specific one. Of its routes those of the most specific host come first. */
function ofGateway({ listeners }: PortListeners, asked: RouteQuestion): Found | undefined {
  const hosts = mostSpecific(listeners, asked.hostname)?.hosts;
  if (!hosts) return undefined;
  const { hostname } = asked;
  let host = hosts.get(hostname);
  let found = host && among(host, asked);
  for (let dot = hostname.indexOf('.'); !found && dot >= 0; dot = hostname.indexOf('.', dot + 1)) {
    host = hosts.get(`*${hostname.slice(dot)}`);
    found = host && among(host, asked);
  }
  host = hosts.get('');
  return found ?? (host && among(host, asked)) ?? { host: NO_ROUTES, route: undefined };
}
const NO_ROUTES: HostRoutes = { routes: [] };

function among(host: HostRoutes, asked: RouteQuestion): Found | undefined {
  for (const route of host.routes) {
    const match = matched(route, asked.path);
    if (match === undefined || (route.conditions && !holds(route.conditions, asked))) continue;
    return { host, route, rewritten: match === true ? undefined : match };
  }
  return undefined;
}

/** Under which a host may stand in an Ingress's table, the most exact first. */
export const namesFor = (hostname: string): string[] => [hostname, `*${hostname.slice(hostname.indexOf('.'))}`, ''];

/** Whether the route takes this path; another path, where it has one for the backend. */
function matched(route: Route, path: string): string | true | undefined {
  if (route.type === 'Prefix') return isWithin(path, route.path) ? true : undefined;
  if (route.type === 'Exact') return path === route.path ? true : undefined;
  if (route.type === 'Expression') return expressions.matcher(route.path, path)?.matches() ? true : undefined;
  return rewritePath(route.path, path, route.options.rewriteTarget);
}

/** Element by element: `/foo` and `/foo/` hold `/foo/bar`, and not `/foobar`. */
function isWithin(path: string, prefix: string): boolean {
  if (prefix === '/') return true;
  const length = prefix.endsWith('/') ? prefix.length - 1 : prefix.length;
  if (path.length !== length && path[length] !== '/') return false;
  return prefix.length === length ? path.startsWith(prefix) : path.startsWith(prefix.slice(0, length));
}
