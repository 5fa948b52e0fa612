/**
 * What holding many pods on simulated nodes takes when nothing happens but leases and heartbeats. The pods are bound by whoever
 * creates them: how fast the scheduler is, other measures say.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Bench } from './bench.ts';
import { load } from './http2-load.ts';
import { cpuSecondsOf, memoryOf } from './process-usage.ts';
import { type Row, sizeRow } from './row.ts';
import { SimulatedCluster } from './simulated-cluster.ts';

/** Nodes, and pods on each of them; the last is what the target is for. */
const SIZES = [
  { nodes: 1_000, podsOnEach: 0 },
  { nodes: 1_000, podsOnEach: 100 },
] as const;
const AT_ONCE = 64;
const POLL_MS = 200;
const CREATE_WITHIN_MS = 90_000;
const SETTLE_MS = 5_000;
const WATCH_MS = 15_000;
const TARGET_CPU_PERCENT = 10;

export async function run(bench: Bench): Promise<Row[]> {
  const rows: Row[] = [];
  for (const { nodes, podsOnEach } of SIZES) {
    const cluster = await SimulatedCluster.start(bench, nodes);
    const pods = nodes * podsOnEach;
    if (pods > 0) await createPods(cluster, { nodes, pods });
    const { pid } = cluster.process;
    await delay(SETTLE_MS);
    const before = cpuSecondsOf(pid);
    const began = performance.now();
    await delay(WATCH_MS);
    const cpu = (100_000 * (cpuSecondsOf(pid) - before)) / (performance.now() - began);
    const { rss, anonymous, file } = memoryOf(pid);
    const name = `simulated-idle/${nodes} nodes, ${pods} pods`;
    const cpuRow = sizeRow(`${name}: CPU of a core`, '%', { value: cpu });
    rows.push(pods > 0 ? { ...cpuRow, target: TARGET_CPU_PERCENT } : cpuRow);
    rows.push(sizeRow(`${name}: RSS`, 'MB', { value: rss }));
    rows.push(sizeRow(`${name}: RssAnon`, 'MB', { value: anonymous }));
    rows.push(sizeRow(`${name}: RssFile`, 'MB', { value: file }));
    await cluster.process.stop();
  }
  return rows;
}

async function createPods(cluster: SimulatedCluster, { nodes, pods }: { nodes: number; pods: number }): Promise<void> {
  const path = '/api/v1/namespaces/default/pods';
  const ask = (index: number) => ({
    method: 'POST',
    path,
    contentType: 'application/json',
    body: JSON.stringify({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: `pod-${index}` },
      spec: { nodeName: `simulated-${(index % nodes) + 1}`, containers: [{ name: 'main', image: 'example/main:1' }] },
    }),
  });
  await load(cluster.process.target, { ask, requests: pods, forMs: CREATE_WITHIN_MS, atOnce: AT_ONCE });
  const pending = `${path}?limit=1&fieldSelector=status.phase%3DPending`;
  while ((await cluster.get<{ items: unknown[] }>(pending)).items.length > 0) await delay(POLL_MS);
}
