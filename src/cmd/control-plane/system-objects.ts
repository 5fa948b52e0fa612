/** What every cluster has from its first moment: its own namespaces, and the Service by which pods reach the API server. */
import { ConfigMap } from '#api/core/v1/config-map.ts';
import { Endpoints } from '#api/core/v1/endpoints.ts';
import { Namespace } from '#api/core/v1/namespace.ts';
import { Service } from '#api/core/v1/service.ts';
import { EndpointSlice } from '#api/discovery/v1/endpoint-slice.ts';
import { isEqual } from '#api/machinery/equal.ts';
import type { Kind } from '#api/machinery/kind.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { hasReason } from '#api/machinery/status.ts';
import type { Client, Draft } from '#client/client.ts';

/** As a client sends it: what is left out has a default. */
type Sent<T extends KubeObject> = { metadata: Partial<T['metadata']> } & Record<string, unknown>;

export const SYSTEM_NAMESPACES = ['default', 'kube-system', 'kube-public', 'kube-node-lease'];

export interface ApiServerAddress {
  /** Where pods reach the API server: on the cluster's bridge. */
  addresses: readonly string[];
  port: number;
  /** The first address of the service range. */
  clusterIps: readonly string[];
}

const NAME = { name: 'kubernetes', namespace: 'default' };
const PORT = { name: 'https', protocol: 'TCP' } as const;
// Upstream's: not to be mirrored from the Endpoints, because it is written with it.
const SKIP_MIRROR = { 'endpointslice.kubernetes.io/skip-mirror': 'true' };

export async function ensureNamespaces(client: Client): Promise<void> {
  await Promise.all(SYSTEM_NAMESPACES.map((name) => createUnlessThere(client, Namespace, { metadata: { name } })));
}

/** Since when uses of tokens that stand in Secrets are noted. Upstream's name. */
export const ensureTokenTracking = (client: Client, nowMs: number): Promise<void> =>
  createUnlessThere(client, ConfigMap, {
    metadata: { name: 'kube-apiserver-legacy-service-account-token-tracking', namespace: 'kube-system' },
    data: { since: new Date(nowMs).toISOString().slice(0, 10) },
  });

/** Says where this API server is, anew at each start. */
export async function ensureKubernetesService(client: Client, address: ApiServerAddress): Promise<void> {
  const { clusterIps, addresses, port } = address;
  const spec = {
    clusterIP: clusterIps[0],
    clusterIPs: [...clusterIps],
    ports: [{ ...PORT, port: 443, targetPort: port }],
    type: 'ClusterIP',
  };
  const labels = { component: 'apiserver', provider: 'kubernetes' };
  // Asked first: a create of what is there would be refused for its address, which is taken (by itself).
  if (!(await found(client, Service)))
    await createUnlessThere(client, Service, { metadata: { ...NAME, labels }, spec });
  const subset = { addresses: addresses.map((ip) => ({ ip })), ports: [{ ...PORT, port }] };
  await ensure(client, Endpoints, {
    metadata: { ...NAME, labels: SKIP_MIRROR },
    subsets: [subset],
  });
  await ensure(client, EndpointSlice, {
    metadata: { ...NAME, labels: { 'kubernetes.io/service-name': 'kubernetes' } },
    addressType: 'IPv4',
    endpoints: [{ addresses: [...addresses], conditions: { ready: true } }],
    ports: [{ ...PORT, port }],
  });
}

async function createUnlessThere<T extends KubeObject>(client: Client, kind: Kind<T>, object: Sent<T>): Promise<void> {
  try {
    await client.create(kind, object as unknown as Draft<T>);
  } catch (error) {
    if (!hasReason(error, 'AlreadyExists')) throw error;
  }
}

async function ensure<T extends KubeObject>(client: Client, kind: Kind<T>, object: Sent<T>): Promise<void> {
  const there = await found(client, kind);
  if (!there) return createUnlessThere(client, kind, object);
  const wanted = { ...there, ...object, metadata: { ...there.metadata, labels: object.metadata.labels } };
  if (!isEqual(there, wanted)) await client.update(kind, wanted as unknown as Draft<T>);
}

async function found<T extends KubeObject>(client: Client, kind: Kind<T>): Promise<T | undefined> {
  try {
    return await client.get(kind, NAME);
  } catch (error) {
    if (hasReason(error, 'NotFound')) return undefined;
    throw error;
  }
}
