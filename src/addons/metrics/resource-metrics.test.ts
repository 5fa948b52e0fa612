import { expect, test } from 'vitest';
import type { Node, Pod } from '#api/generated/schema.ts';
import { silentLog } from '#base/log.ts';
import { ManualClock } from '#base/manual-clock.ts';
import { type NodeSample, sampleOf } from './node-sample.ts';
import { ResourceMetrics } from './resource-metrics.ts';

const TEXT = `# HELP node_cpu_usage_seconds_total [STABLE] Cumulative cpu time consumed by the node in core-seconds
# TYPE node_cpu_usage_seconds_total counter
node_cpu_usage_seconds_total 12.5 1700000000500
node_memory_working_set_bytes 1.048576e+06 1700000000500
container_cpu_usage_seconds_total{container="main",namespace="default",pod="web"} 3 1700000000000
container_memory_working_set_bytes{container="main",namespace="default",pod="web"} 4096 1700000000000
container_start_time_seconds{container="main",namespace="default",pod="web"} 1699999000
container_cpu_usage_seconds_total{container="half",namespace="default",pod="web"} 3
pod_cpu_usage_seconds_total{namespace="default",pod="web"} 3
nonsense{
`;

test('a kubelet’s text is read: node, whole containers, times', () => {
  expect(sampleOf(TEXT, 5)).toEqual({
    node: { cpuSeconds: 12.5, memoryBytes: 1_048_576, atMs: 1_700_000_000_500 },
    containers: [
      {
        namespace: 'default',
        pod: 'web',
        name: 'main',
        cpuSeconds: 3,
        memoryBytes: 4096,
        atMs: 1_700_000_000_000,
        startMs: 1_699_999_000_000,
      },
    ],
  });
});

const at = (clock: ManualClock, cores: number): NodeSample => {
  const reading = { cpuSeconds: (clock.now() / 1000) * cores, memoryBytes: 64 * 1024 * 1024, atMs: clock.now() };
  const container = { namespace: 'default', pod: 'web', name: 'main', startMs: undefined };
  return { node: reading, containers: [{ ...reading, ...container }] };
};
const node = { metadata: { name: 'node-1', labels: { role: 'worker' } } } as unknown as Node;
const pod = { metadata: { name: 'web', namespace: 'default', labels: { app: 'web' } } } as unknown as Pod;

function ground(scrape: (clock: ManualClock) => NodeSample | undefined = (clock) => at(clock, 0.25)) {
  const clock = new ManualClock();
  const looks: number[] = [];
  const metrics = new ResourceMetrics({
    clock,
    log: silentLog,
    signal: new AbortController().signal,
    nodes: () => [node],
    pod: (key) => (key === 'default/web' ? pod : undefined),
    scrape: async () => {
      looks.push(clock.now());
      return scrape(clock);
    },
  });
  const passes = async (ms: number) => {
    for (let left = ms; left > 0; left -= 500) {
      for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
      clock.advance(Math.min(500, left));
    }
    for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
  };
  return { clock, metrics, looks, passes };
}

test('who asks first waits for two looks, and gets a rate', async () => {
  const { metrics, passes } = ground();
  const asked = Promise.all([metrics.nodes(), metrics.pods()]);
  await passes(2_500);
  const [nodes, pods] = await asked;
  expect(nodes).toEqual([
    {
      apiVersion: 'metrics.k8s.io/v1beta1',
      kind: 'NodeMetrics',
      metadata: { name: 'node-1', creationTimestamp: expect.any(String), labels: { role: 'worker' } },
      timestamp: expect.any(String),
      window: '2s',
      usage: { cpu: '250000000n', memory: '65536Ki' },
    },
  ]);
  expect(pods[0]).toMatchObject({
    kind: 'PodMetrics',
    metadata: { name: 'web', namespace: 'default', labels: { app: 'web' } },
    containers: [{ name: 'main', usage: { cpu: '250000000n', memory: '65536Ki' } }],
  });
});

test('while somebody asks it looks every 15 s, and stops when nobody has asked for two minutes', async () => {
  const { metrics, passes, looks } = ground();
  const first = metrics.nodes();
  await passes(2_500);
  await first;
  await passes(60_000);
  expect((await metrics.nodes())[0]?.window).toBe('15s');
  const during = looks.length;
  expect(during).toBeGreaterThanOrEqual(5);
  await passes(400_000);
  const after = looks.length;
  await passes(400_000);
  expect(looks.length).toBe(after);
});

test('a counter that began anew makes no negative rate, and a node that fails has no figures', async () => {
  let cpuSeconds = 100;
  let fails = false;
  const { metrics, passes } = ground((clock) => {
    if (fails) throw new Error('connection refused');
    cpuSeconds /= 2;
    return { node: { cpuSeconds, memoryBytes: 1, atMs: clock.now() }, containers: [] };
  });
  const first = metrics.nodes();
  await passes(2_500);
  expect(await first).toEqual([]);
  fails = true;
  await passes(16_000);
  expect(await metrics.nodes()).toEqual([]);
});

test('a container that has just begun is measured from its beginning', async () => {
  const { metrics, passes, clock } = ground((now) => {
    const reading = { cpuSeconds: 1, memoryBytes: 1024, atMs: now.now() };
    const container = { namespace: 'default', pod: 'web', name: 'main', startMs: begin };
    return { node: undefined, containers: [{ ...reading, ...container }] };
  });
  const begin = clock.now() + 500;
  const first = metrics.pods();
  await passes(2_500);
  expect((await first)[0]).toMatchObject({
    window: '1.5s',
    containers: [{ usage: { cpu: '666666667n', memory: '1Ki' } }],
  });
});
