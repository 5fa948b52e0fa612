import { expect, test } from 'vitest';
import { bodies, catalog } from '#api/catalog.ts';
import { createKindRegistry } from '#api/machinery/kind-registry.ts';
import { StatusError } from '#api/machinery/status.ts';
import type { Transport } from '#client/transport.ts';
import { metricsOver } from './metrics-source.ts';

const kinds = createKindRegistry(catalog, bodies);
const timestamp = '2026-01-01T00:00:10Z';
const timestampMs = Date.UTC(2026, 0, 1, 0, 0, 10);

const nobody = new StatusError('NotFound', 'the server could not find the requested resource');

/** To paths that hold `served`. */
function answering(items: unknown, served = '') {
  const paths: string[] = [];
  const request: Transport['request'] = async ({ path }) => {
    paths.push(path);
    if (!path.includes(served)) throw nobody;
    if (items instanceof Error) throw items;
    return { code: 200, object: { items }, warnings: [] };
  };
  const watch: Transport['watch'] = () => {
    throw new Error('nothing is watched');
  };
  return { paths, source: metricsOver({ request, watch }, kinds) };
}

const usage = (name: string, ...cpus: (string | undefined)[]) => ({
  metadata: { name },
  timestamp,
  window: '30s',
  containers: cpus.map((cpu, index) => ({ name: `c${index}`, usage: cpu === undefined ? {} : { cpu } })),
});

test('usage of a resource is the sum of the containers, without pods of which something is missing', async () => {
  const { paths, source } = answering([usage('a', '100m', '1'), usage('b', '5m', undefined), usage('c')]);
  const found = await source.ofResource({ namespace: 'default', selector: 'app=web', resource: 'cpu' });
  expect([...found]).toEqual([['a', { value: 1100, timestampMs, windowMs: 30_000 }]]);
  expect(paths).toEqual(['/apis/metrics.k8s.io/v1beta1/namespaces/default/pods?labelSelector=app%3Dweb']);
});

test('of one container only that one counts', async () => {
  const { source } = answering([usage('a', '100m', '1'), usage('b', undefined, '5m')]);
  const found = await source.ofResource({ namespace: 'default', selector: '', resource: 'cpu', container: 'c1' });
  expect([...found].map(([name, { value }]) => [name, value])).toEqual([
    ['a', 1000],
    ['b', 5],
  ]);
});

test('metrics of pods and of objects come from the custom metrics API', async () => {
  const { paths, source } = answering([{ describedObject: { name: 'a' }, timestamp, value: '2500m' }]);
  const about = { namespace: 'default', metric: 'hits', metricSelector: 'verb=GET' };
  expect([...(await source.ofPods({ ...about, selector: 'app=web' }))]).toEqual([
    ['a', { value: 2500, timestampMs, windowMs: 60_000 }],
  ]);
  const ingress = { apiVersion: 'networking.k8s.io/v1', kind: 'Ingress', name: 'main' };
  expect(await source.ofObject({ ...about, object: ingress })).toBe(2500);
  await source.ofObject({ ...about, metricSelector: '', object: { apiVersion: 'v1', kind: 'Namespace', name: 'x' } });
  const root = '/apis/custom.metrics.k8s.io/v1beta2/namespaces/default';
  expect(paths).toEqual([
    `${root}/pods/*/hits?labelSelector=app%3Dweb&metricLabelSelector=verb%3DGET`,
    `${root}/ingresses.networking.k8s.io/main/hits?metricLabelSelector=verb%3DGET`,
    `${root}/metrics/hits`,
  ]);
});

test('external metrics are all values of that name', async () => {
  const { paths, source } = answering([{ value: '3' }, { value: '1500m' }]);
  expect(await source.external({ namespace: 'default', metric: 'queue', metricSelector: '' })).toEqual([3000, 1500]);
  expect(paths).toEqual(['/apis/external.metrics.k8s.io/v1beta1/namespaces/default/queue']);
});

const about = { namespace: 'default', metric: 'queue', metricSelector: '' };

test('of the custom metrics API the older version does where that is all there is', async () => {
  const { source } = answering([{ describedObject: { name: 'a' }, timestamp, value: '1' }], 'v1beta1');
  expect((await source.ofPods({ ...about, selector: '' })).get('a')?.value).toBe(1000);
});

test('where nobody serves custom metrics the error says so', async () => {
  const text = 'no custom metrics API (custom.metrics.k8s.io) registered';
  await expect(answering([], 'none').source.ofPods({ ...about, selector: '' })).rejects.toThrow(text);
});

const none = new StatusError('NotFound', 'the server could not find the metric queue for pods');
test.each([
  ['not served', nobody, 'the server could not find the requested resource (get queue.external.metrics.k8s.io)'],
  ['no such metric', none, none.message],
  ['not allowed', new StatusError('Forbidden', 'not you'), 'not you'],
])('without an answer the error says which API it was: %s', async (_, error, why) => {
  const { source } = answering(error);
  const text = `unable to fetch metrics from external metrics API: ${why}`;
  await expect(source.external(about)).rejects.toThrow(text);
});
