/**
 * Requests that fail through an Ingress while its backend rolls, with real pods on two nodes: 2,000 requests/s wanted, as many as
 * this machine has beside the cluster. The client counts what was not answered with 200.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Bench } from './bench.ts';
import { pacedLoad } from './paced-load.ts';
import { hasRealNodes } from './real-cluster.ts';
import { median, quantile, type Row } from './row.ts';
import { rollOut, webCluster } from './web-cluster.ts';

const PER_SECOND = 2_000;
const CONNECTIONS = 64;
const HOST = 'rolling.example.com';

export async function run(bench: Bench): Promise<Row[]> {
  if (!(await hasRealNodes(bench))) return [];
  const web = await webCluster(bench, { nodes: 2, host: HOST });
  const { address } = web;
  const load = pacedLoad({ address, port: 80, host: HOST, path: '/', perSecond: PER_SECOND, connections: CONNECTIONS });
  await delay(500);
  const began = performance.now();
  const rolledMs = await rollOut(web);
  await delay(1_000); // the last old pods end
  const { failed, failures, times } = await load.stop();
  const elapsed = (performance.now() - began) / 1000;
  bench.say(`rolled out in ${rolledMs.toFixed(0)} ms; failures: ${JSON.stringify([...failures])}`);
  const spread = { p50: median(times), p99: quantile(times, 0.99) };
  return [
    {
      measure: `rolling-update/failed of ${times.length + failed} requests`,
      value: failed,
      unit: 'failed',
      ...spread,
      target: 0,
    },
    { measure: 'rolling-update/requests meanwhile', value: times.length / elapsed, unit: '1/s' },
  ];
}
