/** What a cluster with nodes offers out of the box, besides what controllers do. */
import type { Log } from '#base/log.ts';
import type { Client } from '#client/client.ts';
import type { ClusterPaths, ClusterRecord } from '#node/machine/cluster-dir.ts';
import type { SlotPlan } from '#node/machine/slots.ts';
import type { Pki } from '../pki/pki.ts';
import { systemClock, systemRandom } from '../system-clock.ts';
import { ensureRegistryAnnounced, openImageRegistry } from './image-registry.ts';
import { ensureGatewayApi } from './local-gateway.ts';
import { ensureIngressClass } from './local-ingress.ts';
import type { NodeService } from './node-services.ts';

export interface NodeServiceNeeds {
  cluster: ClusterRecord;
  paths: ClusterPaths;
  plan: SlotPlan;
  pki: Pki;
  client: Client;
  log: Log;
  /** Ends what goes on by itself. */
  signal: AbortSignal;
}

/** The Gateway API comes last: nobody's start waits for it, and its definitions are much work. */
export const nodeServicesOf = (needs: NodeServiceNeeds): NodeService[] => [
  () => ensureIngressClass(needs.client),
  () => imageRegistry(needs),
  () => gatewayApi(needs),
];

async function imageRegistry({ cluster, paths, plan, pki, client, log }: NodeServiceNeeds) {
  const registry = await openImageRegistry({ root: paths.images, plan, listen: cluster.listen ?? [], pki, log });
  if (registry) await ensureRegistryAnnounced(client, registry.host);
  return registry && (() => registry.close());
}

async function gatewayApi({ client, log, signal }: NodeServiceNeeds): Promise<void> {
  const parts = { clock: systemClock, random: systemRandom, log, signal };
  void ensureGatewayApi(client, parts).catch((error: unknown) =>
    log.warn('the Gateway API is not served as it should be', { error: String(error) }),
  );
}
