/** ServiceAccounts and what their pods get, certificates by request, and questions about rights. */
import { createPublicKey, verify, X509Certificate } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { KubeObject } from '#api/machinery/object.ts';
import { eventually, run } from '../running-cluster.ts';
import { container, object, playground, pod, shell } from './playground.ts';

interface Certified extends KubeObject {
  spec: { request: string };
  status?: { certificate?: string; conditions?: { type: string }[] };
}
interface Claims {
  iss: string;
  aud: string[];
  sub: string;
  exp: number;
  'kubernetes.io': { pod?: { name: string } };
}

interface PublishedKey {
  kid: string;
  alg: string;
  kty: string;
}

const TOKEN = '/var/run/secrets/kubernetes.io/serviceaccount';
const claimsOf = (token: string) =>
  JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8')) as Claims;

/** PEM in base64, as the API takes it. */
async function certificateRequest(commonName: string): Promise<string> {
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', '/dev/null'];
  const { code, stdout, stderr } = await run('openssl', ['req', '-new', ...key, '-subj', `/CN=${commonName}`]);
  if (code !== 0) throw new Error(stderr);
  return Buffer.from(stdout).toString('base64');
}

describe('service accounts', () => {
  const ground = playground('accounts', async () => undefined);
  const path = (name?: string) => ground().path('ServiceAccount', 'v1', name);
  const tokenOf = async (name: string, spec: object = {}) => {
    const request = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec };
    const made = await ground().api.post<KubeObject & { status: { token: string } }>(`${path(name)}/token`, request);
    return made.status.token;
  };

  test('ServiceAccounts should mount an API token into pods', async () => {
    await ground().create(object('ServiceAccount', 'mounted'));
    await ground().create(
      pod('mounted', { spec: { serviceAccountName: 'mounted', containers: [shell('sleep 3600')] } }),
    );
    await ground().ready('mounted');
    const read = (file: string) => ground().exec('mounted', `cat ${TOKEN}/${file}`);
    expect(await read('namespace')).toBe(ground().namespace);
    const root = await ground().api.get<KubeObject & { data: Record<string, string> }>(
      ground().path('ConfigMap', 'v1', 'kube-root-ca.crt'),
    );
    expect(`${await read('ca.crt')}\n`).toBe(`${root.data['ca.crt']?.trimEnd()}\n`);
    const review = {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenReview',
      spec: { token: await read('token') },
    };
    const { status } = await ground().api.post<
      KubeObject & { status: { authenticated: boolean; user: { username: string; groups: string[] } } }
    >('/apis/authentication.k8s.io/v1/tokenreviews', review);
    expect(status.authenticated).toBe(true);
    expect(status.user.username).toBe(`system:serviceaccount:${ground().namespace}:mounted`);
    expect(status.user.groups).toContain(`system:serviceaccounts:${ground().namespace}`);
  });

  test('ServiceAccounts should allow opting out of API token automount', async () => {
    for (const account of ['mount', 'nomount'])
      await ground().create(object('ServiceAccount', account, { automountServiceAccountToken: account === 'mount' }));
    const mounts = async (account: string, automountServiceAccountToken?: boolean) => {
      const name = `${account}-${automountServiceAccountToken ?? 'default'}`;
      const own = automountServiceAccountToken === undefined ? {} : { automountServiceAccountToken };
      await ground().create(
        pod(name, { spec: { serviceAccountName: account, nodeSelector: { nowhere: 'yes' }, ...own } }),
      );
      const { spec } = await ground().pod(name);
      return spec.containers[0]?.volumeMounts?.some(({ mountPath }) => mountPath === TOKEN) ?? false;
    };
    expect(await mounts('mount')).toBe(true);
    expect(await mounts('mount', false)).toBe(false);
    expect(await mounts('nomount')).toBe(false);
    expect(await mounts('nomount', true)).toBe(true);
  });

  test('ServiceAccounts should mount projected service account token', async () => {
    const volumes = [
      {
        name: 'token',
        projected: {
          sources: [{ serviceAccountToken: { path: 'token', audience: 'vault', expirationSeconds: 7200 } }],
        },
      },
    ];
    const main = shell('cat /projected/token', { volumeMounts: [{ name: 'token', mountPath: '/projected' }] });
    await ground().create(pod('projected', { spec: { containers: [main], volumes } }));
    await ground().ended('projected');
    const claims = claimsOf(await ground().log('projected'));
    expect(claims.aud).toEqual(['vault']);
    expect(claims['kubernetes.io'].pod?.name).toBe('projected');
  });

  test('ServiceAccounts should create a serviceAccountToken and ensure a successful TokenReview', async () => {
    await ground().create(object('ServiceAccount', 'reviewed'));
    const token = await tokenOf('reviewed', { expirationSeconds: 3600 });
    const review = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec: { token } };
    const { status } = await ground().api.post<KubeObject & { status: object }>(
      '/apis/authentication.k8s.io/v1/tokenreviews',
      review,
    );
    expect(status).toMatchObject({
      authenticated: true,
      user: { username: `system:serviceaccount:${ground().namespace}:reviewed` },
    });
    await ground().api.delete(path('reviewed'));
    const after = await ground().api.post<KubeObject & { status: { authenticated?: boolean } }>(
      '/apis/authentication.k8s.io/v1/tokenreviews',
      review,
    );
    expect(after.status.authenticated ?? false).toBe(false);
  });

  test('ServiceAccounts should guarantee kube-root-ca.crt exist in any namespace', async () => {
    const root = ground().path('ConfigMap', 'v1', 'kube-root-ca.crt');
    const read = async () =>
      (await ground().api.get<KubeObject & { data?: Record<string, string> }>(root)).data?.['ca.crt'];
    const before = await read();
    expect(before).toContain('BEGIN CERTIFICATE');
    await ground().api.delete(root);
    await eventually('it is made anew', async () => (await read()) === before);
    await ground().api.patch(root, { data: { 'ca.crt': '' } });
    await eventually('it is put right', async () => (await read()) === before);
  });

  test('ServiceAccounts should run through the lifecycle of a ServiceAccount', async () => {
    const selected = `${path()}?labelSelector=cycle%3Dyes`;
    const watch = await ground().api.watchFromNow(selected);
    await ground().create({
      ...object('ServiceAccount', 'cycle'),
      metadata: { name: 'cycle', labels: { cycle: 'yes' } },
    });
    const patched = await ground().api.patch<KubeObject & { automountServiceAccountToken?: boolean }>(path('cycle'), {
      automountServiceAccountToken: false,
    });
    expect(patched.automountServiceAccountToken).toBe(false);
    const everywhere = await ground().api.get<{ items: KubeObject[] }>(
      '/api/v1/serviceaccounts?labelSelector=cycle%3Dyes',
    );
    expect(everywhere.items.map(({ metadata }) => metadata.name)).toEqual(['cycle']);
    await ground().api.delete(selected);
    await eventually('all is seen', async () => watch.events.length === 3);
    expect(watch.events.map(({ type }) => type)).toEqual(['ADDED', 'MODIFIED', 'DELETED']);
    watch.stop();
  });

  test('ServiceAccounts should update a ServiceAccount', async () => {
    await ground().create(object('ServiceAccount', 'updated'));
    const made = await ground().api.get<KubeObject>(path('updated'));
    const updated = await ground().api.put<KubeObject & { automountServiceAccountToken?: boolean }>(path('updated'), {
      ...made,
      automountServiceAccountToken: true,
    });
    expect(updated.automountServiceAccountToken).toBe(true);
  });

  test('ServiceAccounts ServiceAccountIssuerDiscovery should support OIDC discovery of service account issuer', async () => {
    const token = await tokenOf('default');
    const { iss } = claimsOf(token);
    const discovery = await ground().api.get<{ issuer: string; jwks_uri: string } & { metadata: never }>(
      '/.well-known/openid-configuration',
    );
    expect(discovery.issuer).toBe(iss);
    const { keys } = await ground().api.get<{ keys: PublishedKey[] } & { metadata: never }>('/openid/v1/jwks');
    const [header = '', payload = '', signature = ''] = token.split('.');
    const { kid, alg } = JSON.parse(Buffer.from(header, 'base64url').toString('utf8')) as { kid: string; alg: string };
    const key = keys.find((each) => each.kid === kid);
    expect(key?.alg).toBe(alg);
    const publicKey = createPublicKey({ key: { ...key }, format: 'jwk' });
    const signed = Buffer.from(`${header}.${payload}`);
    const form = { key: publicKey, dsaEncoding: 'ieee-p1363' as const };
    expect(verify('sha256', signed, form, Buffer.from(signature, 'base64url'))).toBe(true);
    // A pod may read both documents with its own token.
    const script = `
      const token = require('node:fs').readFileSync('${TOKEN}/token', 'utf8');
      const options = { headers: { authorization: 'Bearer ' + token } };
      const print = (answer) => answer.pipe(process.stdout);
      require('node:https').get('https://kubernetes.default.svc/openid/v1/jwks', options, print);`;
    const env = [{ name: 'NODE_EXTRA_CA_CERTS', value: `${TOKEN}/ca.crt` }];
    await ground().create(
      pod('reader', { spec: { containers: [container({ command: ['node', '-e', script], env })] } }),
    );
    await ground().ended('reader');
    expect(await ground().log('reader')).toContain(kid);
  });

  test('SubjectReview should support SubjectReview API operations', async () => {
    await ground().create(object('ServiceAccount', 'asked'));
    const user = `system:serviceaccount:${ground().namespace}:asked`;
    const attributes = { verb: 'list', resource: 'configmaps', namespace: ground().namespace };
    const allowed = async (kind: string, route: string) => {
      const review = {
        apiVersion: 'authorization.k8s.io/v1',
        kind,
        metadata: kind.startsWith('Local') ? { namespace: ground().namespace } : {},
        spec: { user, resourceAttributes: attributes },
      };
      const { status } = await ground().api.post<KubeObject & { status: { allowed: boolean } }>(route, review);
      return status.allowed;
    };
    const everywhere = '/apis/authorization.k8s.io/v1/subjectaccessreviews';
    const here = `/apis/authorization.k8s.io/v1/namespaces/${ground().namespace}/localsubjectaccessreviews`;
    expect(await allowed('SubjectAccessReview', everywhere)).toBe(false);
    const rules = [{ apiGroups: [''], resources: ['configmaps'], verbs: ['list'] }];
    const rbac = 'rbac.authorization.k8s.io';
    await ground().create(object('Role', 'lister', { rules }, `${rbac}/v1`));
    const subjects = [{ kind: 'ServiceAccount', name: 'asked', namespace: ground().namespace }];
    const roleRef = { apiGroup: rbac, kind: 'Role', name: 'lister' };
    await ground().create(object('RoleBinding', 'lister', { subjects, roleRef }, `${rbac}/v1`));
    await eventually('it may', () => allowed('SubjectAccessReview', everywhere));
    expect(await allowed('LocalSubjectAccessReview', here)).toBe(true);
  });

  test('Certificates API should support CSR API operations', async () => {
    const csrs = '/apis/certificates.k8s.io/v1/certificatesigningrequests';
    const request = await certificateRequest('e2e-user');
    const csr = (name: string) =>
      object(
        'CertificateSigningRequest',
        name,
        {
          metadata: { name, labels: { e2e: 'csr' } },
          spec: {
            request,
            signerName: 'kubernetes.io/kube-apiserver-client',
            usages: ['client auth'],
            expirationSeconds: 3600,
          },
        },
        'certificates.k8s.io/v1',
      );
    const watch = await ground().api.watchFromNow(`${csrs}?labelSelector=e2e%3Dcsr`);
    try {
      for (const name of ['e2e-csr-1', 'e2e-csr-2']) await ground().api.post(csrs, csr(name));
      const one = `${csrs}/e2e-csr-1`;
      const patched = await ground().api.patch<Certified>(one, { metadata: { annotations: { patched: 'true' } } });
      expect(patched.metadata.annotations).toEqual({ patched: 'true' });
      const approval = { type: 'Approved', status: 'True', reason: 'E2E', message: 'by a test' };
      await ground().api.put(`${one}/approval`, { ...patched, status: { conditions: [approval] } });
      const signed = await eventually(
        'it is signed',
        async () => (await ground().api.get<Certified>(one)).status?.certificate || undefined,
      );
      const certificate = new X509Certificate(Buffer.from(signed, 'base64'));
      expect(certificate.subject).toContain('CN=e2e-user');
      const failed = { type: 'Failed', status: 'True', reason: 'E2E', message: 'by a test' };
      const two = await ground().api.get<Certified>(`${csrs}/e2e-csr-2`);
      const updated = await ground().api.put<Certified>(`${csrs}/e2e-csr-2/status`, {
        ...two,
        status: { conditions: [failed] },
      });
      expect(updated.status?.conditions).toMatchObject([{ type: 'Failed' }]);
      await ground().api.delete(`${csrs}?labelSelector=e2e%3Dcsr`);
      await eventually(
        'both are seen to go',
        async () => watch.events.filter(({ type }) => type === 'DELETED').length === 2,
      );
    } finally {
      watch.stop();
    }
  });
});
