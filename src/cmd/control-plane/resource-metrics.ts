/** metrics.k8s.io out of the box: kubelets are asked with the certificate by which the API server speaks to them. */
import { Agent, get } from 'node:https';
import { text } from 'node:stream/consumers';
import { type NodeSample, sampleOf } from '#addons/metrics/node-sample.ts';
import { ResourceMetrics } from '#addons/metrics/resource-metrics.ts';
import { Node } from '#api/core/v1/node.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { hasReason } from '#api/machinery/status.ts';
import { METRICS_GROUP } from '#api/metrics/v1beta1/resource-metrics.ts';
import { ClusterRole } from '#api/rbac/v1/cluster-role.ts';
import type { Log } from '#base/log.ts';
import type { Client } from '#client/client.ts';
import type { Informers } from '#client/informer.ts';
import type { ResourceMetricsSource } from '#control-plane/apiserver/registry/resource-metrics.ts';
import { kubeletClientIdentity } from '../pki/cluster-identities.ts';
import type { Pki } from '../pki/pki.ts';
import { systemClock } from '../system-clock.ts';

/** What a simulated node says of itself; undefined for a node that is none. */
export type SimulatedUsage = (node: Node) => NodeSample | undefined;

export interface ServedMetrics extends ResourceMetricsSource {
  /** From now on there is something to say. */
  follow(informers: Informers, simulated?: SimulatedUsage): void;
  close(): void;
}

const PATH = '/metrics/resource';
const PATIENCE_MS = 10_000;
const MOST_BYTES = 32 * 1024 * 1024;

export function servedMetrics({ pki, log }: { pki: Pki; log: Log }): ServedMetrics {
  const stopping = new AbortController();
  const { certificate: cert, key } = pki.issueClient('apiserver-kubelet-client', kubeletClientIdentity);
  const agent = new Agent({ keepAlive: true, cert, key, ca: pki.caCertificate, minVersion: 'TLSv1.2' });
  let metrics: ResourceMetrics | undefined;
  return {
    nodes: async () => (await metrics?.nodes()) ?? [],
    pods: async () => (await metrics?.pods()) ?? [],
    follow(informers, simulated) {
      const nodes = informers.for(Node);
      const pods = informers.for(Pod);
      metrics = new ResourceMetrics({
        clock: systemClock,
        log: log.child({ component: 'metrics' }),
        signal: stopping.signal,
        nodes: () => nodes.list(),
        pod: (podKey) => pods.get(podKey),
        scrape: async (node) => simulated?.(node) ?? scraped(node, agent),
      });
    },
    close() {
      stopping.abort();
      agent.destroy();
    },
  };
}

/** undefined for a node that has no kubelet to be asked. */
async function scraped({ status }: Node, agent: Agent): Promise<NodeSample | undefined> {
  const host = status?.addresses?.find(({ type }) => type === 'InternalIP')?.address;
  const port = status?.daemonEndpoints?.kubeletEndpoint?.Port;
  if (!host || !port) return undefined;
  const signal = AbortSignal.timeout(PATIENCE_MS);
  const answer = await new Promise<string>((resolve, reject) => {
    const request = get({ host, port, path: PATH, agent, signal }, (response) => {
      let size = 0;
      response.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size > MOST_BYTES) response.destroy(new Error(`more than ${MOST_BYTES} bytes`));
      });
      text(response).then((body) => {
        if (response.statusCode === 200) resolve(body);
        else reject(new Error(`the kubelet answered ${response.statusCode}: ${body.slice(0, 200)}`));
      }, reject);
    });
    request.on('error', reject);
  });
  return sampleOf(answer, systemClock.now());
}

/** Whoever may see pods may see what they use: metrics-server's own role. */
export async function ensureMetricsReader(client: Client): Promise<void> {
  const aggregated = ['admin', 'edit', 'view'].map((role) => [
    `rbac.authorization.k8s.io/aggregate-to-${role}`,
    'true',
  ]);
  try {
    await client.create(ClusterRole, {
      metadata: { name: 'system:aggregated-metrics-reader', labels: Object.fromEntries(aggregated) },
      rules: [{ apiGroups: [METRICS_GROUP], resources: ['pods', 'nodes'], verbs: ['get', 'list', 'watch'] }],
    });
  } catch (error) {
    if (!hasReason(error, 'AlreadyExists')) throw error;
  }
}
