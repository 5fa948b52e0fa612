/**
 * Signs what was approved, for the signers of kubernetes.io and by their rules. How a certificate is made is for who has
 * the authority's key: the signer is handed in.
 */
import type { CertificateRequest } from '#api/certificates/v1/certificate-request.ts';
import { CertificateSigningRequest } from '#api/certificates/v1/certificate-signing-request.ts';
import { conditionsOf, hasCondition } from '#api/certificates/v1/conditions.ts';
import { encodeBase64Text } from '#api/machinery/base64.ts';
import { defineController, settled } from '../define-controller.ts';
import { requestOf } from './request-of.ts';
import { signerRules } from './signer-rules.ts';

export interface SigningOrder {
  request: CertificateRequest;
  /** As the API has them: `client auth`, `digital signature`. */
  usages: readonly string[];
  notBeforeMs: number;
  notAfterMs: number;
}

export interface CertificateSigner {
  /** PEM. Throws when the authority's own time is over, or what is asked for cannot be signed. */
  sign(order: SigningOrder): string;
  /** --cluster-signing-duration: the longest that is given. Default a year. */
  longestMs?: number;
}

const YEAR_MS = 365 * 24 * 3_600_000;
const SHORTEST_MS = 600_000;
/** Clocks of other machines may be behind. */
const BACKDATED_MS = 300_000;
/** From here on five minutes do not matter: the end is backdated as well. */
const SHORT_MS = 8 * 3_600_000;

export const certificateSigning = (signer: CertificateSigner) =>
  defineController({
    name: 'certificatesigningrequest-signing-controller',
    serviceAccount: 'certificate-controller',
    reconciles: CertificateSigningRequest,
    writes: { status: [CertificateSigningRequest] },

    async reconcile(csr, { api, clock }) {
      const { signerName, usages, expirationSeconds } = csr.spec;
      const rule = Object.hasOwn(signerRules, signerName) ? signerRules[signerName] : undefined;
      if (!rule || csr.status?.certificate) return settled;
      if (!hasCondition(csr, 'Approved') || hasCondition(csr, 'Failed')) return settled;
      const request = requestOf(csr);
      const problem = rule(request, usages);
      if (problem) {
        const failed = { type: 'Failed', status: 'True', reason: 'SignerValidationFailure', message: problem };
        await api.updateStatus(csr, { ...csr.status, conditions: [...conditionsOf(csr), failed] });
        return settled;
      }
      const lifeMs = lifeOf(expirationSeconds, signer.longestMs ?? YEAR_MS);
      const certificate = signer.sign({ request, usages, ...validityOf(lifeMs, clock.now()) });
      await api.updateStatus(csr, { ...csr.status, certificate: encodeBase64Text(certificate) });
      return settled;
    },
  });

const lifeOf = (seconds: number | undefined, longestMs: number): number =>
  seconds === undefined ? longestMs : Math.min(longestMs, Math.max(SHORTEST_MS, seconds * 1000));

const validityOf = (lifeMs: number, nowMs: number) => ({
  notBeforeMs: nowMs - BACKDATED_MS,
  notAfterMs: nowMs + lifeMs - (lifeMs < SHORT_MS ? 0 : BACKDATED_MS),
});
