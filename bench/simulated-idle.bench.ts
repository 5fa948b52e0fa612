/**
 * What holding many pods on simulated nodes takes when nothing happens but leases and heartbeats. The pods are there
 * from before: how fast they can be made, other measures say.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { Pod } from '#api/core/v1/pod.ts';
import { encode, storageKey } from '#control-plane/apiserver/watch-cache/stored-object.ts';
import { openLmdbStorage } from '#control-plane/storage/lmdb.ts';
import { addressOf, podNetworkOf } from '#node/simulated/simulated-node.ts';
import { runningStatus } from '#node/simulated/simulated-pod.ts';
import type { Bench } from './bench.ts';
import type { BenchCluster } from './control-plane-process.ts';
import { cpuSecondsOf, memoryOf } from './process-usage.ts';
import { type Row, sizeRow } from './row.ts';
import { SimulatedCluster } from './simulated-cluster.ts';

/** Nodes, and pods on each of them; the last is what the target is for. */
const SIZES = [
  { nodes: 100, podsOnEach: 0 },
  { nodes: 1_000, podsOnEach: 0 },
  { nodes: 5_000, podsOnEach: 0 },
  { nodes: 1_000, podsOnEach: 100 },
] as const;
const BATCH = 1_000;
const SETTLE_MS = 5_000;
const WATCH_MS = 15_000;
const TARGET_CPU_PERCENT = 10;

export async function run(bench: Bench): Promise<Row[]> {
  const rows: Row[] = [];
  for (const { nodes, podsOnEach } of SIZES) {
    const pods = nodes * podsOnEach;
    bench.say(`${pods} pods are stored`);
    const cluster = await SimulatedCluster.start(bench, nodes, (stored) => storePods(stored, { nodes, pods }));
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

/** As if they had been running since before: written straight into the store, which is what takes the time otherwise. */
async function storePods({ paths }: BenchCluster, { nodes, pods }: { nodes: number; pods: number }): Promise<void> {
  const storage = await openLmdbStorage({
    directory: paths.store,
    onFailure(error) {
      throw error;
    },
  });
  for (let from = 0; from < pods; from += BATCH) {
    const writes = Array.from({ length: Math.min(BATCH, pods - from) }, (_, at) => writeOf(from + at, nodes));
    await storage.commit({ when: [], then: writes });
  }
  await storage.close();
}

function writeOf(number: number, nodes: number) {
  const name = `pod-${number}`;
  const draft = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      namespace: 'default',
      name,
      uid: randomUUID(),
      labels: { app: 'web' },
      creationTimestamp: new Date().toISOString().replace(/\.\d+/, ''),
    },
    spec: {
      nodeName: `simulated-${(number % nodes) + 1}`,
      serviceAccountName: 'default',
      containers: [{ name: 'main', image: 'example/main:1' }],
    },
  } as unknown as Pod;
  const pod = Pod.defaults(draft);
  const address = Math.floor(number / nodes) + 2;
  const times = {
    nowMs: Date.now(),
    hostIP: addressOf(number % nodes),
    podIP: `${podNetworkOf(number % nodes)}.${address}`,
  };
  const value = encode({ ...pod, status: runningStatus(pod, times) } as Pod);
  return { put: storageKey(Pod, { namespace: 'default', name }), value };
}
