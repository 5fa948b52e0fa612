/** Issues what each process of a cluster identifies itself with. A node gets a folder with its own credentials only. */
import { join } from 'node:path';
import type { Clock } from '#base/clock.ts';
import type { ClusterPaths, ClusterRecord } from '#node/machine/cluster-dir.ts';
import { writeWholeFile } from '#node/machine/json-file.ts';
import type { NodeLayout } from '#node/machine/node-layout.ts';
import { planOf } from '#node/machine/slots.ts';
import { adminIdentity, issueForNode } from '../pki/cluster-identities.ts';
import { kubeconfigFor } from '../pki/kubeconfig.ts';
import { ensurePki, type Pki } from '../pki/pki.ts';

/** Of the whole cluster; makes the CA on the first start. Writes the owner's kubeconfig. */
export async function ensureClusterCredentials(
  cluster: ClusterRecord,
  paths: ClusterPaths,
  clock: Clock,
): Promise<Pki> {
  const pki = ensurePki({ directory: paths.pki, clock });
  const client = pki.issueClient('admin', adminIdentity);
  const server = localServer(cluster);
  const { caCertificate } = pki;
  const text = kubeconfigFor({ name: `kedge-${cluster.name}`, server, caCertificate, client });
  await writeWholeFile(paths.kubeconfig, text);
  return pki;
}

/** How the API server is reached from its own machine. */
export const localServer = ({ apiServerPort }: ClusterRecord): string => `https://127.0.0.1:${apiServerPort}`;

/** How the API server is reached from the cluster's nodes. */
export const serverForNodes = ({ slot, apiServerPort }: ClusterRecord): string =>
  `https://${planOf(slot).hostAddresses[0]}:${apiServerPort}`;

export async function ensureNodeCredentials(pki: Pki, cluster: ClusterRecord, layout: NodeLayout): Promise<void> {
  const { kubelet, kubeletServer, proxy, dns } = issueForNode(pki, layout.name, layout.addresses);
  const { caCertificate } = pki;
  const server = serverForNodes(cluster);
  const files = {
    'ca.crt': caCertificate,
    'kubelet.crt': kubeletServer.certificate,
    'kubelet.key': kubeletServer.key,
    'kubelet.conf': kubeconfigFor({ name: 'kubelet', server, caCertificate, client: kubelet }),
    'kube-proxy.conf': kubeconfigFor({ name: 'kube-proxy', server, caCertificate, client: proxy }),
    'dns.conf': kubeconfigFor({ name: 'dns', server, caCertificate, client: dns }),
  };
  for (const [name, text] of Object.entries(files)) await writeWholeFile(join(layout.credentialsDir, name), text);
}
