/** The cluster's image registry: `localhost:PORT` on this machine, and under the same name in what nodes pull. */
import { Registry } from '#addons/images/registry.ts';
import { serveRegistry } from '#addons/images/registry-server.ts';
import { ConfigMap } from '#api/core/v1/config-map.ts';
import { isEqual } from '#api/machinery/equal.ts';
import { isInRange } from '#api/machinery/ip.ts';
import { hasReason } from '#api/machinery/status.ts';
import type { Log } from '#base/log.ts';
import type { Client, Draft } from '#client/client.ts';
import type { SlotPlan } from '#node/machine/slots.ts';
import type { Pki } from '../pki/pki.ts';
import { systemClock } from '../system-clock.ts';

export interface ImageRegistryOptions {
  root: string;
  plan: SlotPlan;
  /** Addresses of this machine at which nodes elsewhere reach it. */
  listen: readonly string[];
  pki: Pick<Pki, 'caCertificate' | 'issueServer'>;
  log: Log;
}

export interface ImageRegistry {
  /** As it stands in image names. */
  host: string;
  close(): Promise<void>;
}

/** undefined: another program has its port, and the cluster goes without. */
export async function openImageRegistry(options: ImageRegistryOptions): Promise<ImageRegistry | undefined> {
  const { root, plan, listen, pki } = options;
  const log = options.log.child({ component: 'image-registry' });
  const registry = new Registry({ root, clock: systemClock, log });
  try {
    await registry.start();
    const server = await serveRegistry({
      registry,
      port: plan.registryPort,
      log,
      nodeAddresses: plan.hostAddresses,
      isNode: (address) => plan.nodeRanges.some((range) => isInRange(range, address)),
      owner: process.getuid?.(),
      ...(listen.length > 0 && {
        elsewhere: { addresses: listen, clientCA: pki.caCertificate, ...pairFor(pki, listen) },
      }),
    });
    return {
      host: `localhost:${server.port}`,
      async close() {
        await server.close();
        await registry.close();
      },
    };
  } catch (error) {
    await registry.close();
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    log.warn('another program has the port of the image registry; there is none', { port: plan.registryPort });
    return undefined;
  }
}

const pairFor = (pki: ImageRegistryOptions['pki'], addresses: readonly string[]) =>
  pki.issueServer('image-registry', { commonName: 'kedge-image-registry', names: ['localhost'], addresses });

const HOSTING = { name: 'local-registry-hosting', namespace: 'kube-public' };

/** Tells tools where to push. Source: KEP-1755, "Communicating a local registry". */
export async function ensureRegistryAnnounced(client: Client, host: string): Promise<void> {
  // The same name on this machine and for what pulls on nodes; pods have none, as they may not push.
  const lines = [`host: "${host}"`, `hostFromContainerRuntime: "${host}"`, 'help: "kedge image push --help"', ''];
  const data = { 'localRegistryHosting.v1': lines.join('\n') };
  try {
    const there = await client.get(ConfigMap, HOSTING);
    if (!isEqual(there.data, data)) await client.update(ConfigMap, { ...there, data });
  } catch (error) {
    if (!hasReason(error, 'NotFound')) throw error;
    await client.create(ConfigMap, { metadata: HOSTING, data } as Draft<ConfigMap>);
  }
}
