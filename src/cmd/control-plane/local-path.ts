/** Storage out of the box: its class, its driver, and the way to the kubelets that have the folders. */
import type { Node } from '#api/core/v1/node.ts';
import { hasReason } from '#api/machinery/status.ts';
import { CSIDriver } from '#api/storage/v1/csi-driver.ts';
import { LOCAL_PATH, LOCAL_PATH_CLASS } from '#api/storage/v1/local-path.ts';
import { StorageClass } from '#api/storage/v1/storage-class.ts';
import type { Client, Draft } from '#client/client.ts';
import { NodeTransport } from '#client/transport/node.ts';
import type { LocalPathFolders } from '#control-plane/controllers/volumes/local-path-eraser.ts';
import { SIMULATED_LABEL } from '#node/simulated/simulated-node.ts';
import type { Pki } from '../pki/pki.ts';
import { systemClock } from '../system-clock.ts';

/** Once in a cluster's life: a class that somebody has deleted or changed stays as it is. */
export async function ensureLocalPath(client: Client): Promise<void> {
  try {
    await client.create(CSIDriver, {
      metadata: { name: LOCAL_PATH },
      spec: { attachRequired: false, fsGroupPolicy: 'File', volumeLifecycleModes: ['Persistent'] },
    } as unknown as Draft<CSIDriver>);
  } catch (error) {
    if (hasReason(error, 'AlreadyExists')) return;
    throw error;
  }
  try {
    await client.create(StorageClass, {
      metadata: {
        name: LOCAL_PATH_CLASS,
        annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' },
      },
      provisioner: LOCAL_PATH,
      reclaimPolicy: 'Delete',
      volumeBindingMode: 'WaitForFirstConsumer',
      allowVolumeExpansion: true,
    });
  } catch (error) {
    if (!hasReason(error, 'AlreadyExists')) throw error;
  }
}

/** Through the API server's proxy to kubelets, as the provisioner's own user. */
export function localPathFolders({ pki, port }: { pki: Pki; port: number }): LocalPathFolders & { close(): void } {
  const { certificate, key } = pki.issueClient('local-path-provisioner', {
    user: 'system:serviceaccount:kube-system:local-path-provisioner',
    groups: ['system:serviceaccounts', 'system:serviceaccounts:kube-system'],
  });
  const transport = new NodeTransport({
    server: `https://127.0.0.1:${port}`,
    certificateAuthority: pki.caCertificate,
    credentials: { certificate: { cert: certificate, key } },
    userAgent: 'local-path-provisioner',
    clock: systemClock,
  });
  return {
    async erase({ metadata }: Node, folder: string) {
      if (metadata.labels?.[SIMULATED_LABEL]) return; // its volumes are on paper, too
      const path = `/api/v1/nodes/${metadata.name}/proxy/local-path/${encodeURIComponent(folder)}`;
      await transport.request({ method: 'DELETE', path });
    },
    close: () => transport.close(),
  };
}
