import { beforeEach, describe, expect, test } from 'vitest';
import type { CertificateRequest } from '#api/certificates/v1/certificate-request.ts';
import type { CertificateSigningRequest } from '#api/certificates/v1/certificate-signing-request.ts';
import { CERTIFICATE, CERTIFICATE_ENDS } from '#testing/certificate-fixture.ts';
import { dueOf } from './cleaner.ts';
import { CLIENT, KUBELET_CLIENT, KUBELET_SERVING, LEGACY_UNKNOWN, signerRules } from './signer-rules.ts';

const subjectOf = (commonName: string, ...organizations: string[]): CertificateRequest['subject'] => ({
  ...{ commonName, organizations, raw: new Uint8Array() },
  valuesOf: () => [],
});
const asked: CertificateRequest = {
  subject: subjectOf('system:node:one', 'system:nodes'),
  dnsNames: [],
  ipAddresses: [],
  emailAddresses: [],
  uris: [],
  publicKey: new Uint8Array(),
  signed: new Uint8Array(),
  signatureAlgorithm: '',
  signature: new Uint8Array(),
};
const named = (commonName: string, ...organizations: string[]) => ({
  subject: subjectOf(commonName, ...organizations),
});
const KUBELET = ['digital signature', 'client auth'];
const SERVING = ['digital signature', 'server auth'];

describe('a signer', () => {
  test.each<[string, Partial<CertificateRequest>, string[], string | undefined]>([
    [KUBELET_CLIENT, {}, KUBELET, undefined],
    [KUBELET_CLIENT, {}, [...KUBELET, 'key encipherment'], undefined],
    [KUBELET_CLIENT, {}, ['client auth'], 'usages did not match [client auth digital signature key encipherment]'],
    [KUBELET_CLIENT, {}, [...KUBELET, 'any'], 'usages did not match [client auth digital signature key encipherment]'],
    [KUBELET_CLIENT, named('system:node:one'), KUBELET, 'subject organization is not system:nodes'],
    [
      KUBELET_CLIENT,
      named('system:node:one', 'system:nodes', 'system:masters'),
      KUBELET,
      'subject organization is not system:nodes',
    ],
    [KUBELET_CLIENT, named('one', 'system:nodes'), KUBELET, 'subject common name does not begin with system:node:'],
    [KUBELET_CLIENT, { dnsNames: ['a'] }, KUBELET, 'DNS subjectAltNames are not allowed'],
    [KUBELET_CLIENT, { ipAddresses: ['1.1.1.1'] }, KUBELET, 'IP subjectAltNames are not allowed'],
    [KUBELET_CLIENT, { emailAddresses: ['a@b'] }, KUBELET, 'Email subjectAltNames are not allowed'],
    [KUBELET_CLIENT, { uris: ['a:b'] }, KUBELET, 'URI subjectAltNames are not allowed'],
    [KUBELET_SERVING, { dnsNames: ['one'] }, SERVING, undefined],
    [KUBELET_SERVING, {}, SERVING, 'DNS or IP subjectAltName is required'],
    [KUBELET_SERVING, { dnsNames: ['one'], uris: ['a:b'] }, SERVING, 'URI subjectAltNames are not allowed'],
    [
      KUBELET_SERVING,
      { dnsNames: ['one'] },
      KUBELET,
      'usages did not match [digital signature key encipherment server auth]',
    ],
    [CLIENT, named('jane'), ['client auth'], undefined],
    [CLIENT, named('jane'), ['client auth', 'key encipherment'], undefined],
    [CLIENT, named('jane'), ['server auth'], 'invalid usage for client certificate: server auth'],
    [CLIENT, named('jane'), ['digital signature'], 'missing required usage for client certificate: client auth'],
    [LEGACY_UNKNOWN, named('whatever'), ['code signing'], undefined],
  ])('%s, %j for %j: %j', (signer, request, usages, problem) => {
    expect(signerRules[signer]?.({ ...asked, ...request }, usages)).toBe(problem);
  });
});

describe('a certificate request is removed', () => {
  const HOUR = 3_600_000;
  const since = Date.UTC(2026, 0, 1);
  let csr: CertificateSigningRequest;
  beforeEach(() => {
    csr = {
      ...({ apiVersion: 'certificates.k8s.io/v1', kind: 'CertificateSigningRequest' } as CertificateSigningRequest),
      metadata: { name: 'a', creationTimestamp: new Date(since).toISOString() } as never,
    };
  });
  const due = (type: string, certificate?: string) => {
    const lastUpdateTime = new Date(since + HOUR).toISOString();
    const conditions = [{ type, status: 'True', lastUpdateTime }];
    return ((dueOf({ ...csr, status: { conditions, ...(certificate && { certificate }) } }) ?? 0) - since) / HOUR;
  };

  test('a day after it was made when nobody cared', () => {
    expect(dueOf(csr)).toBe(since + 24 * HOUR);
  });

  test.each([
    ['an hour after it was denied', 'Denied', undefined, 2],
    ['an hour after it failed', 'Failed', undefined, 2],
    ['an hour after it was approved and issued', 'Approved', 'eA==', 2],
    ['a day after it was approved when nobody issued', 'Approved', undefined, 25],
  ])('%s', (_when, type, certificate, hours) => {
    expect(due(type, certificate)).toBe(hours);
  });

  test('when its certificate ends, where that is earlier', () => {
    const lastUpdateTime = new Date(CERTIFICATE_ENDS - HOUR / 2).toISOString();
    const conditions = [{ type: 'Approved', status: 'True', lastUpdateTime }];
    const certificate = Buffer.from(CERTIFICATE).toString('base64');
    expect(dueOf({ ...csr, status: { conditions, certificate } })).toBe(CERTIFICATE_ENDS);
  });

  test('never, when it has some other condition', () => {
    expect(dueOf({ ...csr, status: { conditions: [{ type: 'Odd', status: 'True' }] } })).toBeUndefined();
  });
});
