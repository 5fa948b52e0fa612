/** Rules of HTTPRoutes and GRPCRoutes as routes of the table that Ingresses become as well. Source: Gateway API reference. */
import { type BackendsAround, resolvedBackend } from '#api/gateway/v1/backend.ts';
import type { GRPCRoute, GRPCRouteMatch } from '#api/gateway/v1/grpc-route.ts';
import type { FilteredBackend, HTTPRoute, HTTPRouteMatch, ValueMatch } from '#api/gateway/v1/http-route.ts';
import type { AnyRoute, BackendReference } from '#api/gateway/v1/route.ts';
import {
  type HeaderModifier,
  knownFilters,
  type PathModifier,
  type RouteFilter,
} from '#api/gateway/v1/route-filter.ts';
import { keyOf } from '#api/machinery/object.ts';
import type { NamedMatch, RouteConditions } from '#network/ingress/route-conditions.ts';
import type { HeaderChanges, Mirror, PathChange, RouteFilters } from '#network/ingress/route-filters.ts';
import { type CorsOptions, type RouteOptions, routeOptionsOf } from '#network/ingress/route-options.ts';
import type { Route, WeightedBackend } from '#network/ingress/route-table.ts';
import { durationMs } from './duration.ts';

/** In no order yet: that depends on the others at the same host. */
export function compiledRoutes(route: HTTPRoute | GRPCRoute, around: BackendsAround): Route[] {
  const owner = `${route.kind} ${keyOf(route)}`;
  return (route.spec.rules ?? []).flatMap((rule) => {
    const { filters, isUnknown } = compiledFilters(route, rule.filters ?? [], around);
    const backends = (rule.backendRefs ?? []).map((ref) => weighted(route, ref, around));
    const protocol = backends.find(({ protocol }) => protocol)?.protocol;
    const options = optionsFor(route, rule, protocol);
    const common = {
      owner,
      options,
      backend: undefined,
      split: isUnknown ? [] : backends.map(({ backend }) => backend),
      ...(filters && { filters }),
    };
    const matches = rule.matches?.length ? rule.matches : [{}];
    return matches.map((match) => ({
      ...common,
      ...(route.kind === 'HTTPRoute' ? httpMatch(match as HTTPRouteMatch) : grpcMatch(match as GRPCRouteMatch)),
    }));
  });
}

type Rule = NonNullable<HTTPRoute['spec']['rules']>[number] | NonNullable<GRPCRoute['spec']['rules']>[number];
type Protocol = RouteOptions['backendProtocol'];

function optionsFor({ kind }: AnyRoute, rule: Rule, protocol: Protocol | undefined): RouteOptions {
  const timeouts = 'timeouts' in rule ? rule.timeouts : undefined;
  const [requestTimeoutMs, tryTimeoutMs] = [timeouts?.request, timeouts?.backendRequest].map(durationMs);
  const cors = rule.filters?.find((filter) => filter.cors)?.cors;
  const spoken = kind === 'GRPCRoute' ? (protocol === 'https' ? 'grpcs' : 'grpc') : (protocol ?? 'http');
  return {
    ...routeOptionsOf(),
    sslRedirect: false,
    mostBodyBytes: 0,
    backendProtocol: spoken,
    ...(requestTimeoutMs && { requestTimeoutMs, readTimeoutMs: requestTimeoutMs }),
    ...(tryTimeoutMs && { tryTimeoutMs }),
    ...(cors && { cors: corsOf(cors) }),
  };
}

function corsOf(cors: NonNullable<RouteFilter['cors']>): CorsOptions {
  const text = (list: readonly string[] | undefined, otherwise = '') => list?.join(', ') ?? otherwise;
  return {
    origins: cors.allowOrigins ?? [],
    isOfGateway: true,
    methods: text(cors.allowMethods, 'GET, HEAD, POST'),
    headers: text(cors.allowHeaders),
    exposedHeaders: text(cors.exposeHeaders),
    allowsCredentials: cors.allowCredentials ?? false,
    maxAgeSeconds: cors.maxAge ?? 5,
  };
}

/** One whose reference leads nowhere has its share all the same: it is answered with 500. */
export function weighted(
  route: AnyRoute,
  ref: BackendReference & Pick<FilteredBackend, 'filters'>,
  around: BackendsAround,
): { backend: WeightedBackend; protocol: Protocol | undefined } {
  const found = resolvedBackend(route, ref, around);
  const { filters, isUnknown } = compiledFilters(route, ref.filters ?? [], around);
  const backend = found.isResolved && !isUnknown ? `${found.namespace}/${found.name}:${found.port}` : undefined;
  return {
    backend: { backend, weight: ref.weight ?? 1, ...(filters && { filters }) },
    protocol: found.isResolved ? (found.protocol as Protocol | undefined) : undefined,
  };
}

