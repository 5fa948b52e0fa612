/** Removes certificate requests that nobody needs any more: decided ones after an hour, forgotten ones after a day. */
import { notAfterIn } from '#api/certificates/v1/certificate-chain.ts';
import { CertificateSigningRequest } from '#api/certificates/v1/certificate-signing-request.ts';
import { conditionsOf } from '#api/certificates/v1/conditions.ts';
import { fromBase64 } from '#api/machinery/base64.ts';
import { again, defineController, settled } from '../define-controller.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

export const certificateCleaner = defineController({
  name: 'certificatesigningrequest-cleaner-controller',
  serviceAccount: 'certificate-controller',
  reconciles: CertificateSigningRequest,
  writes: { delete: [CertificateSigningRequest] },
  workers: 1,

  async reconcile(csr, { api, clock }) {
    const dueMs = dueOf(csr);
    if (dueMs === undefined) return settled;
    const leftMs = dueMs - clock.now();
    if (leftMs >= 0) return again({ afterMs: leftMs + 1 });
    await api.delete(CertificateSigningRequest, csr);
    return settled;
  },
});

/** When it is to go; undefined when never. The earliest of all reasons. */
export function dueOf(csr: CertificateSigningRequest): number | undefined {
  const certificate = csr.status?.certificate;
  const conditions = conditionsOf(csr);
  const times = conditions.flatMap(({ type, lastUpdateTime }) => {
    const sinceMs = Date.parse(lastUpdateTime ?? '');
    if (Number.isNaN(sinceMs)) return [];
    if (type === 'Denied' || type === 'Failed') return [sinceMs + HOUR_MS];
    return type === 'Approved' ? [sinceMs + (certificate ? HOUR_MS : DAY_MS)] : [];
  });
  if (conditions.length === 0) times.push(Date.parse(csr.metadata.creationTimestamp ?? '') + DAY_MS);
  const isApproved = conditions.some(({ type }) => type === 'Approved');
  const endMs = certificate && isApproved ? notAfterIn(textOf(certificate)) : undefined;
  const all = [...times, ...(endMs === undefined ? [] : [endMs])].filter((ms) => !Number.isNaN(ms));
  return all.length > 0 ? Math.min(...all) : undefined;
}

function textOf(base64: string): string {
  const bytes = fromBase64(base64);
  return bytes instanceof Uint8Array ? new TextDecoder().decode(bytes) : '';
}
