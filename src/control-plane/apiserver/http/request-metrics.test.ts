import { expect, test } from 'vitest';
import { requestInfoOf } from '../request-info.ts';
import { createRequestMetrics, type RequestMetrics } from './request-metrics.ts';

/** The lines of one metric, without its help. */
async function linesOf({ registry }: RequestMetrics, name: string): Promise<string[]> {
  return (await registry.metrics()).split('\n').filter((line) => line.startsWith(name));
}
const begin = (metrics: RequestMetrics, path: string, { method = 'GET', atMs = 0 } = {}) =>
  metrics.begin(requestInfoOf(method, path), atMs);

const PODS =
  'verb="GET",dry_run="",group="",version="v1",resource="pods",subresource="",scope="resource",component="apiserver"';

test('requests are counted by what they ask for and by the answer', async () => {
  const metrics = createRequestMetrics();
  for (const code of [200, 404, 200]) begin(metrics, '/api/v1/namespaces/a/pods/p')(code, 0);
  begin(metrics, '/apis/apps/v1/namespaces/a/deployments?dryRun=All', { method: 'POST' })(201, 0);
  begin(metrics, '/nowhere')(404, 0);
  const expected = [
    `apiserver_request_total{${PODS},code="200"} 2`,
    `apiserver_request_total{${PODS},code="404"} 1`,
    'apiserver_request_total{verb="POST",dry_run="All",group="apps",version="v1",resource="deployments",subresource="",scope="namespace",component="apiserver",code="201"} 1',
    'apiserver_request_total{verb="GET",dry_run="",group="",version="",resource="",subresource="",scope="",component="apiserver",code="404"} 1',
  ];
  expect(await linesOf(metrics, 'apiserver_request_total')).toEqual(expected);
  expect(await linesOf(metrics, 'apiserver_request_total')).toEqual(expected); // asking changes nothing
});

test('the time that requests take is a histogram', async () => {
  const metrics = createRequestMetrics();
  for (const tookMs of [5, 6, 70_000])
    begin(metrics, '/api/v1/namespaces/a/pods/p', { atMs: 1_000 })(200, 1_000 + tookMs);
  const lines = await linesOf(metrics, 'apiserver_request_duration_seconds');
  const of = (rest: string) => lines.find((line) => line.startsWith(`apiserver_request_duration_seconds_${rest}`));
  expect(of(`bucket{le="0.005",${PODS}}`)).toMatch(/ 1$/);
  expect(of(`bucket{le="0.025",${PODS}}`)).toMatch(/ 2$/);
  expect(of(`bucket{le="60",${PODS}}`)).toMatch(/ 2$/);
  expect(of(`bucket{le="+Inf",${PODS}}`)).toMatch(/ 3$/);
  expect(of(`sum{${PODS}}`)).toMatch(/ 70\.011$/);
  expect(of(`count{${PODS}}`)).toMatch(/ 3$/);
  expect(await registryType(metrics)).toBe('# TYPE apiserver_request_duration_seconds histogram');
});

const registryType = async (metrics: RequestMetrics) =>
  (await linesOf(metrics, '# TYPE apiserver_request_duration_seconds'))[0];

test('the sizes of answers to who reads are a histogram', async () => {
  const metrics = createRequestMetrics();
  for (const bytes of [500, 5_000]) begin(metrics, '/api/v1/namespaces/a/pods/p')(200, 0, bytes);
  begin(metrics, '/api/v1/namespaces/a/pods', { method: 'POST' })(201, 0, 500);
  begin(metrics, '/api/v1/pods?watch=1')(200, 0, 500);
  const lines = await linesOf(metrics, 'apiserver_response_sizes');
  const labels = PODS.replace('dry_run="",', '');
  expect(lines.slice(0, 2)).toEqual([
    `apiserver_response_sizes_bucket{le="1000",${labels}} 1`,
    `apiserver_response_sizes_bucket{le="10000",${labels}} 2`,
  ]);
  expect(lines.slice(-2)).toEqual([
    `apiserver_response_sizes_sum{${labels}} 5500`,
    `apiserver_response_sizes_count{${labels}} 2`,
  ]);
});

test('no series is told twice, whatever is asked of requests that only read or last', async () => {
  const metrics = createRequestMetrics();
  for (const method of ['GET', 'HEAD']) begin(metrics, '/api/v1/namespaces/a/pods/p?dryRun=All', { method })(200, 0, 1);
  begin(metrics, '/api/v1/namespaces/a/pods/p')(200, 0, 1);
  for (const query of ['', '?dryRun=All', '?dryRun=no'])
    begin(metrics, `/api/v1/namespaces/a/pods/p/exec${query}`, { method: 'POST' });
  const series = (await metrics.registry.metrics())
    .split('\n')
    .filter((line) => line.startsWith('apiserver_'))
    .map((line) => line.slice(0, line.lastIndexOf(' ')));
  expect(series).toEqual([...new Set(series)]);
  expect(await linesOf(metrics, 'apiserver_longrunning_requests')).toEqual([expect.stringMatching(/ 3$/)]);
});

test('requests in flight and open watches are told apart', async () => {
  const metrics = createRequestMetrics();
  const get = begin(metrics, '/api/v1/nodes/n');
  const watch = begin(metrics, '/api/v1/pods?watch=1');
  begin(metrics, '/api/v1/nodes', { method: 'POST' });
  expect(await linesOf(metrics, 'apiserver_current_inflight_requests')).toEqual([
    'apiserver_current_inflight_requests{request_kind="readOnly"} 1',
    'apiserver_current_inflight_requests{request_kind="mutating"} 1',
  ]);
  const open =
    'apiserver_longrunning_requests{verb="WATCH",group="",version="v1",resource="pods",subresource="",scope="cluster",component="apiserver"}';
  expect(await linesOf(metrics, 'apiserver_longrunning_requests')).toEqual([`${open} 1`]);
  get(200, 0);
  watch(200, 60_000);
  expect((await linesOf(metrics, 'apiserver_current_inflight_requests'))[0]).toMatch(/ 0$/);
  expect(await linesOf(metrics, 'apiserver_longrunning_requests')).toEqual([`${open} 0`]);
  expect((await linesOf(metrics, 'apiserver_request_duration_seconds_count')).join()).not.toContain('WATCH');
});

test('a scanner makes no end of series', async () => {
  const metrics = createRequestMetrics();
  for (let n = 0; n < 6_000; n++) begin(metrics, `/apis/g${n}/v1/things`)(404, 0);
  const lines = await linesOf(metrics, 'apiserver_request_total');
  expect(lines.length).toBeLessThanOrEqual(5_001);
  expect(lines.at(-1)).toBe(
    'apiserver_request_total{verb="LIST",dry_run="",group="",version="",resource="",subresource="",scope="",component="apiserver",code="404"} 1000',
  );
});