/** `isUnknown`: one of them is somebody else's, and its requests must not pass without it. */
function compiledFilters(
  route: AnyRoute,
  filters: readonly RouteFilter[],
  around: BackendsAround,
): { filters: RouteFilters | undefined; isUnknown: boolean } {
  const all: RouteFilters = {};
  const mirrors: Mirror[] = [];
  for (const { requestHeaderModifier, responseHeaderModifier, requestRedirect, urlRewrite, requestMirror } of filters) {
    if (requestHeaderModifier) all.requestHeaders = headerChanges(requestHeaderModifier);
    if (responseHeaderModifier) all.responseHeaders = headerChanges(responseHeaderModifier);
    if (requestRedirect) {
      const { path, statusCode = 302, ...rest } = requestRedirect;
      all.redirect = { ...rest, status: statusCode, ...(path && { path: pathChange(path) }) };
    }
    if (urlRewrite) {
      const { path, hostname } = urlRewrite;
      all.rewrite = { ...(hostname && { hostname }), ...(path && { path: pathChange(path) }) };
    }
    if (requestMirror) {
      const found = resolvedBackend(route, requestMirror.backendRef, around);
      const { percent = 100, fraction } = requestMirror;
      const share = fraction ? fraction.numerator / (fraction.denominator ?? 100) : percent / 100;
      if (found.isResolved) mirrors.push({ backend: `${found.namespace}/${found.name}:${found.port}`, share });
    }
  }
  if (mirrors.length > 0) all.mirrors = mirrors;
  const known = knownFilters(route.kind);
  const isUnknown = filters.some(({ type }) => !known.includes(type));
  return { filters: Object.keys(all).length > 0 ? all : undefined, isUnknown };
}

/** How long a message is, and whose a connection is: these are not a route's to say. */
const NOT_ITS_OWN = new Set([
  'content-length',
  'transfer-encoding',
  'connection',
  'keep-alive',
  'upgrade',
  'te',
  'trailer',
]);
const own = (names: string[] | undefined = []): string[] =>
  names.map((name) => name.toLowerCase()).filter((name) => !NOT_ITS_OWN.has(name));
const pairs = (list: { name: string; value: string }[] = []): [string, string][] =>
  list.flatMap(({ name, value }) => own([name]).map((lower): [string, string] => [lower, value]));
const headerChanges = ({ set, add, remove }: HeaderModifier): HeaderChanges => ({
  set: pairs(set),
  add: pairs(add),
  remove: own(remove),
});
const pathChange = ({ replaceFullPath, replacePrefixMatch }: PathModifier): PathChange =>
  replacePrefixMatch === undefined ? { full: replaceFullPath ?? '/' } : { prefix: replacePrefixMatch };

type Match = Pick<Route, 'type' | 'path' | 'conditions'>;

function httpMatch({ path, method, headers = [], queryParams = [] }: HTTPRouteMatch): Match {
  const type = path?.type === 'Exact' ? 'Exact' : path?.type === 'RegularExpression' ? 'Expression' : 'Prefix';
  const conditions = conditionsOf({
    ...(method && { method }),
    headers: matches(headers, true),
    query: matches(queryParams),
  });
  return { type, path: path?.value ?? '/', ...conditions };
}

/** A call is a path of two parts: `/package.Service/Method`. */
function grpcMatch({ method, headers = [] }: GRPCRouteMatch): Match {
  const conditions = conditionsOf({ headers: matches(headers, true), query: [] });
  const { service, method: name, type } = method ?? {};
  if (!service && !name) return { type: 'Prefix', path: '/', ...conditions };
  if (type === 'RegularExpression' || !service)
    return { type: 'Expression', path: `/(?:${service || '[^/]+'})/(?:${name || '[^/]+'})`, ...conditions };
  return name
    ? { type: 'Exact', path: `/${service}/${name}`, ...conditions }
    : { type: 'Prefix', path: `/${service}/`, ...conditions };
}

function matches(list: readonly ValueMatch[], ofHeaders = false): NamedMatch[] {
  const seen = new Set<string>();
  return list.flatMap(({ name, value, type }) => {
    const known = ofHeaders ? name.toLowerCase() : name;
    if (seen.has(known)) return []; // of several with the same name the first counts
    seen.add(known);
    return [{ name: known, value, isRegex: type === 'RegularExpression' }];
  });
}

const conditionsOf = (conditions: RouteConditions): { conditions?: RouteConditions } =>
  conditions.method || conditions.headers.length > 0 || conditions.query.length > 0 ? { conditions } : {};

const TYPES: readonly Route['type'][] = ['Exact', 'Expression', 'Prefix'];

/** The first is tried first; equal ones keep their order: by the age of their routes, and by their place in them. */
export function byPrecedence(a: Route, b: Route): number {
  const [left, right] = [a.conditions, b.conditions];
  return (
    TYPES.indexOf(a.type) - TYPES.indexOf(b.type) ||
    b.path.length - a.path.length ||
    Number(right?.method !== undefined) - Number(left?.method !== undefined) ||
    (right?.headers.length ?? 0) - (left?.headers.length ?? 0) ||
    (right?.query.length ?? 0) - (left?.query.length ?? 0)
  );
}
