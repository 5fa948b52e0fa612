/** Approving and signing certificate requests needs its own permission for each signer, beyond write access. */
import type { CertificateSigningRequest } from '#api/generated/schema.ts';
import { isEqual } from '#api/machinery/equal.ts';
import type { UserInfo } from '#client/transport.ts';
import type { Authorizer } from '../authorization/authorizer.ts';
import { defineAdmission, refused } from './define-admission.ts';

const GROUP = 'certificates.k8s.io';
const REQUESTS = { group: GROUP, plural: 'certificatesigningrequests' };

export const certificateApproval = defineAdmission<CertificateSigningRequest>({
  name: 'CertificateApproval',
  on: { resources: [{ ...REQUESTS, subresource: 'approval' }], verbs: ['update'] },

  async validate(request, { authorizer }) {
    const { signerName } = request.old?.spec ?? { signerName: '' };
    if (!(await isAllowed('approve', { user: request.user, signerName, authorizer })))
      throw refused(request, `user not permitted to approve requests with signerName ${JSON.stringify(signerName)}`);
  },
});

export const certificateSigning = defineAdmission<CertificateSigningRequest>({
  name: 'CertificateSigning',
  on: { resources: [{ ...REQUESTS, subresource: 'status' }], verbs: ['update'] },

  async validate(request, { authorizer }) {
    const { object, old } = request;
    const isSigned = object?.status?.certificate !== old?.status?.certificate;
    if (!isSigned && isEqual(failuresOf(object), failuresOf(old))) return;
    const { signerName } = old?.spec ?? { signerName: '' };
    if (!(await isAllowed('sign', { user: request.user, signerName, authorizer })))
      throw refused(request, `user not permitted to sign requests with signerName ${JSON.stringify(signerName)}`);
  },
});

const failuresOf = (request: CertificateSigningRequest | undefined) =>
  request?.status?.conditions?.filter(({ type }) => type === 'Failed') ?? [];

interface Signer {
  user: UserInfo;
  signerName: string;
  authorizer: Authorizer;
}

/** For the signer itself, or for all of its domain: `example.com/*`. */
async function isAllowed(verb: 'approve' | 'sign', { user, signerName, authorizer }: Signer): Promise<boolean> {
  for (const name of [signerName, `${signerName.split('/')[0]}/*`]) {
    const attributes = { user, verb, group: GROUP, version: '*', resource: 'signers', subresource: '' };
    if ((await authorizer.authorize({ ...attributes, namespace: '', name })).decision === 'allow') return true;
  }
  return false;
}
