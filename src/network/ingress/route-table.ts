/**
 * Which requests go where, made of Ingresses. Plain data: it is sent to the processes that carry the traffic. Two Ingresses
 * that want the same host and path: the older has it, as in ingress-nginx.
 */
import type { Ingress, IngressBackend } from '#api/generated/schema.ts';
import { keyOf } from '#api/machinery/object.ts';
import { alone, type Blame, blameByThrowing } from './blame.ts';
import { type Canary, canaryOf, isCanary } from './canary.ts';
import type { RouteConditions } from './route-conditions.ts';
import type { RouteFilters } from './route-filters.ts';
import { type RouteOptions, routeOptionsOf } from './route-options.ts';

export interface Route {
  /** `namespace/name` of the object that wants it. */
  owner: string;
  /** `Expression`: of the whole path, as the Gateway API has it; `Regex`: from its beginning, as a location of nginx. */
  type: 'Exact' | 'Prefix' | 'Regex' | 'Expression';
  path: string;
  /** Absent: host and path are all. */
  conditions?: RouteConditions;
  /** See `backendKey`; undefined: a kind of backend that nobody serves. */
  backend: string | undefined;
  options: RouteOptions;
  /** Where some of its requests go instead. */
  canary?: Canary;
  /** In place of `backend`: several, by weight. None at all, or a weight of nothing: 500. */
  split?: WeightedBackend[];
  filters?: RouteFilters;
}

export interface WeightedBackend {
  /** undefined: what it refers to is not there, or may not be referred to: 500. */
  backend: string | undefined;
  weight: number;
  filters?: RouteFilters;
}

export interface HostRoutes {
  /** Those that are tried first come first. */
  routes: Route[];
  /** `namespace/name` of the Secret. */
  certificate?: string;
  /** An Ingress has a rule for it, maybe without any path; else there is but a certificate. */
  hasRule?: boolean;
}

export interface RouteTable {
  /** By name in lower case, `*.example.com`, and '' for any. */
  hosts: Map<string, HostRoutes>;
}

/** `namespace/service:port`, the port by number or name as the Ingress has it. */
export function backendKey(namespace: string, { service }: IngressBackend): string | undefined {
  if (!service) return undefined;
  return `${namespace}/${service.name}:${service.port?.name ?? service.port?.number ?? ''}`;
}

export function routeTableOf(ingresses: readonly Ingress[], blame: Blame = blameByThrowing): RouteTable {
  const hosts = new Map<string, HostRoutes>();
  const at = (name: string): HostRoutes => {
    const host = name.toLowerCase();
    let found = hosts.get(host);
    if (!found) {
      found = { routes: [] };
      hosts.set(host, found);
    }
    return found;
  };
  const byTurn = ingresses.toSorted(byAge);
  const put = (ingress: Ingress) => {
    for (const [host, route] of routesOf(ingress)) {
      const { routes } = at(host);
      if (!routes.some(({ type, path }) => type === route.type && path === route.path)) routes.push(route);
    }
    for (const { host = '' } of ingress.spec.rules ?? []) at(host).hasRule = true;
    const { namespace } = ingress.metadata;
    for (const { hosts: names, secretName } of ingress.spec.tls ?? []) {
      if (secretName)
        for (const host of names?.length ? names : ['']) at(host).certificate ??= `${namespace}/${secretName}`;
    }
  };
  const putCanary = (ingress: Ingress) => {
    for (const [host, { type, path, backend }] of routesOf(ingress)) {
      // One that stands for nobody is nothing.
      const routes = hosts.get(host.toLowerCase())?.routes ?? [];
      const at = routes.findIndex((route) => route.path === path && (route.type === type || route.type === 'Regex'));
      const main = routes[at];
      if (main && !main.canary) routes[at] = { ...main, canary: canaryOf(backend, ingress.metadata.annotations) };
    }
  };
  const isOfCanary = ({ metadata }: Ingress) => isCanary(metadata.annotations);
  for (const ingress of byTurn) if (!isOfCanary(ingress)) alone(ingress, blame, put, undefined);
  for (const ingress of byTurn) if (isOfCanary(ingress)) alone(ingress, blame, putCanary, undefined);
  for (const { routes } of hosts.values()) routes.sort(byPrecedence);
  return { hosts };
}

/** Parsed once for each state of an Ingress: a cluster may have thousands. */
const known = new WeakMap<Ingress, (readonly [string, Route])[]>();

function routesOf(ingress: Ingress): readonly (readonly [string, Route])[] {
  let routes = known.get(ingress);
  if (!routes) {
    routes = newRoutesOf(ingress);
    known.set(ingress, routes);
  }
  return routes;
}

function newRoutesOf(ingress: Ingress): (readonly [string, Route])[] {
  const { metadata, spec } = ingress;
  const common = { owner: keyOf(ingress), options: routeOptionsOf(metadata.annotations, metadata.namespace) };
  const backendOf = (backend: IngressBackend) => backendKey(metadata.namespace ?? '', backend);
  const routes = (spec.rules ?? []).flatMap(({ host = '', http }) =>
    (http?.paths ?? []).map(({ path = '/', pathType, backend }) => {
      const type = common.options.isRegex ? 'Regex' : pathType === 'Exact' ? 'Exact' : 'Prefix';
      return [host, { ...common, type, path, backend: backendOf(backend) }] as const;
    }),
  );
  if (!spec.defaultBackend) return routes;
  // For whatever its rules do not say, at their hosts and, where it has none, at any.
  const hosts = new Set(spec.rules?.length ? spec.rules.map(({ host = '' }) => host) : ['']);
  const rest = { ...common, type: 'Prefix' as const, path: '/', backend: backendOf(spec.defaultBackend) };
  return [...routes, ...[...hosts].map((host) => [host, rest] as const)];
}

const byAge = ({ metadata: a }: Ingress, { metadata: b }: Ingress): number =>
  (a.creationTimestamp ?? '').localeCompare(b.creationTimestamp ?? '') ||
  (a.namespace ?? '').localeCompare(b.namespace ?? '') ||
  a.name.localeCompare(b.name);

/** The longest path first, and of two that are equal the exact one. Source: API reference, HTTPIngressPath. */
const byPrecedence = (a: Route, b: Route): number =>
  b.path.length - a.path.length || Number(b.type === 'Exact') - Number(a.type === 'Exact');
