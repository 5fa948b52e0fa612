/** What a CertificateSigningRequest asks for. */
import { type CertificateRequest, parseCertificateRequest } from '#api/certificates/v1/certificate-request.ts';
import type { CertificateSigningRequest } from '#api/generated/schema.ts';
import { fromBase64 } from '#api/machinery/base64.ts';

/** Throws for what validation has let through all the same. */
export function requestOf({ metadata, spec }: CertificateSigningRequest): CertificateRequest {
  const bytes = fromBase64(spec.request);
  const parsed = parseCertificateRequest(bytes instanceof Uint8Array ? new TextDecoder().decode(bytes) : '');
  if ('request' in parsed) return parsed.request;
  throw new Error(`unable to parse csr ${JSON.stringify(metadata.name)}: ${parsed.problem}`);
}
