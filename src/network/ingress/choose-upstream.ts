/** Which endpoints a request is for, the best first, and how its client comes back to the one that answered. */
import type { IncomingHttpHeaders } from 'node:http';
import type { Clock } from '#base/clock.ts';
import type { Arrival } from './arrival.ts';
import type { Endpoint } from './backends.ts';
import { takesCanary } from './canary.ts';
import { affinityCookie, chosenByCookie, chosenByKey, keyFor } from './choose-endpoints.ts';
import type { Route, WeightedBackend } from './route-table.ts';
import type { Upstreams } from './upstreams.ts';

export interface Choice {
  endpoints: readonly Endpoint[];
  /** `Set-Cookie` after this one answered; undefined: none is needed. */
  cookieFor?: (endpoint: Endpoint) => string | undefined;
  /** Which of several backends it is. */
  backend?: WeightedBackend;
  /** What the route leads to cannot be reached by anybody: 500. */
  isNowhere?: true;
}

/** As nginx counts `proxy_next_upstream_tries` in ingress-nginx. */
export const MOST_TRIES = 3;

export interface Choosing {
  route: Route;
  upstreams: Upstreams;
  clock: Clock;
  /** From 0 to below 1. */
  random(): number;
}

/** Those that could not be reached a moment ago come last, of all: the endpoints of a node that went away are neighbours. */
export function chooseUpstream(arrival: Arrival, headers: IncomingHttpHeaders, choosing: Choosing): Choice {
  const choice = chosen(arrival, headers, choosing);
  const { unreachable } = choosing.upstreams;
  if (unreachable.isEmpty) return choice;
  return { ...choice, endpoints: unreachable.order(choice.endpoints, choosing.clock.monotonicMs(), MOST_TRIES) };
}

function chosen(arrival: Arrival, headers: IncomingHttpHeaders, { route, upstreams, random }: Choosing): Choice {
  const { canary, options, split } = route;
  if (split) return oneOf(split, upstreams, random);
  if (!canary && !options.affinity && !options.hashBy) return { endpoints: nextOf(route.backend ?? '', upstreams) };
  const header = (name: string) => [headers[name]].flat()[0];
  const cookie = (name: string) => cookieOf(headers.cookie, name);
  const isForCanary = canary && upstreams.has(canary.backend ?? '') && takesCanary(canary, { header, cookie }, random);
  const inTurn = upstreams.inTurn((isForCanary ? canary.backend : route.backend) ?? '');
  const { affinity, hashBy } = options;
  if (affinity) {
    const value = cookie(affinity.cookie);
    return {
      endpoints: chosenByCookie(inTurn, value),
      cookieFor: (endpoint) => affinityCookie(endpoint, affinity, { value, isSecure: arrival.isSecure }),
    };
  }
  const endpoints = hashBy ? chosenByKey(inTurn, keyFor(hashBy, variablesOf(arrival, { header, cookie }))) : inTurn;
  return { endpoints };
}

/** As many as are tried, or all where some of them are in doubt. */
const nextOf = (backend: string, upstreams: Upstreams): readonly Endpoint[] =>
  upstreams.next(backend, upstreams.unreachable.isEmpty ? MOST_TRIES : Number.POSITIVE_INFINITY);

/** By weight, those that lead nowhere with the others: a share of the requests fails then, as the Gateway API wants it. */
function oneOf(split: readonly WeightedBackend[], upstreams: Upstreams, random: () => number): Choice {
  let total = 0;
  for (const { weight } of split) total += weight;
  let at = split.length > 1 ? random() * total : 0;
  for (const backend of split) {
    at -= backend.weight;
    if (backend.weight === 0 || at >= 0) continue;
    if (backend.backend === undefined) return NOWHERE;
    return { endpoints: nextOf(backend.backend, upstreams), backend };
  }
  return NOWHERE;
}
const NOWHERE: Choice = { endpoints: [], isNowhere: true };

type LookUp = (name: string) => string | undefined;

const variablesOf =
  (arrival: Arrival, { header, cookie }: { header: LookUp; cookie: LookUp }): LookUp =>
  (name) => {
    if (name === 'request_uri') return arrival.url;
    if (name === 'remote_addr') return arrival.address;
    if (name === 'host') return arrival.host;
    if (name.startsWith('http_')) return header(name.slice(5).replaceAll('_', '-').toLowerCase());
    if (name.startsWith('cookie_')) return cookie(name.slice(7));
    if (name.startsWith('arg_')) return new URLSearchParams(arrival.query).get(name.slice(4)) ?? undefined;
    return undefined;
  };

function cookieOf(header: string | undefined, name: string): string | undefined {
  for (const pair of (header ?? '').split(';')) {
    const at = pair.indexOf('=');
    if (pair.slice(0, at).trim() === name) return pair.slice(at + 1).trim();
  }
  return undefined;
}
