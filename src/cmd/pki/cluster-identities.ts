/** Who is who in a cluster: the names under which its parts hold certificates. They are upstream's. */
import { INGRESS_USER } from '#control-plane/apiserver/authorization/ingress-secrets.ts';
import type { KeyPair } from './certificate.ts';
import type { ClientIdentity, Pki, ServerIdentity } from './pki.ts';

/** May do everything, whatever the roles say; for the person who owns the cluster. */
export const adminIdentity: ClientIdentity = { user: 'kubernetes-admin', groups: ['system:masters'] };
export const controllerManagerIdentity: ClientIdentity = { user: 'system:kube-controller-manager' };
export const schedulerIdentity: ClientIdentity = { user: 'system:kube-scheduler' };
export const kubeProxyIdentity: ClientIdentity = { user: 'system:kube-proxy' };
/** As which the API server speaks to kubelets (logs, exec). */
export const kubeletClientIdentity: ClientIdentity = { user: 'kube-apiserver-kubelet-client' };
/** As which the API server speaks to aggregated API servers; only the front proxy's own CA signs it. */
export const frontProxyIdentity: ClientIdentity = { user: 'front-proxy-client' };
export const dnsIdentity: ClientIdentity = {
  user: 'system:serviceaccount:kube-system:coredns',
  groups: ['system:serviceaccounts', 'system:serviceaccounts:kube-system'],
};
/** As which a node reads the policies for its pods. Upstream's kube-proxy has no right to pods. */
export const networkPolicyIdentity: ClientIdentity = { user: 'kedge:network-policy' };
/** As which a node reads what its Ingress needs, certificates among it. */
export const ingressIdentity: ClientIdentity = { user: INGRESS_USER };
export const nodeIdentity = (node: string): ClientIdentity => ({
  user: `system:node:${node}`,
  groups: ['system:nodes'],
});

/** What the API server is called inside the cluster and on its machine; its other addresses are the caller's to name. */
export const apiServerIdentity = ({
  clusterDomain = 'cluster.local',
  names = [],
  addresses,
}: {
  clusterDomain?: string;
  names?: readonly string[];
  addresses: readonly string[];
}): ServerIdentity => ({
  commonName: 'kube-apiserver',
  names: [
    ...new Set([
      'kubernetes',
      'kubernetes.default',
      'kubernetes.default.svc',
      `kubernetes.default.svc.${clusterDomain}`,
      'localhost',
      ...names,
    ]),
  ],
  addresses: [...new Set(['127.0.0.1', '::1', ...addresses])],
});

export const kubeletServerIdentity = (node: string, addresses: readonly string[]): ServerIdentity => ({
  commonName: `system:node:${node}`,
  organizations: ['system:nodes'],
  names: [node],
  addresses,
});

/** The certificates of one node. */
export interface NodePairs {
  kubelet: KeyPair;
  kubeletServer: KeyPair;
  proxy: KeyPair;
  dns: KeyPair;
  networkPolicy: KeyPair;
  ingress: KeyPair;
}

export const issueForNode = (pki: Pki, node: string, addresses: readonly string[]): NodePairs => ({
  kubelet: pki.issueClient(`${node}-kubelet`, nodeIdentity(node)),
  kubeletServer: pki.issueServer(`${node}-kubelet-server`, kubeletServerIdentity(node, addresses)),
  proxy: pki.issueClient(`${node}-kube-proxy`, kubeProxyIdentity),
  dns: pki.issueClient(`${node}-dns`, dnsIdentity),
  networkPolicy: pki.issueClient(`${node}-network-policy`, networkPolicyIdentity),
  ingress: pki.issueClient(`${node}-ingress`, ingressIdentity),
});
