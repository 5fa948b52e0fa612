/** A real cluster with the example, an Ingress in front of it, and its API in JSON: what measures of traffic share. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Bench } from './bench.ts';
import { exchange, open } from './http2-load.ts';
import { ingressAt } from './ingresses.ts';
import { inForce } from './paced-load.ts';
import { RealCluster } from './real-cluster.ts';

export const NAMESPACE = 'default';
export const SERVICE = 'myapp-service';
const DEPLOYMENT = `/apis/apps/v1/namespaces/${NAMESPACE}/deployments/myapp`;
const INGRESSES = `/apis/networking.k8s.io/v1/namespaces/${NAMESPACE}/ingresses`;
const WITHIN_MS = 60_000;
const POLL_MS = 50;

export interface WebCluster {
  cluster: RealCluster;
  ask(method: string, path: string, object?: object): Promise<unknown>;
  /** Of the Service. */
  clusterIP: string;
  /** Of the Ingress. */
  address: string;
}

/** @param host that the Ingress is for; it is in force. */
export async function webCluster(bench: Bench, { nodes, host }: { nodes: number; host: string }): Promise<WebCluster> {
  const cluster = await RealCluster.make(bench, { nodes });
  await cluster.up('--example', 'web');
  const session = await open(cluster.target());
  bench.atEnd(() => session.destroy());
  const ask = async (method: string, path: string, object?: object): Promise<unknown> => {
    const body = object && JSON.stringify(object);
    const contentType = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
    return JSON.parse((await exchange(session, { method, path, contentType, ...(body && { body }) })).toString());
  };
  const { spec } = (await ask('GET', `/api/v1/namespaces/${NAMESPACE}/services/${SERVICE}`)) as ServiceObject;
  const service = { name: SERVICE, port: { number: spec.ports[0]?.port ?? 80 } };
  const rules = [{ host, http: { paths: [{ path: '/', pathType: 'Prefix', backend: { service } }] } }];
  await ask('POST', INGRESSES, {
    ...ingressAt('web', host),
    metadata: { name: 'web' },
    spec: { ingressClassName: 'nginx', rules },
  });
  const address = await until('the Ingress has an address', async () => {
    const { status } = (await ask('GET', `${INGRESSES}/web`)) as IngressStatus;
    return status?.loadBalancer?.ingress?.[0]?.ip;
  });
  await inForce({ address, port: 80, host, path: '/' });
  return { cluster, ask, clusterIP: spec.clusterIP, address };
}

/** All pods of the example are replaced. @returns ms that it took. */
export async function rollOut({ ask }: Pick<WebCluster, 'ask'>): Promise<number> {
  const began = performance.now();
  const annotations = { 'example.com/version': String(Date.now()) };
  await ask('PATCH', DEPLOYMENT, { spec: { template: { metadata: { annotations } } } });
  await until('it is rolled out', async () => isRolledOut((await ask('GET', DEPLOYMENT)) as Rolling) || undefined);
  return performance.now() - began;
}

interface ServiceObject {
  spec: { clusterIP: string; ports: { port: number }[] };
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

/** Looks until there is something; what is thrown meanwhile counts as nothing. */
export async function until<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
  for (const deadline = performance.now() + WITHIN_MS; performance.now() < deadline; await delay(POLL_MS)) {
    const found = await look();
    if (found !== undefined) return found;
  }
  throw new Error(`it takes too long until ${what}`);
}
