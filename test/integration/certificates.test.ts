/** From a certificate request to somebody who is known by the certificate: stock kubectl and openssl, real controllers. */
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { bodies, catalog } from '#api/catalog.ts';
import { CertificateSigningRequest } from '#api/certificates/v1/certificate-signing-request.ts';
import { createKindRegistry } from '#api/machinery/kind-registry.ts';
import { silentLog } from '#base/log.ts';
import { InProcessTransport } from '#client/transport/in-process.ts';
import { systemClock, systemRandom } from '#cmd/system-clock.ts';
import { controllersFor } from '#control-plane/controllers/index.ts';
import { type RunningControllers, startControllers } from '#control-plane/controllers/start-controllers.ts';
import { startCluster } from '#testing/cluster.ts';
import { eventually } from './extension-server.ts';
import { type HttpsApiServer, startHttpsApiServer } from './https-api-server.ts';

const CONTROLLERS = [
  'certificatesigningrequest-approving-controller',
  'certificatesigningrequest-signing-controller',
  'certificatesigningrequest-cleaner-controller',
];
let directory: string;
let api: HttpsApiServer;
let running: RunningControllers;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'certificates-'));
  api = await startHttpsApiServer();
  const all = controllersFor({ certificateSigner: api.pki.certificateSigner });
  running = startControllers({
    controllers: all.filter(({ name }) => CONTROLLERS.includes(name)),
    transportFor: (user) => new InProcessTransport(api.api.pipeline, user),
    kinds: createKindRegistry(catalog, bodies),
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
  });
});
afterAll(async () => {
  running?.stop();
  await api?.[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true, force: true });
});

const openssl = (...args: string[]): string =>
  execFileSync('openssl', args, { cwd: directory, stdio: 'pipe' }).toString();

/** A request by openssl, with a key of its own. */
function requestFor(
  name: string,
  subject: string,
  { names = '', key = ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256'] } = {},
) {
  const keyArgs =
    key[0] === 'ec' ? ['genpkey', '-algorithm', 'EC', ...key.slice(1)] : ['genpkey', '-algorithm', ...key];
  openssl(...keyArgs, '-out', `${name}.key`);
  openssl(
    'req',
    '-new',
    '-key',
    `${name}.key`,
    '-subj',
    subject,
    '-out',
    `${name}.csr`,
    ...(names ? ['-addext', `subjectAltName=${names}`] : []),
  );
  return readFileSync(join(directory, `${name}.csr`), 'utf8');
}

interface Wish {
  signer: string;
  usages: string[];
  seconds?: number;
}

const csr = (name: string, pem: string, { signer, usages, seconds }: Wish) =>
  JSON.stringify({
    apiVersion: 'certificates.k8s.io/v1',
    kind: 'CertificateSigningRequest',
    metadata: { name },
    spec: {
      request: Buffer.from(pem).toString('base64'),
      signerName: signer,
      usages,
      ...(seconds && { expirationSeconds: seconds }),
    },
  });
const CLIENT = { signer: 'kubernetes.io/kube-apiserver-client', usages: ['client auth'] };

async function issued(name: string): Promise<{ certificate: X509Certificate; pem: string }> {
  let text = '';
  await vi.waitFor(
    async () => {
      text = (await api.kubectl(['get', 'csr', name, '-o', 'jsonpath={.status.certificate}'])).stdout;
      expect(text).not.toBe('');
    },
    { timeout: 60_000, interval: 50 },
  );
  const pem = Buffer.from(text, 'base64').toString();
  writeFileSync(join(directory, `${name}.crt`), pem);
  return { certificate: new X509Certificate(pem), pem };
}

/** Stock kubectl with the key and the certificate that was issued. */
function kubeconfigOf(name: string): string {
  const path = join(directory, `${name}.kubeconfig`);
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  const user = { 'client-certificate': join(directory, `${name}.crt`), 'client-key': join(directory, `${name}.key`) };
  writeFileSync(
    path,
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [
        { name: 'c', cluster: { server: api.url, 'certificate-authority-data': base64(api.pki.caCertificate) } },
      ],
      users: [{ name: 'u', user }],
      contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
      'current-context': 'x',
    }),
  );
  return path;
}

