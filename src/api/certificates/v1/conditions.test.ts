import { describe, expect, test } from 'vitest';
import { CertificateSigningRequest } from './certificate-signing-request.ts';

type Condition = { type: string; status: string; message?: string };
const request = (conditions: Condition[], certificate = '') =>
  ({
    apiVersion: 'certificates.k8s.io/v1',
    kind: 'CertificateSigningRequest',
    metadata: { name: 'a', uid: 'u', resourceVersion: '1', creationTimestamp: '2026-01-01T00:00:00Z' },
    spec: { request: '', signerName: 'example.com/a', usages: ['any'] },
    status: { conditions, ...(certificate && { certificate }) },
  }) as unknown as CertificateSigningRequest;
const approved = { type: 'Approved', status: 'True' };
const denied = { type: 'Denied', status: 'True' };
const failed = { type: 'Failed', status: 'True' };
const PEM = Buffer.from('-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n').toString('base64');

function errorsOf(before: CertificateSigningRequest, after: CertificateSigningRequest, subresource: string): string[] {
  const prepared = CertificateSigningRequest.prepareForUpdate(after, before, subresource);
  return CertificateSigningRequest.validateUpdate(prepared, before, subresource)
    .filter(({ field }) => field.startsWith('status'))
    .map(({ field, message }) => `${field}: ${message}`);
}

describe('approving', () => {
  test.each<[Condition[], Condition[], string[]]>([
    [[], [approved], []],
    [[], [denied], []],
    [[approved], [approved, failed], []],
    [[approved], [], ['status.conditions: Forbidden: updates may not remove a condition of type "Approved"']],
    [
      [approved],
      [approved, denied],
      ['status.conditions: Invalid value: "Denied": Approved and Denied conditions are mutually exclusive'],
    ],
    [[], [{ type: '', status: 'True' }], ['status.conditions[0].type: Required value']],
    [[], [{ type: 'Odd', status: '' }], ['status.conditions[0].status: Required value']],
    [
      [],
      [{ type: 'Approved', status: 'False' }],
      ['status.conditions[0].status: Unsupported value: "False": supported values: "True"'],
    ],
    [
      [],
      [{ type: 'Odd', status: 'x' }],
      ['status.conditions[0].status: Unsupported value: "x": supported values: "False", "True", "Unknown"'],
    ],
    [[], [approved, approved], ['status.conditions[1].type: Duplicate value: "Approved"']],
  ])('%j → %j', (before, after, errors) => {
    expect(errorsOf(request(before), request(after), 'approval')).toEqual(errors);
  });

  test('issues nothing', () => {
    const prepared = CertificateSigningRequest.prepareForUpdate(request([approved], PEM), request([]), 'approval');
    expect(prepared.status).toEqual({ conditions: [approved] });
  });
});

describe('the status', () => {
  test.each<[Condition[], Condition[], string[]]>([
    [[approved], [approved, failed], []],
    [[], [approved], ['status.conditions: Forbidden: updates may not add a condition of type "Approved"']],
    [[approved], [], ['status.conditions: Forbidden: updates may not remove a condition of type "Approved"']],
    [[failed], [], ['status.conditions: Forbidden: updates may not remove a condition of type "Failed"']],
    [[approved], [{ ...approved, message: 'changed' }], []], // it stays as it was
  ])('%j → %j', (before, after, errors) => {
    expect(errorsOf(request(before), request(after), 'status')).toEqual(errors);
  });

  test('holds a certificate once and for all', () => {
    const text = Buffer.from('no certificate').toString('base64');
    expect(errorsOf(request([approved]), request([approved], text), 'status')).toEqual([
      'status.certificate: Invalid value: "<certificate data>": must contain at least one CERTIFICATE PEM block',
    ]);
    expect(errorsOf(request([approved], text), request([approved]), 'status')).toEqual([
      'status.certificate: Forbidden: updates may not modify existing certificate content',
    ]);
  });
});
