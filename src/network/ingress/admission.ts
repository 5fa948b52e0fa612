/** Whether a request goes to a backend at all, whatever kind of request it is: its route, its refusals, its limits. */
import type { IncomingHttpHeaders } from 'node:http';
import type { Arrival } from './arrival.ts';
import type { BasicAuths } from './basic-auth.ts';
import { findRoute, type KnownRoutes } from './find-route.ts';
import { type OwnAnswer, ownAnswer, refusal } from './own-answers.ts';
import type { RateLimits } from './rate-limits.ts';
import { changedPath } from './route-filters.ts';
import type { Route } from './route-table.ts';

export interface Admitted {
  route: Route;
  /** As the backend shall see it, with the query. */
  path: string;
  /** To be called when the answer has ended. */
  ended(): void;
}

export function admitted(
  arrival: Arrival,
  headers: IncomingHttpHeaders,
  context: KnownRoutes & { limits: RateLimits; basicAuths: BasicAuths },
): Admitted | (OwnAnswer & { refusedBy: Route | undefined }) {
  const { hostname, path, method, query } = arrival;
  const found = findRoute(context, { hostname, path, method, query, headers });
  const own = ownAnswer(arrival, headers, found);
  if (own || !found?.route) return { ...(own ?? refusal(404)), refusedBy: found?.route };
  const { route } = found;
  const rewritten = found.rewritten ?? rewrittenBy(route, arrival);
  const { basicAuth } = route.options;
  const unknown = basicAuth && context.basicAuths.refusalFor(basicAuth, headers.authorization);
  if (unknown) return { ...unknown, refusedBy: route };
  const ended = begin(route, arrival.address, context.limits);
  if (!ended) return { ...refusal(503), refusedBy: route };
  return { route, path: rewritten === undefined ? arrival.url : withQuery(rewritten, arrival.query), ended };
}

/** As a Gateway's route has it; undefined: as it came. */
function rewrittenBy({ filters, path: prefix }: Route, { path }: Arrival): string | undefined {
  const change = filters?.rewrite?.path;
  return change && changedPath(path, prefix, change);
}

/** undefined: the client has asked too much. */
function begin({ owner, options }: Route, address: string, limits: RateLimits): (() => void) | undefined {
  const { rateLimits, mostConnections } = options;
  if (rateLimits.length === 0 && mostConnections === 0) return nothing;
  const client = `${owner} ${address}`;
  if (!rateLimits.every((limit, i) => limits.mayAsk(`${client} ${i}`, limit))) return undefined;
  return mostConnections === 0 ? nothing : limits.begin(client, mostConnections);
}

const nothing = () => undefined;

/** The path may have brought a query of its own. */
const withQuery = (path: string, query: string): string =>
  path.includes('?') && query ? `${path}&${query.slice(1)}` : path + query;
