/**
 * What the signers of kubernetes.io ask of a request before they sign it. Source: documentation, "Kubernetes signers";
 * texts as upstream's, which end in a condition.
 */
import type { CertificateRequest } from '#api/certificates/v1/certificate-request.ts';

/** What is wrong; undefined for nothing. */
export type SignerRule = (request: CertificateRequest, usages: readonly string[]) => string | undefined;

export const CLIENT = 'kubernetes.io/kube-apiserver-client';
export const KUBELET_CLIENT = 'kubernetes.io/kube-apiserver-client-kubelet';
export const KUBELET_SERVING = 'kubernetes.io/kubelet-serving';
export const LEGACY_UNKNOWN = 'kubernetes.io/legacy-unknown';

export const signerRules: Readonly<Record<string, SignerRule>> = {
  [CLIENT]: (_request, usages) => {
    const other = usages.find((usage) => !CLIENT_USAGES.includes(usage));
    if (other !== undefined) return `invalid usage for client certificate: ${other}`;
    return usages.includes('client auth') ? undefined : 'missing required usage for client certificate: client auth';
  },
  [KUBELET_CLIENT]: kubeletClientProblem,
  [KUBELET_SERVING]: kubeletServingProblem,
  [LEGACY_UNKNOWN]: () => undefined,
};

const CLIENT_USAGES: readonly string[] = ['client auth', 'digital signature', 'key encipherment'];

export function kubeletClientProblem(request: CertificateRequest, usages: readonly string[]): string | undefined {
  if (!isOfNodes(request)) return 'subject organization is not system:nodes';
  if (request.dnsNames.length > 0) return 'DNS subjectAltNames are not allowed';
  if (request.emailAddresses.length > 0) return 'Email subjectAltNames are not allowed';
  if (request.ipAddresses.length > 0) return 'IP subjectAltNames are not allowed';
  if (request.uris.length > 0) return 'URI subjectAltNames are not allowed';
  if (!isOfNode(request)) return 'subject common name does not begin with system:node:';
  return usagesProblem(usages, 'client auth');
}

function kubeletServingProblem(request: CertificateRequest, usages: readonly string[]): string | undefined {
  if (!isOfNodes(request)) return 'subject organization is not system:nodes';
  if (request.dnsNames.length + request.ipAddresses.length === 0) return 'DNS or IP subjectAltName is required';
  if (request.emailAddresses.length > 0) return 'Email subjectAltNames are not allowed';
  if (request.uris.length > 0) return 'URI subjectAltNames are not allowed';
  return (
    usagesProblem(usages, 'server auth') ??
    (isOfNode(request) ? undefined : 'subject common name does not begin with system:node:')
  );
}

const isOfNodes = ({ subject: { organizations } }: CertificateRequest): boolean =>
  organizations.length === 1 && organizations[0] === 'system:nodes';

const isOfNode = ({ subject: { commonName } }: CertificateRequest): boolean => commonName.startsWith('system:node:');

/** Key encipherment is for RSA keys only, and may be asked for with others. */
function usagesProblem(usages: readonly string[], purpose: string): string | undefined {
  const wanted = new Set(usages);
  const required = ['digital signature', purpose];
  const extra = [...wanted].filter((usage) => !required.includes(usage) && usage !== 'key encipherment');
  if (extra.length === 0 && required.every((usage) => wanted.has(usage))) return undefined;
  return `usages did not match [${['digital signature', 'key encipherment', purpose].sort().join(' ')}]`;
}
