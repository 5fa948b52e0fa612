/** The way of one request, hop by hop, as `kedge trace` tells it. */

export type Place =
  | 'dns'
  | 'address'
  | 'ingress'
  | 'certificate'
  | 'service'
  | 'endpoints'
  | 'policy'
  | 'pod'
  | 'request';

export interface Hop {
  at: Place;
  /** `unknown`: what decides could not be seen. */
  state: 'passes' | 'breaks' | 'unknown';
  /** What is there, in one line. */
  says: string;
  /** Why it breaks, or cannot be known. */
  why?: string;
  /** What to do about it. */
  next?: string;
  /** More of what is there: options, counters. */
  details?: readonly string[];
}

export interface Trace {
  url: string;
  /** `this machine`, `pod NAMESPACE/NAME`, `node NAME`. */
  from: string;
  hops: readonly Hop[];
  /** It does not arrive. */
  isBroken: boolean;
}

export const passes = (at: Place, says: string, details: readonly string[] = []): Hop => ({
  at,
  state: 'passes',
  says,
  ...(details.length > 0 && { details }),
});

export const breaks = (
  at: Place,
  says: string,
  of: { why: string; next?: string; details?: readonly string[] },
): Hop => ({
  at,
  state: 'breaks',
  says,
  ...of,
});

export const unknown = (at: Place, says: string, why: string): Hop => ({ at, state: 'unknown', says, why });

/** `a, b, c and 4 more`. */
export function fewOf(texts: readonly string[], most = 3): string {
  const more = texts.length - most;
  return more > 0 ? `${texts.slice(0, most).join(', ')} and ${more} more` : texts.join(', ');
}
