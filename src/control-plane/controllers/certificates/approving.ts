/** Approves what kubelets ask for themselves, when a SubjectAccessReview says that they may have it. */
import { SubjectAccessReview } from '#api/authorization/v1/subject-access-review.ts';
import type { CertificateRequest } from '#api/certificates/v1/certificate-request.ts';
import { CertificateSigningRequest } from '#api/certificates/v1/certificate-signing-request.ts';
import { conditionsOf, DECISIONS } from '#api/certificates/v1/conditions.ts';
import { again, defineController, settled } from '../define-controller.ts';
import { requestOf } from './request-of.ts';
import { KUBELET_CLIENT, kubeletClientProblem } from './signer-rules.ts';

/** Whoever was not allowed may be later, and nothing tells us. */
const ASK_AGAIN_MS = 30_000;

interface Recognizer {
  subresource: string;
  message: string;
  recognizes(csr: CertificateSigningRequest, request: CertificateRequest): boolean;
}

const isOfKubelet = ({ spec }: CertificateSigningRequest, request: CertificateRequest): boolean =>
  spec.signerName === KUBELET_CLIENT && kubeletClientProblem(request, spec.usages) === undefined;

const recognizers: readonly Recognizer[] = [
  {
    subresource: 'selfnodeclient',
    message: 'Auto approving self kubelet client certificate after SubjectAccessReview.',
    recognizes: (csr, request) => csr.spec.username === request.subject.commonName && isOfKubelet(csr, request),
  },
  {
    subresource: 'nodeclient',
    message: 'Auto approving kubelet client certificate after SubjectAccessReview.',
    recognizes: isOfKubelet,
  },
];

export const certificateApproving = defineController({
  name: 'certificatesigningrequest-approving-controller',
  serviceAccount: 'certificate-controller',
  reconciles: CertificateSigningRequest,
  writes: { create: [SubjectAccessReview], approval: [CertificateSigningRequest] },

  async reconcile(csr, { api }) {
    const conditions = conditionsOf(csr);
    if (csr.status?.certificate || conditions.some(({ type }) => DECISIONS.includes(type))) return settled;
    const request = requestOf(csr);
    const tried = recognizers.filter((one) => one.recognizes(csr, request));
    for (const { subresource, message } of tried) {
      const review = await api.create(SubjectAccessReview, reviewOf(csr, subresource));
      if (!review.status?.allowed) continue;
      const approved = { type: 'Approved', status: 'True', reason: 'AutoApproved', message };
      const status = { ...csr.status, conditions: [...conditions, approved] };
      await api.updateApproval(CertificateSigningRequest, { ...csr, status });
      return settled;
    }
    return tried.length > 0 ? again({ afterMs: ASK_AGAIN_MS }) : settled;
  },
});

function reviewOf({ spec: { username, uid, groups, extra } }: CertificateSigningRequest, subresource: string) {
  return {
    metadata: {},
    spec: {
      ...(username && { user: username }),
      ...(uid && { uid }),
      ...(groups && { groups }),
      ...(extra && { extra }),
      resourceAttributes: {
        group: CertificateSigningRequest.group,
        resource: CertificateSigningRequest.plural,
        subresource,
        verb: 'create',
        version: '*',
      },
    },
  } as never;
}
