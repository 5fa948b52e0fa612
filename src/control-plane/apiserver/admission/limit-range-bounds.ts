/** The bounds of one item of a LimitRange, and what breaks them, in upstream's words. */
import type { LimitRangeItem } from '#api/generated/schema.ts';
import { compareQuantities, quantityMilliValue } from '#api/machinery/quantity.ts';

/** Quantities by the name of the resource. */
export type Amounts = Readonly<Record<string, string>>;

export interface Usage {
  requests: Amounts;
  limits: Amounts;
}

export const boundViolations = ({ type, min, max, maxLimitRequestRatio }: LimitRangeItem, usage: Usage): string[] => [
  ...violations(min, (name, bound) => belowMinimum({ type, name, bound }, usage)),
  ...violations(max, (name, bound) => aboveMaximum({ type, name, bound }, usage)),
  ...violations(maxLimitRequestRatio, (name, bound) => aboveRatio({ type, name, bound }, usage)),
];

/** Of a volume claim only what it requests counts. */
export const claimViolations = ({ type, min, max }: LimitRangeItem, requests: Amounts): string[] => [
  ...violations(min, (name, bound) => belowMinimum({ type, name, bound }, { requests, limits: {} })),
  ...violations(max, (name, bound) => {
    const text = `maximum ${name} usage per ${type} is ${bound}`;
    const request = requests[name];
    if (request === undefined) return `${text}.  No request is specified`;
    return isMore(request, bound) ? `${text}, but request is ${request}` : undefined;
  }),
];

const violations = (bounds: Amounts = {}, check: (name: string, bound: string) => string | undefined): string[] =>
  Object.entries(bounds).flatMap(([name, bound]) => check(name, bound) ?? []);

interface Bound {
  type: string;
  name: string;
  bound: string;
}

const isMore = (a: string, b: string): boolean => compareQuantities(a, b) > 0;

function belowMinimum({ type, name, bound }: Bound, { requests, limits }: Usage): string | undefined {
  const text = `minimum ${name} usage per ${type} is ${bound}`;
  const [request, limit] = [requests[name], limits[name]];
  if (request === undefined) return `${text}.  No request is specified`;
  if (isMore(bound, request)) return `${text}, but request is ${request}`;
  return limit !== undefined && isMore(bound, limit) ? `${text}, but limit is ${limit}` : undefined;
}

function aboveMaximum({ type, name, bound }: Bound, { requests, limits }: Usage): string | undefined {
  const text = `maximum ${name} usage per ${type} is ${bound}`;
  const [request, limit] = [requests[name], limits[name]];
  if (limit === undefined) return `${text}.  No limit is specified`;
  if (isMore(limit, bound)) return `${text}, but limit is ${limit}`;
  return request !== undefined && isMore(request, bound) ? `${text}, but request is ${request}` : undefined;
}

function aboveRatio({ type, name, bound }: Bound, { requests, limits }: Usage): string | undefined {
  const text = `${name} max limit to request ratio per ${type} is ${bound}, but`;
  const [request, limit] = [quantityMilliValue(requests[name]), quantityMilliValue(limits[name])];
  if (!request) return `${text} no request is specified or request is 0`;
  if (!limit) return `${text} no limit is specified or limit is 0`;
  const ratio = limit / request;
  return ratio * 1000 > quantityMilliValue(bound) ? `${text} provided ratio is ${ratio.toFixed(6)}` : undefined;
}
