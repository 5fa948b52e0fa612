/** Counts of requests by route, and how long they took: in each process its own, put together when somebody asks. Source: Prometheus exposition format 0.0.4. */
import { bucketOf, emptyBuckets, runningTotals } from '#base/distribution.ts';
import type { Ended, TrafficRecord } from './traffic-record.ts';

/** Upper ends in seconds. */
const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']);
/** Of requests that no route took. */
const NO_ROUTE = '';

export interface RouteCounts {
  /** By `METHOD STATUS`. */
  requests: Map<string, number>;
  /** One more than there are buckets: the last for all that took longer. */
  buckets: number[];
  seconds: number;
  bytes: number;
  failedTries: number;
}

/** By the owner of the route. */
export type TrafficCounts = Map<string, RouteCounts>;

export class TrafficMetrics implements TrafficRecord {
  readonly counts: TrafficCounts = new Map();

  ended({ arrival, route, status, ms, bytes, failedTries }: Ended): void {
    const counts = countsFor(this.counts, route?.owner ?? NO_ROUTE);
    const method = METHODS.has(arrival.method) ? arrival.method : 'other';
    const key = `${method} ${status}`;
    counts.requests.set(key, (counts.requests.get(key) ?? 0) + 1);
    const seconds = ms / 1000;
    counts.buckets[bucketOf(seconds, BUCKETS)]! += 1;
    counts.seconds += seconds;
    counts.bytes += bytes;
    counts.failedTries += failedTries;
  }
}

function countsFor(counts: TrafficCounts, owner: string): RouteCounts {
  let found = counts.get(owner);
  if (!found) {
    found = { requests: new Map(), buckets: emptyBuckets(BUCKETS), seconds: 0, bytes: 0, failedTries: 0 };
    counts.set(owner, found);
  }
  return found;
}

/** What the second counted comes to what the first has. */
export function addCounts(to: TrafficCounts, more: TrafficCounts): void {
  for (const [owner, counts] of more) {
    const found = countsFor(to, owner);
    for (const [key, count] of counts.requests) found.requests.set(key, (found.requests.get(key) ?? 0) + count);
    for (const [i, count] of counts.buckets.entries()) found.buckets[i] = (found.buckets[i] ?? 0) + count;
    found.seconds += counts.seconds;
    found.bytes += counts.bytes;
    found.failedTries += counts.failedTries;
  }
}

export function metricsText(counts: TrafficCounts): string {
  const routes = [...counts].toSorted(([a], [b]) => (a < b ? -1 : 1));
  const lines: string[] = [];
  const family = (name: string, type: string, help: string, of: (route: string, counts: RouteCounts) => string[]) => {
    lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
    for (const [owner, counts] of routes) lines.push(...of(`route="${escaped(owner)}"`, counts));
  };
  family('kedge_ingress_requests_total', 'counter', 'Requests that have ended.', (route, { requests }) =>
    [...requests].map(([key, count]) => {
      const [method, status] = key.split(' ');
      return `kedge_ingress_requests_total{${route},method="${method}",status="${status}"} ${count}`;
    }),
  );
  const name = 'kedge_ingress_request_duration_seconds';
  family(name, 'histogram', 'From a request to the end of its answer.', (route, { buckets, seconds }) => {
    const totals = runningTotals(buckets);
    const bounded = totals.map((total, i) => `${name}_bucket{${route},le="${BUCKETS[i] ?? '+Inf'}"} ${total}`);
    return [...bounded, `${name}_sum{${route}} ${seconds}`, `${name}_count{${route}} ${totals.at(-1)}`];
  });
  family('kedge_ingress_response_bytes_total', 'counter', 'Of the bodies of answers.', (route, { bytes }) => [
    `kedge_ingress_response_bytes_total{${route}} ${bytes}`,
  ]);
  const failures = 'kedge_ingress_upstream_errors_total';
  family(failures, 'counter', 'Endpoints that were asked in vain.', (route, { failedTries }) => [
    `${failures}{${route}} ${failedTries}`,
  ]);
  return `${lines.join('\n')}\n`;
}

const escaped = (text: string): string => text.replace(/[\\"\n]/g, (found) => (found === '\n' ? '\\n' : `\\${found}`));
