/** What every cluster has from its first moment. */
import { ConfigMap } from '#api/core/v1/config-map.ts';
import { Namespace } from '#api/core/v1/namespace.ts';
import type { Kind } from '#api/machinery/kind.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { hasReason } from '#api/machinery/status.ts';
import type { Client, Draft } from '#client/client.ts';

/** As a client sends it: what is left out has a default. */
export type Sent<T extends KubeObject> = { metadata: Partial<T['metadata']> } & Record<string, unknown>;

export const SYSTEM_NAMESPACES = ['default', 'kube-system', 'kube-public', 'kube-node-lease'];

export async function ensureNamespaces(client: Client): Promise<void> {
  await Promise.all(SYSTEM_NAMESPACES.map((name) => createUnlessThere(client, Namespace, { metadata: { name } })));
}

/** Since when uses of tokens that stand in Secrets are noted. Upstream's name. */
export const ensureTokenTracking = (client: Client, nowMs: number): Promise<void> =>
  createUnlessThere(client, ConfigMap, {
    metadata: { name: 'kube-apiserver-legacy-service-account-token-tracking', namespace: 'kube-system' },
    data: { since: new Date(nowMs).toISOString().slice(0, 10) },
  });

export async function createUnlessThere<T extends KubeObject>(
  client: Client,
  kind: Kind<T>,
  object: Sent<T>,
): Promise<void> {
  try {
    await client.create(kind, object as unknown as Draft<T>);
  } catch (error) {
    if (!hasReason(error, 'AlreadyExists')) throw error;
  }
}
