/** Whether a request goes to a backend at all, whatever kind of request it is: its route, its refusals, its limits. */
import type { IncomingHttpHeaders } from 'node:http';
import type { Arrival } from './arrival.ts';
import type { BasicAuths } from './basic-auth.ts';
import { findRoute, type KnownRoutes } from './find-route.ts';
import { isAmong, type OwnAnswer, ownAnswer, refusal } from './own-answers.ts';
import type { Begun, Limits } from './rate-limits.ts';
import { changedPath } from './route-filters.ts';
import type { Route } from './route-table.ts';

export interface Admitted {
  route: Route;
  /** As the backend shall see it, with the query. */
  path: string;
  /** To be called when the answer has ended. */
  ended(): void;
}

export type Admission = Admitted | (OwnAnswer & { refusedBy: Route | undefined });

/** A promise only where a slow hash is reckoned, and for limits that somebody else keeps the account of. */
export function admitted(
  arrival: Arrival,
  headers: IncomingHttpHeaders,
  context: KnownRoutes & { limits: Limits; basicAuths: BasicAuths },
): Admission | Promise<Admission> {
  const { hostname, path, method, query } = arrival;
  const found = findRoute(context, { hostname, path, method, query, headers });
  const own = ownAnswer(arrival, headers, found);
  if (own || !found?.route) return { ...(own ?? refusal(404)), refusedBy: found?.route };
  const { route } = found;
  const rewritten = found.rewritten ?? rewrittenBy(route, arrival);
  const { basicAuth } = route.options;
  const onward = rewritten === undefined ? arrival.url : withQuery(rewritten, arrival.query);
  if (!basicAuth) return withinLimits(route, onward, arrival, context.limits);
  const known = (unknown: OwnAnswer | undefined) =>
    unknown ? { ...unknown, refusedBy: route } : withinLimits(route, onward, arrival, context.limits);
  const unknown = context.basicAuths.refusalFor(basicAuth, headers.authorization);
  return unknown instanceof Promise ? unknown.then(known) : known(unknown);
}

function withinLimits(
  route: Route,
  path: string,
  { address }: Arrival,
  limits: Limits,
): Admission | Promise<Admission> {
  const { rateLimits: rates, mostConnections, unlimitedSources } = route.options;
  const isLimited = rates.length > 0 || mostConnections > 0;
  if (!isLimited || isAmong(address, unlimitedSources)) return { route, path, ended: nothing };
  const within = (ended: Begun): Admission => (ended ? { route, path, ended } : { ...refusal(503), refusedBy: route });
  const begun = limits.begin({ client: `${route.owner} ${address}`, rates, mostConnections });
  return begun instanceof Promise ? begun.then(within) : within(begun);
}

/** As a Gateway's route has it; undefined: as it came. */
function rewrittenBy({ filters, path: prefix }: Route, { path }: Arrival): string | undefined {
  const change = filters?.rewrite?.path;
  return change && changedPath(path, prefix, change);
}

const nothing = () => undefined;

/** The path may have brought a query of its own. */
const withQuery = (path: string, query: string): string =>
  path.includes('?') && query ? `${path}&${query.slice(1)}` : path + query;
