/** Issues what the owner of a cluster identifies himself with, and says where its API server is. */
import type { Clock } from '#base/clock.ts';
import type { ClusterPaths, ClusterRecord } from '#node/machine/cluster-dir.ts';
import { writeWholeFile } from '#node/machine/json-file.ts';
import { planOf } from '#node/machine/slots.ts';
import { adminIdentity } from '../pki/cluster-identities.ts';
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
