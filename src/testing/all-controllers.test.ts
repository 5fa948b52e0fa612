/** What the controllers of `controllers: 'all'` can do that ask for more than objects. */
import { X509Certificate } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { json } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { Deployment } from '#api/apps/v1/deployment.ts';
import { HorizontalPodAutoscaler } from '#api/autoscaling/v2/horizontal-pod-autoscaler.ts';
import { CertificateSigningRequest } from '#api/certificates/v1/certificate-signing-request.ts';
import { Secret } from '#api/core/v1/secret.ts';
import { encodeBase64Text } from '#api/machinery/base64.ts';
import type { NodeMetrics, PodMetrics } from '#api/metrics/v1beta1/resource-metrics.ts';
import { requestCertificate } from '#cmd/pki/request-certificate.ts';
import { controllersFor } from '#control-plane/controllers/index.ts';
import { deployment, type TestCluster } from './cluster.ts';
import { startCluster } from './kedge-testing.ts';

const ADMIN = { name: 'admin', groups: ['system:masters', 'system:authenticated'] };

async function metricsOf<T>(cluster: TestCluster, path: string): Promise<T[]> {
  const transport = cluster.transportFor(ADMIN);
  const { object } = await transport.request({ method: 'GET', path: `/apis/metrics.k8s.io/v1beta1/${path}` });
  return (object as unknown as { items: T[] }).items;
}

const AUTHENTICATED = 'system:authenticated';
const textOf = (base64 = '') => Buffer.from(base64, 'base64').toString();

