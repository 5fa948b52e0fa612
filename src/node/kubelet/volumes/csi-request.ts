/** What a driver is told of a volume: how it is used, for whom, and with which secrets. Source: Kubernetes CSI documentation. */
import { Secret } from '#api/core/v1/secret.ts';
import type { CSIDriver, PersistentVolume, Pod } from '#api/generated/schema.ts';
import type { Client } from '#client/client.ts';
import type { AccessMode, DriverCapability } from '#node/runtime/csi/node-driver.ts';
import type { ServiceAccountTokens } from './service-account-tokens.ts';

export function accessModeOf(
  modes: PersistentVolume['spec']['accessModes'] | undefined,
  capabilities: ReadonlySet<DriverCapability>,
): AccessMode {
  const tellsWritersApart = capabilities.has('SINGLE_NODE_MULTI_WRITER');
  switch (modes?.[0]) {
    case 'ReadOnlyMany':
      return 'MULTI_NODE_READER_ONLY';
    case 'ReadWriteMany':
      return 'MULTI_NODE_MULTI_WRITER';
    case 'ReadWriteOncePod':
      return tellsWritersApart ? 'SINGLE_NODE_SINGLE_WRITER' : 'SINGLE_NODE_WRITER';
    default:
      return tellsWritersApart ? 'SINGLE_NODE_MULTI_WRITER' : 'SINGLE_NODE_WRITER';
  }
}

/** For drivers that asked for it by podInfoOnMount. */
export const podInfo = ({ metadata, spec }: Pod, isEphemeral: boolean): Record<string, string> => ({
  'csi.storage.k8s.io/pod.name': metadata.name,
  'csi.storage.k8s.io/pod.namespace': metadata.namespace ?? '',
  'csi.storage.k8s.io/pod.uid': metadata.uid,
  'csi.storage.k8s.io/serviceAccount.name': spec.serviceAccountName ?? '',
  'csi.storage.k8s.io/ephemeral': String(isEphemeral),
});

const TOKENS = 'csi.storage.k8s.io/serviceAccount.tokens';

/** Tokens of the pod's own account for the audiences that the driver asked for; empty when it asked for none. */
export async function podTokens(
  pod: Pod,
  driver: CSIDriver | undefined,
  tokens: Pick<ServiceAccountTokens, 'freshFor'>,
): Promise<Record<string, string>> {
  const requests = driver?.spec.tokenRequests ?? [];
  if (requests.length === 0) return {};
  const all: [string, object][] = [];
  for (const { audience, expirationSeconds } of requests) {
    const request = { path: '', audience, expirationSeconds: expirationSeconds ?? 3600 };
    const { token, expiresAt } = await tokens.freshFor(pod, request);
    const expirationTimestamp = new Date(expiresAt).toISOString().replace(/\.\d+Z$/, 'Z');
    all.push([audience, { token, expirationTimestamp }]);
  }
  return { [TOKENS]: JSON.stringify(Object.fromEntries(all)) };
}

/** Its content as text; empty without a reference. */
export async function secretOf(
  ref: { name?: string; namespace?: string } | undefined,
  client: Client,
): Promise<Record<string, string>> {
  if (!ref?.name) return {};
  const { data = {} } = await client.get(Secret, { name: ref.name, namespace: ref.namespace ?? '' });
  return Object.fromEntries(
    Object.entries(data).map(([key, text]) => [key, Buffer.from(text, 'base64').toString('utf8')]),
  );
}

/** Whether the kubelet gives the files of a volume to the pod's group. */
export function givesToGroup(driver: CSIDriver | undefined, volume: PersistentVolume | undefined): boolean {
  switch (driver?.spec.fsGroupPolicy) {
    case 'None':
      return false;
    case 'File':
      return true;
    default:
      return Boolean(volume?.spec.csi?.fsType) && volume?.spec.accessModes?.includes('ReadWriteOnce') === true;
  }
}
