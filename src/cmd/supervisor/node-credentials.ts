/** What the processes of one node identify themselves with: a folder of files, and nothing of other nodes in it. */
import { join } from 'node:path';
import { writeWholeFile } from '#node/machine/json-file.ts';
import type { NodeLayout } from '#node/machine/node-layout.ts';
import { issueForNode } from '../pki/cluster-identities.ts';
import { kubeconfigFor } from '../pki/kubeconfig.ts';
import type { Pki } from '../pki/pki.ts';

export const CREDENTIAL_FILES = [
  'ca.crt',
  'kubelet.crt',
  'kubelet.key',
  'kubelet.conf',
  'kube-proxy.conf',
  'dns.conf',
  'network-policy.conf',
  'ingress.conf',
] as const;

/** File names and their texts. They hold private keys. */
export type NodeCredentials = Record<(typeof CREDENTIAL_FILES)[number], string>;

/** `server`: the API server's URL as this node reaches it. */
export function nodeCredentials(
  pki: Pki,
  { name, addresses }: Pick<NodeLayout, 'name' | 'addresses'>,
  server: string,
): NodeCredentials {
  const { kubelet, kubeletServer, proxy, dns, networkPolicy, ingress } = issueForNode(pki, name, addresses);
  const { caCertificate } = pki;
  return {
    'ca.crt': caCertificate,
    'kubelet.crt': kubeletServer.certificate,
    'kubelet.key': kubeletServer.key,
    'kubelet.conf': kubeconfigFor({ name: 'kubelet', server, caCertificate, client: kubelet }),
    'kube-proxy.conf': kubeconfigFor({ name: 'kube-proxy', server, caCertificate, client: proxy }),
    'dns.conf': kubeconfigFor({ name: 'dns', server, caCertificate, client: dns }),
    'network-policy.conf': kubeconfigFor({ name: 'network-policy', server, caCertificate, client: networkPolicy }),
    'ingress.conf': kubeconfigFor({ name: 'ingress', server, caCertificate, client: ingress }),
  };
}

export async function writeNodeCredentials(layout: NodeLayout, credentials: NodeCredentials): Promise<void> {
  for (const name of CREDENTIAL_FILES) await writeWholeFile(join(layout.credentialsDir, name), credentials[name]);
}
