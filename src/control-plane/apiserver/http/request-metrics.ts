/** What `/metrics` says of requests, under upstream's names. */
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import { DistributionHistogram } from '../metrics/distribution-histogram.ts';
import { collectionRead, type RequestInfo } from '../request-info.ts';
import { allElsewhereMs, type TimeElsewhere } from '../time-elsewhere.ts';
import { dryRunErrors } from '../verbs/write-options.ts';
import {
  AllRequestSeries,
  LABELS,
  LONG_LABELS,
  type RequestLabels,
  type RequestSeries,
  SecondsHistogram,
  unnamed,
  withoutDryRun,
} from './request-series.ts';

export interface RequestMetrics {
  registry: Registry;
  /** Call what it returns with the code of the answer when the request is over. */
  begin(info: RequestInfo | undefined, nowMs: number): (code: number, nowMs: number, spent?: Spent) => void;
}

export interface Spent extends TimeElsewhere {
  /** Bytes of the answer. */
  sent: number;
}

export function createRequestMetrics(): RequestMetrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const all = new AllRequestSeries();
  const seriesOf = rememberedSeries(all);
  registerMetrics(registry, all);
  return {
    registry,
    begin(info, beganMs) {
      const series = seriesOf(info);
      series.open++;
      return (code, nowMs, spent) => {
        series.open--;
        series.answered(code);
        series.sent(spent?.sent ?? 0);
        if (!series.isLong) series.took((nowMs - beganMs) / 1000, spent ? allElsewhereMs(spent) / 1000 : 0);
      };
    },
  };
}

/** Most requests read one object by its name: what is counted of it is found by its collection. A series is never thrown away. */
function rememberedSeries(all: AllRequestSeries): (info: RequestInfo | undefined) => RequestSeries {
  const ofReading = new WeakMap<object, RequestSeries>();
  return (info) => {
    const collection = collectionRead(info);
    const known = collection && ofReading.get(collection);
    if (known) return known;
    const series = all.of(labelsOf(info));
    if (collection) ofReading.set(collection, series);
    return series;
  };
}

/** They are filled in when they are asked for. */
function registerMetrics(registry: Registry, all: AllRequestSeries): void {
  const registers = [registry];
  new Counter({
    name: 'apiserver_request_total',
    help: 'Requests by verb, resource and code of the answer.',
    labelNames: [...LABELS, 'code'],
    registers,
    collect() {
      this.reset();
      for (const { labels, codes } of all)
        for (const [code, count] of codes) this.inc({ ...labels, code: String(code) }, count);
    },
  });
  registry.registerMetric(
    new SecondsHistogram(
      {
        name: 'apiserver_request_duration_seconds',
        help: 'How long requests took, watches and streams left out.',
      },
      all,
    ),
  );
  registry.registerMetric(
    new DistributionHistogram(
      {
        name: 'apiserver_request_sli_duration_seconds',
        help: 'How long requests took, without their wait for a turn and for webhooks.',
      },
      () => all.ownTimes(),
    ),
  );
  registry.registerMetric(
    new DistributionHistogram({ name: 'apiserver_response_sizes', help: 'Bytes of the answers to who reads.' }, () =>
      [...all].map(({ labels, sizes }) => [withoutDryRun(labels), sizes]),
    ),
  );
  new Gauge({
    name: 'apiserver_current_inflight_requests',
    help: 'Requests that are being answered, watches and streams left out.',
    labelNames: ['request_kind'],
    registers,
    collect() {
      const open = { readOnly: 0, mutating: 0 };
      for (const series of all) if (!series.isLong) open[series.isReading ? 'readOnly' : 'mutating'] += series.open;
      for (const [kind, count] of Object.entries(open)) this.set({ request_kind: kind }, count);
    },
  });
  new Gauge({
    name: 'apiserver_longrunning_requests',
    help: 'Watches and streams that are open.',
    labelNames: LONG_LABELS,
    registers,
    collect() {
      this.reset();
      for (const { labels, isLong, open } of all) if (isLong) this.inc(withoutDryRun(labels), open);
    },
  });
}

const CONNECTING = new Set(['exec', 'attach', 'portforward', 'proxy', 'log']);

/** Paths that nobody serves are counted as one, so that a scanner makes no series. */
function labelsOf(info: RequestInfo | undefined): RequestLabels {
  if (!info?.isResource) return unnamed(info?.method ?? 'GET');
  const { group, version, resource, subresource, namespace, name } = info;
  const verb = CONNECTING.has(subresource) ? 'CONNECT' : VERBS[info.verb] || 'OTHER';
  const scope = name ? 'resource' : namespace ? 'namespace' : 'cluster';
  return { verb, dry_run: dryRunOf(info), group, version, resource, subresource, scope };
}

function dryRunOf({ method, query }: RequestInfo): string {
  if (method === 'GET' || method === 'HEAD' || !query.has('dryRun')) return '';
  const asked = query.getAll('dryRun');
  if (dryRunErrors(asked).length > 0) return 'invalid';
  return asked.includes('All') ? 'All' : '';
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