test.each([
  ['an EC key', ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256']],
  ['an RSA key', ['RSA', '-pkeyopt', 'rsa_keygen_bits:2048']],
  ['an Ed25519 key', ['ED25519']],
])('a person with %s asks, an administrator approves, and the person is known', async (_what, key) => {
  const name = `jane-${key[0]?.toLowerCase()}`;
  const pem = requestFor(name, `/O=dev/O=ops/CN=${name}`, { key });
  await api.kubectl(['create', '-f', '-'], csr(name, pem, { ...CLIENT, seconds: 3600 }));
  expect((await api.kubectl(['get', 'csr', name])).stdout).toMatch(
    /kubernetes\.io\/kube-apiserver-client\s+kubernetes-admin\s+60m\s+Pending/,
  );
  await api.kubectl(['certificate', 'approve', name]);
  const { certificate } = await issued(name);
  expect((await api.kubectl(['get', 'csr', name])).stdout).toContain('Approved,Issued');
  const lifeMs = Date.parse(certificate.validTo) - Date.parse(certificate.validFrom);
  expect(lifeMs).toBe(3_900_000); // an hour, and five minutes before now
  writeFileSync(join(directory, 'ca.crt'), api.pki.caCertificate);
  expect(openssl('verify', '-CAfile', 'ca.crt', '-purpose', 'sslclient', `${name}.crt`)).toContain('OK');
  const { stdout } = await api.kubectl([`--kubeconfig=${kubeconfigOf(name)}`, 'auth', 'whoami', '-o', 'json']);
  expect(JSON.parse(stdout).status.userInfo).toMatchObject({
    username: name,
    groups: ['dev', 'ops', 'system:authenticated'],
  });
});

test('what was denied is not signed, and stays denied', async () => {
  await api.kubectl(['create', '-f', '-'], csr('denied', requestFor('denied', '/CN=denied'), CLIENT));
  await api.kubectl(['certificate', 'deny', 'denied']);
  expect((await api.kubectl(['get', 'csr', 'denied'])).stdout).toContain('Denied');
  await expect(api.kubectl(['certificate', 'approve', 'denied'])).rejects.toThrow(
    'certificate signing request "denied" is already Denied',
  );
});

test('what breaks the rules of its signer fails, and says why', async () => {
  const wish = { signer: 'kubernetes.io/kubelet-serving', usages: ['server auth', 'digital signature'] };
  await api.kubectl(['create', '-f', '-'], csr('bad', requestFor('bad', '/O=system:nodes/CN=system:node:one'), wish));
  await api.kubectl(['certificate', 'approve', 'bad']);
  await eventually(async () =>
    expect(
      JSON.parse((await api.kubectl(['get', 'csr', 'bad', '-o', 'json'])).stdout).status.conditions.map(
        ({ lastUpdateTime: _when, lastTransitionTime: _since, ...rest }: Record<string, string>) => rest,
      ),
    ).toEqual([
      { type: 'Approved', status: 'True', reason: 'KubectlApprove', message: expect.any(String) },
      {
        type: 'Failed',
        status: 'True',
        reason: 'SignerValidationFailure',
        message: 'DNS or IP subjectAltName is required',
      },
    ]),
  );
});

test('a serving certificate of a kubelet has its names, and is for servers', async () => {
  const names = 'DNS:one,IP:10.0.0.1,IP:fd00::1';
  const pem = requestFor('serving', '/O=system:nodes/CN=system:node:one', { names });
  const wish = {
    signer: 'kubernetes.io/kubelet-serving',
    usages: ['server auth', 'digital signature', 'key encipherment'],
  };
  await api.kubectl(['create', '-f', '-'], csr('serving', pem, wish));
  await api.kubectl(['certificate', 'approve', 'serving']);
  const { certificate } = await issued('serving');
  expect(certificate.subjectAltName).toBe('DNS:one, IP Address:10.0.0.1, IP Address:FD00:0:0:0:0:0:0:1');
  expect(certificate.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1']);
  expect(certificate.ca).toBe(false);
  const text = openssl('x509', '-in', 'serving.crt', '-noout', '-text');
  expect(text).toMatch(/Key Usage: critical\s+Digital Signature, Key Encipherment/);
  writeFileSync(join(directory, 'ca.crt'), api.pki.caCertificate);
  expect(openssl('verify', '-CAfile', 'ca.crt', '-purpose', 'sslserver', 'serving.crt')).toContain('OK');
});

describe('is refused', () => {
  test.each([
    [
      'for somebody of system:masters',
      '/O=system:masters/CN=eve',
      {},
      'use of kubernetes.io/kube-apiserver-client signer with system:masters group is not allowed',
    ],
    [
      'for less than ten minutes',
      '/CN=eve',
      { seconds: 599 },
      'spec.expirationSeconds: Invalid value: 599: may not specify a duration less than 600 seconds (10 minutes)',
    ],
    ['for no use', '/CN=eve', { usages: [] }, 'spec.usages: Required value'],
    ['for an odd use', '/CN=eve', { usages: ['fun'] }, 'spec.usages[0]: Unsupported value: "fun"'],
    [
      'of no signer',
      '/CN=eve',
      { signer: 'nobody' },
      "must be a fully qualified domain and path of the form 'example.com/signer-name'",
    ],
  ])('a request %s', async (_what, subject, more, message) => {
    const text = csr('eve', requestFor('eve', subject), { ...CLIENT, ...more } as Wish);
    await expect(api.kubectl(['create', '--validate=false', '-f', '-'], text)).rejects.toThrow(message);
  });

  test('a request that its key has not signed', async () => {
    const pem = requestFor('forged', '/CN=forged');
    const bytes = Buffer.from(pem.replace(/-----.*-----|\n/g, ''), 'base64');
    bytes[bytes.indexOf('forged')] = 'F'.charCodeAt(0);
    const forged = `-----BEGIN CERTIFICATE REQUEST-----\n${bytes.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`;
    await expect(api.kubectl(['create', '-f', '-'], csr('forged', forged, CLIENT))).rejects.toThrow(
      'x509: ECDSA verification failure',
    );
  });
});

test('a kubelet that renews its certificate is approved by itself; for another node it may not ask', async () => {
  await api.kubectl([
    'create',
    'clusterrolebinding',
    'renewal',
    '--clusterrole=system:certificates.k8s.io:certificatesigningrequests:selfnodeclient',
    '--group=system:nodes',
  ]);
  const wish = {
    signer: 'kubernetes.io/kube-apiserver-client-kubelet',
    usages: ['client auth', 'digital signature'],
  };
  const kubelet = api.pki.issueClient('kubelet', { user: 'system:node:one', groups: ['system:nodes'] });
  writeFileSync(join(directory, 'kubelet.crt'), kubelet.certificate);
  writeFileSync(join(directory, 'kubelet.key'), kubelet.key);
  const asKubelet = `--kubeconfig=${kubeconfigOf('kubelet')}`;
  const own = requestFor('own', '/O=system:nodes/CN=system:node:one');
  await api.kubectl([asKubelet, 'create', '--validate=false', '-f', '-'], csr('own', own, wish));
  const { certificate } = await issued('own');
  expect(certificate.subject).toBe('O=system:nodes\nCN=system:node:one');
  const conditions = await api.kubectl(['get', 'csr', 'own', '-o', 'jsonpath={.status.conditions[0]}']);
  expect(JSON.parse(conditions.stdout)).toMatchObject({
    type: 'Approved',
    reason: 'AutoApproved',
    message: 'Auto approving self kubelet client certificate after SubjectAccessReview.',
  });
  const other = requestFor('other', '/O=system:nodes/CN=system:node:two');
  const attempt = api.kubectl([asKubelet, 'create', '--validate=false', '-f', '-'], csr('other', other, wish));
  await expect(attempt).rejects.toThrow(
    'certificatesigningrequests.certificates.k8s.io "other" is forbidden: can only create a node CSR with CN=system:node:one',
  );
});

test('requests are removed when their time has come', async () => {
  const controllers = controllersFor({ certificateSigner: { sign: () => '' } }).filter(({ name }) =>
    CONTROLLERS.includes(name),
  );
  await using cluster = await startCluster({ controllers, rbac: true });
  const { client } = cluster;
  const text = JSON.parse(csr('old', requestFor('old', '/CN=old'), CLIENT));
  const created = await client.create(CertificateSigningRequest, text);
  const status = { conditions: [{ type: 'Denied', status: 'True' }] };
  await client.update(CertificateSigningRequest, { ...created, status }, 'approval');
  await cluster.passes(3_600_000 - 1000);
  expect((await client.list(CertificateSigningRequest)).items).toHaveLength(1);
  await cluster.passes(2000);
  expect((await client.list(CertificateSigningRequest)).items).toEqual([]);
});
