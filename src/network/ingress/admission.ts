/** Whether a request goes to a backend at all, whatever kind of request it is: its route, its refusals, its limits. */
import type { IncomingHttpHeaders } from 'node:http';
import type { Arrival } from './arrival.ts';
import { findRoute } from './find-route.ts';
import { type OwnAnswer, ownAnswer, refusal } from './own-answers.ts';
import type { RateLimits } from './rate-limits.ts';
import type { HostRoutes, Route } from './route-table.ts';

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
  { hosts, limits }: { hosts: ReadonlyMap<string, HostRoutes>; limits: RateLimits },
): Admitted | OwnAnswer {
  const found = findRoute(hosts, arrival.hostname, arrival.path);
  const contentLength = Number(headers['content-length'] ?? 0);
  const own = ownAnswer({ ...arrival, origin: headers.origin, contentLength }, found);
  if (own || !found?.route) return own ?? refusal(404);
  const { route, rewritten } = found;
  const ended = begin(route, arrival.address, limits);
  if (!ended) return refusal(503);
  return { route, path: rewritten === undefined ? arrival.url : withQuery(rewritten, arrival.query), ended };
}

/** undefined: the client has asked too much. */
function begin({ ingress, options }: Route, address: string, limits: RateLimits): (() => void) | undefined {
  const { rateLimits, mostConnections } = options;
  const client = `${ingress} ${address}`;
  if (!rateLimits.every((limit, i) => limits.mayAsk(`${client} ${i}`, limit))) return undefined;
  return mostConnections === 0 ? () => undefined : limits.begin(client, mostConnections);
}

/** The path may have brought a query of its own. */
const withQuery = (path: string, query: string): string =>
  path.includes('?') && query ? `${path}&${query.slice(1)}` : path + query;
