/** CertificateSigningRequest: somebody asks a signer for a certificate. Who asks is written by the server. Source: API reference, certificates.k8s.io/v1. */
import type * as schema from '#api/generated/schema.ts';
import { fromBase64 } from '#api/machinery/base64.ts';
import { ageColumn, column, defineKind, nameColumn } from '#api/machinery/define-kind.ts';
import { humanDuration } from '#api/machinery/duration.ts';
import {
  duplicateValue,
  type FieldError,
  forbiddenField,
  invalidValue,
  requiredValue,
} from '#api/machinery/field-error.ts';
import type { At } from '#api/machinery/field-path.ts';
import { isOneOf } from '#api/machinery/field-rules.ts';
import { pathSegment } from '#api/machinery/names.ts';
import { repeatedIn } from '#api/machinery/repeated.ts';
import { certificateProblem } from './certificate-chain.ts';
import { parseCertificateRequest } from './certificate-request.ts';
import { validateConditions, validateTransitions, withDecisionsOf } from './conditions.ts';
import { validateSignerName } from './signer-name.ts';

export type CertificateSigningRequest = schema.CertificateSigningRequest;

const MIN_SECONDS = 600;
const USAGES = [
  'any',
  'cert sign',
  'client auth',
  'code signing',
  'content commitment',
  'crl sign',
  'data encipherment',
  'decipher only',
  'digital signature',
  'email protection',
  'encipher only',
  'ipsec end system',
  'ipsec tunnel',
  'ipsec user',
  'key agreement',
  'key encipherment',
  'microsoft sgc',
  'netscape sgc',
  'ocsp signing',
  's/mime',
  'server auth',
  'signing',
  'timestamping',
];

export const CertificateSigningRequest = defineKind<schema.CertificateSigningRequest>({
  group: 'certificates.k8s.io',
  version: 'v1',
  kind: 'CertificateSigningRequest',
  plural: 'certificatesigningrequests',
  scope: 'Cluster',
  shortNames: ['csr'],
  subresources: [{ name: 'approval', verbs: ['get', 'patch', 'update'] }, 'status'],
  name: pathSegment,
  defaults: (request) =>
    ({ ...request, spec: { ...request.spec, usages: request.spec?.usages ?? [] } }) as schema.CertificateSigningRequest,
  // Only the approval subresource decides, only the status subresource issues.
  prepareForUpdate: (next, current, subresource) => {
    if (subresource !== 'approval') return { ...next, spec: current.spec };
    const status = { ...current.status, conditions: next.status?.conditions ?? [] };
    return { ...next, spec: current.spec, status };
  },
  prepareForStatusUpdate: withDecisionsOf,
  validate: ({ spec }, { spec: at }) => [
    ...validateRequest(spec.request ?? '', at),
    ...validateUsages(spec.usages, at),
    ...validateSignerName(spec.signerName ?? '', at.signerName),
    ...(spec.expirationSeconds !== undefined && spec.expirationSeconds < MIN_SECONDS
      ? [
          invalidValue(
            at.expirationSeconds,
            spec.expirationSeconds,
            `may not specify a duration less than ${MIN_SECONDS} seconds (10 minutes)`,
          ),
        ]
      : []),
  ],
  validateUpdate: ({ next, current, at, subresource }) => [
    ...validateConditions(next, current, at),
    ...validateTransitions(next, current, { at, mayDecide: subresource === 'approval' }),
  ],
  validateStatusUpdate: ({ next, current, at }) => [
    ...validateConditions(next, current, at),
    ...validateCertificate(next, current, at),
    ...validateTransitions(next, current, { at, mayDecide: false }),
    ...(current.status?.certificate && next.status?.certificate !== current.status.certificate
      ? [forbiddenField(at.status.certificate, 'updates may not modify existing certificate content')]
      : []),
  ],
  columns: [
    nameColumn(),
    ageColumn(),
    column('SignerName', 'string', ({ spec }) => spec.signerName || '<none>'),
    column('Requestor', 'string', ({ spec }) => spec.username ?? ''),
    column('RequestedDuration', 'string', ({ spec }) =>
      spec.expirationSeconds === undefined ? '<none>' : humanDuration(spec.expirationSeconds * 1000),
    ),
    column('Condition', 'string', conditionOf),
  ],
  selectableFields: { 'spec.signerName': ({ spec }) => spec.signerName },
});

function validateUsages(usages: readonly string[], at: At<schema.CertificateSigningRequestSpec>): FieldError[] {
  if (usages.length === 0) return [requiredValue(at.usages)];
  const repeated = repeatedIn(usages);
  return usages.flatMap((usage, index) => [
    ...isOneOf(at.usages[index]!, usage, USAGES),
    ...(repeated.has(index) ? [duplicateValue(at.usages[index]!, usage)] : []),
  ]);
}

/** One that was no certificate before may stay. */
function validateCertificate(
  next: schema.CertificateSigningRequest,
  current: schema.CertificateSigningRequest,
  at: At<schema.CertificateSigningRequest>,
): FieldError[] {
  const { certificate = '' } = next.status ?? {};
  if (certificate === (current.status?.certificate ?? '')) return [];
  const problem = certificateProblem(textOf(certificate));
  return problem ? [invalidValue(at.status.certificate, '<certificate data>', problem)] : [];
}

function conditionOf({ status }: schema.CertificateSigningRequest): string {
  const has = (type: string) => status?.conditions?.some((condition) => condition.type === type) ?? false;
  const parts = [has('Denied') ? 'Denied' : has('Approved') ? 'Approved' : 'Pending'];
  if (has('Failed')) parts.push('Failed');
  if (status?.certificate) parts.push('Issued');
  return parts.join(',');
}

/** Whether it is signed with its own key is looked at where that can be computed. */
function validateRequest(request: string, at: At<schema.CertificateSigningRequestSpec>): FieldError[] {
  const parsed = parseCertificateRequest(textOf(request));
  return 'problem' in parsed ? [invalidValue(at.request, request, parsed.problem)] : [];
}

/** '' for what is no base64. */
function textOf(base64: string): string {
  const bytes = fromBase64(base64);
  return bytes instanceof Uint8Array ? new TextDecoder().decode(bytes) : '';
}
