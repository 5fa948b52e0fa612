/** Who asks for which certificate. */
import { parseCertificateRequest } from '#api/certificates/v1/certificate-request.ts';
import type { CertificateSigningRequest } from '#api/generated/schema.ts';
import { humanDuration } from '#api/machinery/duration.ts';
import { formatLabels } from '#api/machinery/label-selector.ts';
import { VerbError } from '../verb-error.ts';
import type { Describer } from './describer.ts';
import { describeEvents } from './events.ts';
import { formatTime, type Report } from './report.ts';

export const certificateSigningRequestDescriber: Describer<CertificateSigningRequest> = {
  kind: 'CertificateSigningRequest.certificates.k8s.io',
  async describe(report, csr, context) {
    const { metadata, spec, status } = csr;
    const parsed = parseCertificateRequest(Buffer.from(spec.request ?? '', 'base64').toString('utf8'));
    if ('problem' in parsed) throw new VerbError(`Error parsing CSR: ${parsed.problem}`);
    const { subject, dnsNames, emailAddresses, uris, ipAddresses } = parsed.request;
    report.field('Name', metadata.name);
    report.field('Labels', formatLabels(metadata.labels));
    report.field('Annotations', formatLabels(metadata.annotations));
    report.field('CreationTimestamp', formatTime(metadata.creationTimestamp));
    report.field('Requesting User', spec.username ?? '');
    if (spec.signerName) report.field('Signer', spec.signerName);
    if (spec.expirationSeconds !== undefined)
      report.field('Requested Duration', humanDuration(spec.expirationSeconds * 1000));
    report.field('Status', statusOf(status));
    report.line(0, 'Subject:');
    report.line(0, `\tCommon Name:\t${subject.commonName}`);
    report.line(0, `\tSerial Number:\t${subject.valuesOf(SERIAL_NUMBER).at(-1) ?? ''}`);
    for (const [name, type] of SUBJECT) values(report, name, subject.valuesOf(type));
    if (dnsNames.length + emailAddresses.length + ipAddresses.length + uris.length > 0) {
      report.line(0, 'Subject Alternative Names:');
      values(report, 'DNS Names', dnsNames);
      values(report, 'Email Addresses', emailAddresses);
      values(report, 'URIs', uris);
      values(report, 'IP Addresses', ipAddresses);
    }
    await describeEvents(report, csr, context);
  },
};

const SERIAL_NUMBER = '2.5.4.5';
/** In the order in which they are told. Source: X.520. */
const SUBJECT = [
  ['Organization', '2.5.4.10'],
  ['Organizational Unit', '2.5.4.11'],
  ['Country', '2.5.4.6'],
  ['Locality', '2.5.4.7'],
  ['Province', '2.5.4.8'],
  ['StreetAddress', '2.5.4.9'],
  ['PostalCode', '2.5.4.17'],
] as const;

function values(report: Report, name: string, all: readonly string[]): void {
  if (all.length > 0) report.line(0, `\t${name}:\t${all.join('\n\t\t')}`);
}

function statusOf({ conditions = [], certificate }: NonNullable<CertificateSigningRequest['status']> = {}): string {
  const has = (wanted: string) => conditions.some(({ type }) => type === wanted);
  const judged = has('Denied') ? 'Denied' : has('Approved') ? 'Approved' : 'Pending';
  return `${judged}${has('Failed') ? ',Failed' : ''}${certificate ? ',Issued' : ''}`;
}
