/**
 * Who signs certificates of test clusters: made when the first one is asked for, and the same for all clusters of a process. Its
 * own time is longer than that of any cluster's clock.
 */
import { type Authority, authorityOf, selfSigned } from '#cmd/pki/certificate.ts';
import { certificateSignerOf } from '#cmd/pki/sign-request.ts';
import type { CertificateSigner } from '#control-plane/controllers/certificates/signing.ts';

const NAME = 'kedge-testing';
const VALIDITY = { notBeforeMs: Date.UTC(2000), notAfterMs: Date.UTC(9999) };

let made: Authority | undefined;

function authority(): Authority {
  made ??= authorityOf(selfSigned({ commonName: NAME, names: [NAME], usage: 'ca', ...VALIDITY }));
  return made;
}

/** PEM. */
export const signingCertificate = (): string => authority().certificate;

export const certificateSigner: CertificateSigner = { sign: (order) => certificateSignerOf(authority()).sign(order) };
