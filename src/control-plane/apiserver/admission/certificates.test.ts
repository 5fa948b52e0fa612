import { describe, expect, test } from 'vitest';
import type { CertificateSigningRequest } from '#api/generated/schema.ts';
import type { Kind } from '#api/machinery/kind.ts';
import { ManualClock } from '#base/manual-clock.ts';
import { seededRandom } from '#base/random.ts';
import { withoutNetwork } from '#testing/admission-fixture.ts';
import { fixedInformers } from '#testing/fixed-informers.ts';
import { allow, noOpinion } from '../authorization/authorizer.ts';
import { certificateSubjectRestriction } from './certificate-subject.ts';
import { certificateApproval, certificateSigning } from './certificates.ts';
import { AdmissionChain } from './chain.ts';
import type { AdmissionRequest } from './define-admission.ts';

// Subjects O=system:masters, O=dev, CN=eve and O=dev, CN=bob; made with openssl req -new.
const FOR_MASTERS = `-----BEGIN CERTIFICATE REQUEST-----
MIHwMIGXAgEAMDUxFzAVBgNVBAoMDnN5c3RlbTptYXN0ZXJzMQwwCgYDVQQKDANk
ZXYxDDAKBgNVBAMMA2V2ZTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABOEfKcnT
OGT9SrEOejV0gnidY05V2GIwSAwSdqxeJKtHhKSLw0Vc/ZL0yR5BqhQS852zjyiH
EedPSwukOt17sZ2gADAKBggqhkjOPQQDAgNIADBFAiBsh+5qlCL0Um3/NsVKWG0L
bW5+AYBJyCr8E5rbauvdigIhAKTNZCqg604tWUg6beXgwANNq77Mgbv9Cc/AGp5t
x/VG
-----END CERTIFICATE REQUEST-----
`;
const FOR_DEV = `-----BEGIN CERTIFICATE REQUEST-----
MIHWMH4CAQAwHDEMMAoGA1UECgwDZGV2MQwwCgYDVQQDDANib2IwWTATBgcqhkjO
PQIBBggqhkjOPQMBBwNCAAR8NlSa8OAWTpsda8YySFuqLEstCewZK8IWGLrqrBGd
x+1Ki3UcPLjUtlLJ0bOj7GPsHFn26TjdhVAZJOn73m82oAAwCgYIKoZIzj0EAwID
SAAwRQIgdK1Oce+BHtWoeS3SGMLkSmm+8Os7bOar4fNr5DMu/w8CIQDVjwF5OsfO
cUU2K7XrF+E/ODRIIphY7+WgLH3INVTXbw==
-----END CERTIFICATE REQUEST-----
`;

const kind = { group: 'certificates.k8s.io', plural: 'certificatesigningrequests' } as Kind;
const asked = (more: object = {}, status: object = {}) =>
  ({
    metadata: { name: 'csr' },
    spec: { signerName: 'kubernetes.io/kube-apiserver-client', request: base64(FOR_DEV), ...more },
    status,
  }) as CertificateSigningRequest;
const base64 = (text: string) => Buffer.from(text).toString('base64');

/** With an authorizer that knows only this: `approve example.com/*`. */
async function attempt(may: string, request: Partial<AdmissionRequest<CertificateSigningRequest>>): Promise<void> {
  const informers = fixedInformers();
  const chain = new AdmissionChain([certificateApproval, certificateSigning, certificateSubjectRestriction], {
    informers,
    live: informers.live,
    authorizer: {
      authorize: (wish) => ('name' in wish && `${wish.verb} ${wish.name}` === may ? allow() : noOpinion()),
    },
    clock: new ManualClock(),
    random: seededRandom(1),
    ...withoutNetwork,
  });
  const user = { name: 'alice', groups: [] };
  await chain.validate({
    verb: 'update',
    kind,
    namespace: '',
    name: 'csr',
    subresource: '',
    user,
    dryRun: false,
    object: undefined,
    old: undefined,
    ...request,
  });
}

describe('a certificate request', () => {
  const custom = asked({ signerName: 'example.com/a' });
  test.each([
    ['approve example.com/a', true],
    ['approve example.com/*', true],
    ['approve example.com/b', false],
    ['sign example.com/a', false],
  ])('is approved by who may %s: %s', async (may, allowed) => {
    const result = attempt(may, { subresource: 'approval', old: custom, object: custom });
    if (allowed) await expect(result).resolves.toBeUndefined();
    else
      await expect(result).rejects.toMatchObject({
        code: 403,
        message:
          'certificatesigningrequests.certificates.k8s.io "csr" is forbidden: user not permitted to approve requests with signerName "example.com/a"',
      });
  });

  test('is signed only by who may sign; other changes of its status are free', async () => {
    const signed = asked({ signerName: 'example.com/a' }, { certificate: 'x' });
    const change = { subresource: 'status', old: custom, object: signed };
    await expect(attempt('sign example.com/a', change)).resolves.toBeUndefined();
    await expect(attempt('approve example.com/a', change)).rejects.toThrow('user not permitted to sign');
    await expect(attempt('', { ...change, object: custom })).resolves.toBeUndefined();
    const failed = asked({ signerName: 'example.com/a' }, { conditions: [{ type: 'Failed', status: 'True' }] });
    await expect(attempt('', { ...change, object: failed })).rejects.toThrow('user not permitted to sign');
  });

  test('for a client of system:masters is refused', async () => {
    const forMasters = asked({ request: base64(FOR_MASTERS) });
    await expect(attempt('', { verb: 'create', object: forMasters })).rejects.toThrow(
      'use of kubernetes.io/kube-apiserver-client signer with system:masters group is not allowed',
    );
    await expect(attempt('', { verb: 'create', object: asked() })).resolves.toBeUndefined();
    await expect(attempt('', { verb: 'create', object: asked({ request: 'eA==' }) })).rejects.toThrow(
      'failed to parse CSR: PEM block type must be CERTIFICATE REQUEST',
    );
    const elsewhere = asked({ signerName: 'example.com/a', request: base64(FOR_MASTERS) });
    await expect(attempt('', { verb: 'create', object: elsewhere })).resolves.toBeUndefined();
  });
});
