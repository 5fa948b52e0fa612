import { describe, expect, test } from 'vitest';
import { CERTIFICATE, CERTIFICATE_ENDS } from '#testing/certificate-fixture.ts';
import { certificateProblem, notAfterIn } from './certificate-chain.ts';
import { parseCertificateRequest } from './certificate-request.ts';
import { validateSignerName } from './signer-name.ts';

// openssl req -new -subj "/O=system:nodes/CN=system:node:one"
// -addext "subjectAltName=DNS:one,IP:10.0.0.1,IP:fd00::1,email:a@b.c,URI:spiffe://x/y"
const NAMES = `-----BEGIN CERTIFICATE REQUEST-----
MIIBOzCB4QIBADAxMRUwEwYDVQQKDAxzeXN0ZW06bm9kZXMxGDAWBgNVBAMMD3N5
c3RlbTpub2RlOm9uZTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABIzL9fuAAyax
37MWb9iSpVYfXplvdIN58kkavYCJntO364rq/gZ5EXYC6UtbJVW/P6OblYlGadLz
9NpGcFtMnvigTjBMBgkqhkiG9w0BCQ4xPzA9MDsGA1UdEQQ0MDKCA29uZYcECgAA
AYcQ/QAAAAAAAAAAAAAAAAAAAYEFYUBiLmOGDHNwaWZmZTovL3gveTAKBggqhkjO
PQQDAgNJADBGAiEAkHaNcx/uCbHz+Go1MtEvzVCpvjFIQRmFIqEdFfu8IVoCIQD5
rV584O3Pj9dHu/roF4KKHIuSRT5upYCMi66tnT1Pyw==
-----END CERTIFICATE REQUEST-----
`;

test('a request is read with all its names', () => {
  const parsed = parseCertificateRequest(NAMES);
  expect(parsed).toMatchObject({
    request: {
      subject: { commonName: 'system:node:one', organizations: ['system:nodes'] },
      dnsNames: ['one'],
      ipAddresses: ['10.0.0.1', 'fd00::1'],
      emailAddresses: ['a@b.c'],
      uris: ['spiffe://x/y'],
      signatureAlgorithm: '1.2.840.10045.4.3.2',
    },
  });
});

const der = Buffer.from(NAMES.replace(/-----.*-----|\n/g, ''), 'base64');
const pem = (bytes: Uint8Array) =>
  `-----BEGIN CERTIFICATE REQUEST-----\n${Buffer.from(bytes).toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`;

describe('an organization', () => {
  const ascii = (text: string) => Buffer.from(text.padEnd(12, '.'));
  const wide = (text: string) => Buffer.from(text, 'utf16le').swap16();
  test.each([
    ['UTF8String', 0x0c, Buffer.from('ünïcödé!', 'utf8'), 'ünïcödé!'],
    ['PrintableString', 0x13, ascii('dev'), 'dev.........'],
    ['IA5String', 0x16, ascii('dev'), 'dev.........'],
    ['T61String', 0x14, Buffer.from('Zürich, west', 'latin1'), 'Zürich, west'],
    ['BMPString', 0x1e, wide('größer'), 'größer'],
    ['BMPString with a zero at its end', 0x1e, wide('größe\0'), 'größe'],
  ])('is read from a %s', (_what, tag, bytes, text) => {
    expect(parseCertificateRequest(withOrganization(tag, bytes))).toMatchObject({
      request: { subject: { organizations: [text] } },
    });
  });

  test.each([
    ['UniversalString', 0x1c, Buffer.from('000000640000006500000076', 'hex'), 'x509: unsupported string type: 28'],
    ['number', 0x02, ascii(''), 'x509: unsupported string type: 2'],
    ['UTF8String that is none', 0x0c, Buffer.alloc(12, 0xff), 'x509: invalid UTF-8 string'],
    ['PrintableString with an umlaut', 0x13, Buffer.alloc(12, 0xfc), 'x509: invalid PrintableString'],
    ['BMPString with half a pair', 0x1e, wide('\ud83dbcdef'), 'x509: invalid BMPString'],
  ])('is not taken from a %s', (_what, tag, bytes, problem) => {
    expect(parseCertificateRequest(withOrganization(tag, bytes))).toEqual({ problem });
  });

  /** The 12 bytes of `system:nodes` replaced. */
  function withOrganization(tag: number, bytes: Buffer): string {
    const at = der.indexOf('system:nodes') - 2;
    return pem(Buffer.concat([der.subarray(0, at), Buffer.from([tag, 12]), bytes, der.subarray(at + 14)]));
  }
});

