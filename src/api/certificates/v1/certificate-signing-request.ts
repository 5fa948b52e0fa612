/** CertificateSigningRequest: somebody asks a signer for a certificate. Who asks is written by the server. Source: API reference, certificates.k8s.io/v1. */
import type * as schema from '#api/generated/schema.ts';
import { ageColumn, column, defineKind, nameColumn } from '#api/machinery/define-kind.ts';
import { humanDuration } from '#api/machinery/duration.ts';
import { fromBase64 } from '#api/machinery/base64.ts';
import { duplicateValue, type FieldError, invalidValue, requiredValue } from '#api/machinery/field-error.ts';
import type { At } from '#api/machinery/field-path.ts';
import { isEqual } from '#api/machinery/equal.ts';
import { isImmutable, isOneOf } from '#api/machinery/field-rules.ts';
import { dns1123Subdomain, pathSegment } from '#api/machinery/names.ts';

export type CertificateSigningRequest = schema.CertificateSigningRequest;

const MIN_SECONDS = 600;
/** Far more than any request has; what stands behind is not looked at. */
const MAX_REQUEST_BYTES = 64 * 1024;
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

/** Only its form: whether a certificate can be made of it is the signer's to say. */
const REQUEST_BLOCK = /-----BEGIN CERTIFICATE REQUEST-----\s[\s\S]+?-----END CERTIFICATE REQUEST-----/;

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
  validate: ({ spec }, { spec: at }) => [
    ...validateRequest(spec.request ?? '', at),
    ...validateUsages(spec.usages, at),
    ...validateSignerName(spec.signerName ?? '', at),
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
  validateUpdate: ({ next, current, at, subresource }) => {
    if (subresource === 'approval') return validateConditions(next, current, at);
    return isImmutable(at.spec, next.spec, current.spec);
  },
  validateStatusUpdate: ({ next, current, at }) =>
    current.status?.certificate && next.status?.certificate !== current.status.certificate
      ? [
          invalidValue(
            at.status.certificate,
            next.status?.certificate ?? '',
            'updates may not modify a set certificate',
          ),
        ]
      : [],
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
  return usages.flatMap((usage, index) => [
    ...isOneOf(at.usages[index]!, usage, USAGES),
    ...(usages.indexOf(usage) < index ? [duplicateValue(at.usages[index]!, usage)] : []),
  ]);
}

function validateSignerName(name: string, { signerName: at }: At<schema.CertificateSigningRequestSpec>): FieldError[] {
  if (!name) return [requiredValue(at)];
  const [domain = '', ...path] = name.split('/');
  if (path.length !== 1)
    return [invalidValue(at, name, 'must be a fully qualified domain and path of the form "example.com/signer-name"')];
  return [
    ...dns1123Subdomain(domain).map((text) => invalidValue(at, name, text)),
    ...(domain.includes('.')
      ? []
      : [invalidValue(at, name, 'should be a domain with at least two segments separated by dots')]),
    ...(path[0]
      ? dns1123Subdomain(path[0]).map((text) => invalidValue(at, name, text))
      : [invalidValue(at, name, 'must be non-empty')]),
  ];
}

const DECISIONS = ['Approved', 'Denied'];

/** What was decided stays decided, one way. */
function validateConditions(
  next: schema.CertificateSigningRequest,
  current: schema.CertificateSigningRequest,
  at: At<schema.CertificateSigningRequest>,
): FieldError[] {
  const conditions = next.status?.conditions ?? [];
  const errors: FieldError[] = conditions.flatMap(({ type, status }, index) => {
    const here = at.status.conditions[index]!;
    return [
      ...(type ? [] : [requiredValue(here.type)]),
      ...(status ? [] : [requiredValue(here.status)]),
      ...(DECISIONS.includes(type) && status && status !== 'True'
        ? [invalidValue(here.status, status, `status must be "True" for ${type} conditions`)]
        : []),
    ];
  });
  if (DECISIONS.every((decision) => conditions.some(({ type }) => type === decision)))
    errors.push(invalidValue(at.status.conditions, 'Denied', 'Approved and Denied conditions are mutually exclusive'));
  for (const before of current.status?.conditions ?? []) {
    if (!DECISIONS.includes(before.type)) continue;
    const kept = conditions.some(
      (condition) => condition.type === before.type && isEqual(condition.status, before.status),
    );
    if (!kept)
      errors.push(
        invalidValue(at.status.conditions, before.type, `updates may not remove a condition of type "${before.type}"`),
      );
  }
  return errors;
}

function conditionOf({ status }: schema.CertificateSigningRequest): string {
  const has = (type: string) => status?.conditions?.some((condition) => condition.type === type) ?? false;
  const parts = [has('Denied') ? 'Denied' : has('Approved') ? 'Approved' : 'Pending'];
  if (has('Failed')) parts.push('Failed');
  if (status?.certificate) parts.push('Issued');
  return parts.join(',');
}

function validateRequest(request: string, at: At<schema.CertificateSigningRequestSpec>): FieldError[] {
  const bytes = fromBase64(request);
  const text = 'wrongAt' in bytes ? '' : String.fromCharCode(...bytes.subarray(0, MAX_REQUEST_BYTES));
  return REQUEST_BLOCK.test(text)
    ? []
    : [invalidValue(at.request, request, 'PEM block type must be CERTIFICATE REQUEST')];
}
