/** What a route asks for besides host and path: all of it must hold. Source: Gateway API reference, HTTPRouteMatch. */
import type { IncomingHttpHeaders } from 'node:http';
import { expressions } from './expressions.ts';

export interface NamedMatch {
  /** Of a header in lower case; of a query parameter as it is. */
  name: string;
  value: string;
  isRegex: boolean;
}

export interface RouteConditions {
  method?: string;
  headers: NamedMatch[];
  query: NamedMatch[];
}

export interface Conditioned {
  method: string;
  headers: IncomingHttpHeaders;
  /** With its `?`, or empty. */
  query: string;
}

export function holds({ method, headers, query }: RouteConditions, asked: Conditioned): boolean {
  if (method !== undefined && method !== asked.method) return false;
  for (const match of headers) {
    const found = asked.headers[match.name];
    if (found === undefined || !isMatch(match, Array.isArray(found) ? found.join(',') : found)) return false;
  }
  if (query.length === 0) return true;
  const parameters = new URLSearchParams(asked.query);
  return query.every((match) => {
    const found = parameters.get(match.name); // the first one counts
    return found !== null && isMatch(match, found);
  });
}

const isMatch = ({ value, isRegex }: NamedMatch, found: string): boolean =>
  isRegex ? (expressions.matcher(value, found)?.matches() ?? false) : value === found;
