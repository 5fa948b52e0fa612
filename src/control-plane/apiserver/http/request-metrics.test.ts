import { expect, test } from 'vitest';
import { requestInfoOf } from '../request-info.ts';
import { createRequestMetrics, type RequestMetrics, type Spent } from './request-metrics.ts';

/** The lines of one metric, without its help. */
async function linesOf({ registry }: RequestMetrics, name: string): Promise<string[]> {
  return (await registry.metrics()).split('\n').filter((line) => line.startsWith(name));
}
const begin = (metrics: RequestMetrics, path: string, { method = 'GET', atMs = 0 } = {}) =>
  metrics.begin(requestInfoOf(method, path), atMs);

const spent = (of: Partial<Spent>): Spent => ({
  sent: 0,
  queuedMs: 0,
  mutatingWebhooksMs: 0,
  validatingWebhooksMs: 0,
  ...of,
});

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

test('the time that this server takes of them is without queues and webhooks, and of what is only tried too', async () => {
  const metrics = createRequestMetrics();
  const create = (query = '') => begin(metrics, `/api/v1/namespaces/a/pods${query}`, { method: 'POST' });
  create()(201, 40);
  create()(201, 3_000, spent({ queuedMs: 500, mutatingWebhooksMs: 1_000, validatingWebhooksMs: 1_350 }));
  create('?dryRun=All')(201, 65_000, spent({ queuedMs: 64_700 }));
  create()(201, 90_000);
  begin(metrics, '/api/v1/pods?watch=1')(200, 5_000);
  const lines = await linesOf(metrics, 'apiserver_request_sli_duration_seconds');
  const labels =
    'verb="POST",group="",version="v1",resource="pods",subresource="",scope="namespace",component="apiserver"';
  const value = (rest: string) =>
    lines
      .find((line) => line.startsWith(`apiserver_request_sli_duration_seconds_${rest} `))
      ?.split(' ')
      .at(-1);
  const within = ['0.05', '0.1', '0.2', '0.4', '60', '+Inf'].map((le) => value(`bucket{le="${le}",${labels}}`));
  expect(within).toEqual(['1', '1', '2', '3', '3', '4']);
  expect(value('bucket{le="0.005",')).toBeUndefined();
  expect([Number(value(`sum{${labels}}`)).toFixed(2), value(`count{${labels}}`)]).toEqual(['90.49', '4']);
  expect(lines.filter((line) => line.includes('_count'))).toHaveLength(1);
});

test('the sizes of answers to who reads are a histogram', async () => {
  const metrics = createRequestMetrics();
  for (const bytes of [500, 5_000]) begin(metrics, '/api/v1/namespaces/a/pods/p')(200, 0, spent({ sent: bytes }));
  begin(metrics, '/api/v1/namespaces/a/pods', { method: 'POST' })(201, 0, spent({ sent: 500 }));
  begin(metrics, '/api/v1/pods?watch=1')(200, 0, spent({ sent: 500 }));
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
  for (const method of ['GET', 'HEAD'])
    begin(metrics, '/api/v1/namespaces/a/pods/p?dryRun=All', { method })(200, 0, spent({ sent: 1 }));
  begin(metrics, '/api/v1/namespaces/a/pods/p')(200, 0, spent({ sent: 1 }));
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