describe('what is no request is told as such', () => {
  test.each([
    ['nothing', ''],
    ['text', 'hello'],
    ['another block', CERTIFICATE],
  ])('%s', (_what, text) => {
    expect(parseCertificateRequest(text)).toEqual({ problem: 'PEM block type must be CERTIFICATE REQUEST' });
  });

  test('cut off or changed anywhere it is refused or read, and never breaks', () => {
    for (let length = 0; length < der.length; length++)
      expect(parseCertificateRequest(pem(der.subarray(0, length)))).toHaveProperty('problem');
    for (let at = 0; at < der.length; at++) {
      const changed = Buffer.from(der);
      changed[at] = (changed[at] ?? 0) ^ 0xff;
      expect(() => parseCertificateRequest(pem(changed))).not.toThrow();
    }
  });

  test('lengths that promise more than there is cost nothing', () => {
    const problem = (bytes: number[]) => parseCertificateRequest(pem(Uint8Array.from(bytes)));
    expect(problem([0x30, 0x84, 0x7f, 0xff, 0xff, 0xff])).toEqual({ problem: 'asn1: syntax error: data truncated' });
    expect(problem([0x30, 0x80, 0, 0])).toEqual({
      problem: 'asn1: syntax error: indefinite length found (not DER)',
    });
    expect(problem([0x30, 0x88, 1, 1, 1, 1, 1, 1, 1, 1])).toHaveProperty('problem');
  });
});

test.each([
  ['', undefined],
  [CERTIFICATE, undefined],
  [CERTIFICATE + CERTIFICATE, undefined],
  ['x', 'must contain at least one CERTIFICATE PEM block'],
  [NAMES, 'only CERTIFICATE PEM blocks are allowed, found "CERTIFICATE REQUEST"'],
  [CERTIFICATE.replace('-----\n', '-----\nProc-Type: 4\n\n'), 'no PEM block headers are permitted'],
  ['-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n', 'found CERTIFICATE PEM block containing 0 certificates'],
  ['-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n', 'asn1: syntax error: sequence truncated'],
])('what a signer returned: %.40j → %j', (pem, problem) => {
  if (problem === 'asn1: syntax error: sequence truncated') expect(certificateProblem(pem)).toBeDefined();
  else expect(certificateProblem(pem)).toBe(problem);
});

test('the end of a certificate', () => {
  expect(notAfterIn(CERTIFICATE)).toBe(CERTIFICATE_ENDS);
  expect(notAfterIn('x')).toBeUndefined();
  expect(notAfterIn('-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n')).toBeUndefined();
});

test.each([
  ['example.com/signer', []],
  ['', ['signerName: Required value']],
  ['example.com', ["must be a fully qualified domain and path of the form 'example.com/signer-name'"]],
  ['a.b/c/d', ['must be a fully qualified domain and path']],
  ['example/x', ['Invalid value: "example": should be a domain with at least two segments separated by dots']],
  ['Ex.com/x', ['Invalid value: "Ex.com": validating label "Ex": a lowercase RFC 1123 label must']],
  ['ex.com/X', ['Invalid value: "X": validating label "X": a lowercase RFC 1123 subdomain must']],
  ['ex.com/', ['Invalid value: "": validating label "": a lowercase RFC 1123 subdomain must']],
  [`${'a'.repeat(64)}.com/x`, ['must be no more than 63']],
])('the signer %.30j', (name, problems) => {
  const errors = validateSignerName(name, 'signerName').map(({ field, message }) => `${field}: ${message}`);
  expect(errors).toHaveLength(problems.length);
  for (const [i, problem] of problems.entries()) expect(errors[i]).toContain(problem);
});
