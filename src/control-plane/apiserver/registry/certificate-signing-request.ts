/** Who asks for a certificate is who sends the request, whatever it says; and every decision has its time. */
import { createPublicKey, verify } from 'node:crypto';
import { type CertificateRequest, parseCertificateRequest } from '#api/certificates/v1/certificate-request.ts';
import type { CertificateSigningRequest } from '#api/generated/schema.ts';
import { invalidValue } from '#api/machinery/field-error.ts';
import { invalid } from '#api/machinery/status.ts';
import { timestampOf } from '../verbs/object-identity.ts';
import type { Behaviour } from './behaviour.ts';

const KIND = { group: 'certificates.k8s.io', kind: 'CertificateSigningRequest' };

export const certificateSigningRequestBehaviour: Behaviour<CertificateSigningRequest> = {
  group: 'certificates.k8s.io',
  plural: 'certificatesigningrequests',

  async beforeCreate(request, { user }) {
    const problem = signatureProblem(request.spec.request);
    if (problem)
      throw invalid(KIND, request.metadata.name, [invalidValue('spec.request', request.spec.request, problem)]);
    const { username: _name, uid: _uid, groups: _groups, extra: _extra, ...asked } = request.spec;
    const { name, uid, groups, extra } = user;
    const asker = {
      username: name,
      ...(uid && { uid }),
      ...(groups.length > 0 && { groups: [...groups] }),
      ...(extra && { extra: Object.fromEntries(Object.entries(extra).map(([key, values]) => [key, [...values]])) }),
    };
    return { object: { ...request, spec: { ...asked, ...asker } } };
  },

  async beforeUpdate(next, current, { services }) {
    return { object: withTimes(next, current, timestampOf(services.clock.now())) };
  },

  async beforeStatusUpdate(next, current, { services }) {
    return { object: withTimes(next, current, timestampOf(services.clock.now())) };
  },
};

function withTimes(next: CertificateSigningRequest, current: CertificateSigningRequest, now: string) {
  if (!next.status?.conditions?.length) return next;
  const conditions = next.status.conditions.map((condition) => {
    const before = current.status?.conditions?.find(({ type }) => type === condition.type);
    const changed = before?.status === condition.status ? before.lastTransitionTime : undefined;
    return {
      ...condition,
      lastUpdateTime: condition.lastUpdateTime ?? now,
      lastTransitionTime: condition.lastTransitionTime ?? changed ?? now,
    };
  });
  return { ...next, status: { ...next.status, conditions } };
}

/** Whoever asks must have the key: undefined when that is shown, or when validation will find that it is no request. */
function signatureProblem(base64 = ''): string | undefined {
  const parsed = parseCertificateRequest(Buffer.from(base64, 'base64').toString('utf8'));
  if ('problem' in parsed) return undefined;
  const { request } = parsed;
  const algorithm = ALGORITHMS[request.signatureAlgorithm];
  if (!algorithm) return 'x509: cannot verify signature: algorithm unimplemented';
  return isSigned(request, algorithm.digest) ? undefined : algorithm.refused;
}

const rsa = (digest: string) => ({ digest, refused: 'crypto/rsa: verification error' });
const ecdsa = (digest: string) => ({ digest, refused: 'x509: ECDSA verification failure' });

const ALGORITHMS: Readonly<Record<string, { digest: string | null; refused: string }>> = {
  '1.2.840.113549.1.1.11': rsa('sha256'),
  '1.2.840.113549.1.1.12': rsa('sha384'),
  '1.2.840.113549.1.1.13': rsa('sha512'),
  '1.2.840.10045.4.3.2': ecdsa('sha256'),
  '1.2.840.10045.4.3.3': ecdsa('sha384'),
  '1.2.840.10045.4.3.4': ecdsa('sha512'),
  '1.3.101.112': { digest: null, refused: 'x509: Ed25519 verification failure' },
};

function isSigned({ publicKey, signed, signature }: CertificateRequest, digest: string | null): boolean {
  try {
    const key = createPublicKey({ key: Buffer.from(publicKey), format: 'der', type: 'spki' });
    return verify(digest, signed, key, signature);
  } catch (error) {
    if (error instanceof Error && 'code' in error) return false; // a key that OpenSSL cannot read, or of another kind
    throw error;
  }
}
