/**
 * Requests that fail through an Ingress while its backend rolls, with real pods on two nodes: 2,000 requests/s wanted, as many as
 * this machine has beside the cluster. The client counts what was not answered with 200.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Bench } from './bench.ts';
import { exchange, open } from './http2-load.ts';
import { ingressAt } from './ingresses.ts';
import { inForce, pacedLoad } from './paced-load.ts';
import { missingHere, RealCluster } from './real-cluster.ts';
import { median, quantile, type Row } from './row.ts';

const PER_SECOND = 2_000;
const CONNECTIONS = 64;
const HOST = 'rolling.example.com';
const NAMESPACE = 'default';
const DEPLOYMENT = `/apis/apps/v1/namespaces/${NAMESPACE}/deployments/myapp`;
const INGRESSES = `/apis/networking.k8s.io/v1/namespaces/${NAMESPACE}/ingresses`;
const WITHIN_MS = 40_000;
const POLL_MS = 50;

export async function run(bench: Bench): Promise<Row[]> {
  const missing = await missingHere();
  if (missing) {
    bench.say(`no rows: ${missing}`);
    return [];
  }
  const cluster = await RealCluster.make(bench, { nodes: 2 });
  await cluster.up('--example', 'web');
  const session = await open(cluster.target());
  bench.atEnd(() => session.destroy());
  const ask = async (method: string, path: string, object?: object) => {
    const body = object && JSON.stringify(object);
    const contentType = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
    return JSON.parse((await exchange(session, { method, path, contentType, ...(body && { body }) })).toString());
  };
  const ingress = ingressAt('rolling', HOST);
  const service = { name: 'myapp-service', port: { number: await portOf() } };
  const rules = [{ host: HOST, http: { paths: [{ path: '/', pathType: 'Prefix', backend: { service } }] } }];
  await ask('POST', INGRESSES, {
    ...ingress,
    metadata: { name: 'rolling' },
    spec: { ingressClassName: 'nginx', rules },
  });
  const address = await until(async () => {
    const { status } = (await ask('GET', `${INGRESSES}/rolling`)) as IngressStatus;
    return status?.loadBalancer?.ingress?.[0]?.ip;
  });
  await inForce({ address, port: 80, host: HOST, path: '/' });
  const load = pacedLoad({ address, port: 80, host: HOST, path: '/', perSecond: PER_SECOND, connections: CONNECTIONS });
  await delay(500);
  const began = performance.now();
  const annotations = { 'example.com/version': String(Date.now()) };
  await ask('PATCH', DEPLOYMENT, { spec: { template: { metadata: { annotations } } } });
  await until(async () => isRolledOut(await ask('GET', DEPLOYMENT)) || undefined);
  const rolledMs = performance.now() - began;
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

  async function portOf(): Promise<number> {
    const path = `/api/v1/namespaces/${NAMESPACE}/services/myapp-service`;
    const { spec } = (await ask('GET', path)) as { spec: { ports: { port: number }[] } };
    return spec.ports[0]?.port ?? 80;
  }
}

interface IngressStatus {
  status?: { loadBalancer?: { ingress?: { ip?: string }[] } };
}

function isRolledOut({ metadata, spec, status }: Rolling): boolean {
  const wanted = spec.replicas;
  return (
    status.observedGeneration === metadata.generation &&
    status.updatedReplicas === wanted &&
    status.replicas === wanted &&
    status.availableReplicas === wanted
  );
}
interface Rolling {
  metadata: { generation: number };
  spec: { replicas: number };
  status: { observedGeneration?: number; replicas?: number; updatedReplicas?: number; availableReplicas?: number };
}

async function until<T>(look: () => Promise<T | undefined>): Promise<T> {
  for (const deadline = performance.now() + WITHIN_MS; performance.now() < deadline; await delay(POLL_MS)) {
    const found = await look();
    if (found !== undefined) return found;
  }
  throw new Error('it takes too long');
}
