/** What `/metrics` says of requests, under upstream's names. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { RequestInfo } from '../request-info.ts';

const LABELS = ['verb', 'group', 'version', 'resource', 'subresource', 'scope'] as const;
// Upstream's, less every second one: seconds from 5 ms to a minute.
const BUCKETS = [0.005, 0.025, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.5, 2, 3, 5, 10, 30, 60];

export interface RequestMetrics {
  registry: Registry;
  /** Call what it returns with the code of the answer when the request is over. */
  begin(info: RequestInfo | undefined, nowMs: number): (code: number, nowMs: number) => void;
}

export function createRequestMetrics(): RequestMetrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  const total = new Counter({
    name: 'apiserver_request_total',
    help: 'Requests by verb, resource and code of the answer.',
    labelNames: [...LABELS, 'code'],
    registers,
  });
  const seconds = new Histogram({
    name: 'apiserver_request_duration_seconds',
    help: 'How long requests took, watches and streams left out.',
    labelNames: LABELS,
    buckets: BUCKETS,
    registers,
  });
  const inFlight = new Gauge({
    name: 'apiserver_current_inflight_requests',
    help: 'Requests that are being answered, watches and streams left out.',
    labelNames: ['request_kind'],
    registers,
  });
  const longRunning = new Gauge({
    name: 'apiserver_longrunning_requests',
    help: 'Watches and streams that are open.',
    labelNames: LABELS,
    registers,
  });

  return {
    registry,
    begin(info, beganMs) {
      const labels = labelsOf(info);
      const isLong = labels.verb === 'WATCH' || labels.verb === 'CONNECT';
      const kind = { request_kind: isReading(labels.verb) ? 'readOnly' : 'mutating' };
      if (isLong) longRunning.inc(labels);
      else inFlight.inc(kind);
      return (code, nowMs) => {
        if (isLong) longRunning.dec(labels);
        else {
          inFlight.dec(kind);
          seconds.observe(labels, (nowMs - beganMs) / 1000);
        }
        total.inc({ ...labels, code: String(code) });
      };
    },
  };
}

const CONNECTING = new Set(['exec', 'attach', 'portforward', 'proxy', 'log']);
const isReading = (verb: string): boolean => verb === 'GET' || verb === 'LIST' || verb === 'WATCH';

/** Paths that nobody serves are counted as one, so that a scanner makes no series. */
function labelsOf(info: RequestInfo | undefined) {
  if (!info?.isResource)
    return { verb: info?.method ?? 'GET', group: '', version: '', resource: '', subresource: '', scope: '' };
  const { group, version, resource, subresource, namespace, name } = info;
  const verb = CONNECTING.has(subresource) ? 'CONNECT' : VERBS[info.verb] || 'OTHER';
  const scope = name ? 'resource' : namespace ? 'namespace' : 'cluster';
  return { verb, group, version, resource, subresource, scope };
}

const VERBS: Readonly<Record<string, string>> = {
  create: 'POST',
  get: 'GET',
  list: 'LIST',
  watch: 'WATCH',
  update: 'PUT',
  patch: 'PATCH',
  delete: 'DELETE',
  deletecollection: 'DELETE',
};
