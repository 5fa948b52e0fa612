/**
 * Approves the serving certificates that kubelets ask for, when every name and address in them is the node's own. Upstream
 * leaves this to somebody else; here kubelets are to renew by themselves. Source: "Kubelet TLS bootstrapping".
 */
import type { CertificateRequest } from '#api/certificates/v1/certificate-request.ts';
import { CertificateSigningRequest } from '#api/certificates/v1/certificate-signing-request.ts';
import { conditionsOf, DECISIONS } from '#api/certificates/v1/conditions.ts';
import { Node } from '#api/core/v1/node.ts';
import { again, defineController, settled, watching } from '../define-controller.ts';
import { requestOf } from './request-of.ts';
import { KUBELET_SERVING, signerRules } from './signer-rules.ts';

/** The node may say its addresses later. */
const LOOK_AGAIN_MS = 30_000;
const NODE_USER = 'system:node:';

export const kubeletServingApproving = defineController({
  name: 'kubelet-serving-approving-controller',
  serviceAccount: 'certificate-controller',
  reconciles: CertificateSigningRequest,
  watches: [watching(Node, () => [])],
  writes: { approval: [CertificateSigningRequest] },

  async reconcile(csr, { api, cached }) {
    const conditions = conditionsOf(csr);
    const { signerName, username = '', usages } = csr.spec;
    if (signerName !== KUBELET_SERVING || csr.status?.certificate) return settled;
    if (conditions.some(({ type }) => DECISIONS.includes(type))) return settled;
    const request = requestOf(csr);
    if (request.subject.commonName !== username || signerRules[KUBELET_SERVING]?.(request, usages)) return settled;
    const node = cached(Node).get(username.slice(NODE_USER.length));
    if (!node || !areItsOwn(request, node)) return again({ afterMs: LOOK_AGAIN_MS });
    const message = 'Auto approving kubelet serving certificate: its names are those of the node.';
    const approved = { type: 'Approved', status: 'True', reason: 'AutoApproved', message };
    await api.updateApproval(CertificateSigningRequest, {
      ...csr,
      status: { ...csr.status, conditions: [...conditions, approved] },
    });
    return settled;
  },
});

export function areItsOwn({ dnsNames, ipAddresses }: CertificateRequest, { metadata, status }: Node): boolean {
  const addresses = (status?.addresses ?? []).map(({ address }) => address);
  return [...dnsNames, ...ipAddresses].every((name) => name === metadata.name || addresses.includes(name));
}
