/** Nobody asks for a client certificate of system:masters: it could not be taken back. */
import { parseCertificateRequest } from '#api/certificates/v1/certificate-request.ts';
import type { CertificateSigningRequest } from '#api/generated/schema.ts';
import { MASTERS_GROUP } from '../authentication/authenticator.ts';
import { defineAdmission, refused } from './define-admission.ts';

const CLIENT_SIGNER = 'kubernetes.io/kube-apiserver-client';

export const certificateSubjectRestriction = defineAdmission<CertificateSigningRequest>({
  name: 'CertificateSubjectRestriction',
  on: { resources: [{ group: 'certificates.k8s.io', plural: 'certificatesigningrequests' }], verbs: ['create'] },

  validate(request) {
    const { object } = request;
    if (object?.spec.signerName !== CLIENT_SIGNER) return;
    const parsed = parseCertificateRequest(Buffer.from(object.spec.request, 'base64').toString('utf8'));
    if ('problem' in parsed) throw refused(request, `failed to parse CSR: ${parsed.problem}`);
    if (parsed.request.subject.organizations.includes(MASTERS_GROUP))
      throw refused(request, `use of ${CLIENT_SIGNER} signer with ${MASTERS_GROUP} group is not allowed`);
  },
});