/** As whom the server knows who shows this certificate or token; undefined when as nobody. */
async function userAt(url: string, shown: { cert: string; key: string } | { token: string }): Promise<unknown> {
  const path = `${url}/apis/authentication.k8s.io/v1/selfsubjectreviews`;
  const authorization = 'token' in shown && { authorization: `Bearer ${shown.token}` };
  const headers = { 'content-type': 'application/json', ...authorization };
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    // Whom it asks is not what this is about.
    const request = httpsRequest(path, { method: 'POST', headers, ...shown, agent: false, rejectUnauthorized: false });
    request.on('response', resolve).on('error', reject);
    request.end(JSON.stringify({ apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' }));
  });
  const body = (await json(answer)) as { status?: { userInfo?: unknown } };
  return answer.statusCode === 201 ? body.status?.userInfo : undefined;
}

const WEB = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' };
const loaded = (cpu: string) => ({ 'kedge.dev/simulated-cpu': cpu, 'kedge.dev/simulated-memory': '64Mi' });

/** Two replicas that ask for half a core each. */
async function withLoad(cluster: TestCluster, cpu: string) {
  const metadata = { labels: { app: 'web' }, annotations: loaded(cpu) };
  const containers = [{ name: 'main', image: 'example/web:1', resources: { requests: { cpu: '500m' } } }];
  await cluster.create(Deployment, deployment('web', { replicas: 2, template: { metadata, spec: { containers } } }));
  await cluster.clock.advance('1m');
}

test('metrics.k8s.io says what pods on paper use, and nobody waits for it', async () => {
  await using cluster = await startCluster({ simulatedNodes: 2 });
  await withLoad(cluster, '250m');
  const pods = await metricsOf<PodMetrics>(cluster, 'namespaces/default/pods?labelSelector=app%3Dweb');
  const main = { name: 'main', usage: { cpu: '250000000n', memory: '65536Ki' } };
  expect(pods.map(({ window, containers }) => ({ window, containers }))).toEqual(
    Array(2).fill({ window: '15s', containers: [main] }),
  );
  const nodes = await metricsOf<NodeMetrics>(cluster, 'nodes');
  expect(nodes.map(({ metadata, usage }) => [metadata.name, usage.cpu]).sort()).toEqual([
    ['node1', '250000000n'],
    ['node2', '250000000n'],
  ]);
  await cluster.faults.stopNode('node1');
  await cluster.settles();
  expect((await metricsOf<NodeMetrics>(cluster, 'nodes')).map(({ metadata }) => metadata.name)).toEqual(['node2']);
});

test.each([false, true])('an autoscaler follows what pods on paper use (rbac: %s)', async (rbac) => {
  await using cluster = await startCluster({ rbac });
  await withLoad(cluster, '450m');
  const target = { type: 'Utilization' as const, averageUtilization: 50 };
  await cluster.create(HorizontalPodAutoscaler, {
    metadata: { name: 'web', namespace: 'default' },
    spec: {
      scaleTargetRef: WEB,
      maxReplicas: 10,
      metrics: [{ type: 'Resource', resource: { name: 'cpu', target } }],
    },
  });
  await cluster.clock.advance('10s');
  expect(cluster.get(Deployment, 'default/web')?.spec.replicas).toBe(4); // 2 x 90 % / 50 %, rounded up
});

test('one that was stopped before there was anything for it to do does nothing until it is started', async () => {
  await using cluster = await startCluster();
  const name = 'horizontal-pod-autoscaler-controller';
  cluster.stop(name);
  await withLoad(cluster, '450m');
  await cluster.create(HorizontalPodAutoscaler, {
    metadata: { name: 'web', namespace: 'default' },
    spec: { scaleTargetRef: WEB, maxReplicas: 10 },
  });
  await cluster.clock.advance('1m');
  expect(cluster.get(HorizontalPodAutoscaler, 'default/web')?.status?.conditions).toBeUndefined();
  cluster.start(name);
  await cluster.clock.advance('10s');
  expect(cluster.get(Deployment, 'default/web')?.spec.replicas).toBe(3); // 2 x 90 % / 80 %, rounded up
});

test('all are those of a real cluster but for what needs the machine, or nodes of its own', async () => {
  await using cluster = await startCluster();
  const nobody = () => Promise.reject(new Error('nobody asks'));
  const whole = controllersFor({
    ...{ rootCa: 'any', certificateSigner: { sign: () => '' }, secretTokens: { rootCa: 'any', issue: nobody } },
    ...{ hmac: () => new Uint8Array(), autoscaler: {} as never, localPath: {} as never },
  });
  const names = whole.map(({ name }) => name).filter((name) => !cluster.componentNames.includes(name));
  expect(names).toEqual(['local-path-provisioner', 'local-path-eraser', 'bootstrap-signer-controller']);
});

test('an autoscaler that dies knows nothing of its former life', async () => {
  await using cluster = await startCluster();
  await withLoad(cluster, '450m');
  await cluster.create(HorizontalPodAutoscaler, {
    metadata: { name: 'web', namespace: 'default' },
    spec: { scaleTargetRef: WEB, maxReplicas: 10 },
  });
  await cluster.clock.advance('1m');
  const held = () =>
    cluster.get(HorizontalPodAutoscaler, 'default/web')?.status?.conditions?.find(({ type }) => type === 'AbleToScale')
      ?.reason;
  await cluster.patch(HorizontalPodAutoscaler, 'default/web', { spec: { maxReplicas: 2 } });
  await cluster.clock.advance('1m');
  expect(held()).toBe('ScaleDownStabilized');
  cluster.restartController('horizontal-pod-autoscaler-controller');
  await cluster.clock.advance('20s');
  expect(held()).not.toBe('ScaleDownStabilized');
});

test('an approved request for a certificate is signed, dated by the clock of the cluster', async () => {
  await using cluster = await startCluster();
  const { key, request } = requestCertificate({ commonName: 'jane', organizations: ['developers'] });
  const asked = await cluster.create(CertificateSigningRequest, {
    metadata: { name: 'jane' },
    spec: {
      request: encodeBase64Text(request),
      signerName: 'kubernetes.io/kube-apiserver-client',
      usages: ['client auth'],
      expirationSeconds: 3600,
    },
  });
  const approved = { type: 'Approved', status: 'True', reason: 'Test', message: 'by the test' };
  await cluster.client.update(CertificateSigningRequest, { ...asked, status: { conditions: [approved] } }, 'approval');
  await cluster.settles();
  const pem = cluster.get(CertificateSigningRequest, 'jane')?.status?.certificate ?? '';
  const cert = Buffer.from(pem, 'base64').toString();
  expect(Date.parse(new X509Certificate(cert).validTo)).toBe(cluster.clock.now() + 3_600_000);

  const url = await cluster.url();
  expect(await userAt(url, { cert, key })).toMatchObject({ username: 'jane', groups: ['developers', AUTHENTICATED] });
  await cluster.clock.advance('61m');
  expect(await userAt(url, { cert, key })).toBeUndefined();
});

test('a Secret for a token gets one, which lets its ServiceAccount in as long as the Secret holds it', async () => {
  await using cluster = await startCluster();
  await cluster.create(Secret, {
    metadata: {
      name: 'token',
      namespace: 'default',
      annotations: { 'kubernetes.io/service-account.name': 'default' },
    },
    type: 'kubernetes.io/service-account-token',
  });
  await cluster.settles();
  const { data = {} } = cluster.get(Secret, 'default/token')!;
  expect(textOf(data['namespace'])).toBe('default');
  const url = await cluster.url();
  const token = textOf(data['token']);
  expect(await userAt(url, { token })).toMatchObject({ username: 'system:serviceaccount:default:default' });
  await cluster.delete(Secret, 'default/token');
  expect(await userAt(url, { token })).toBeUndefined();
});
