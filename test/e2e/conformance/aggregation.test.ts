/** An API server in a pod, reached through the one of the cluster. */
import { describe, expect, test } from 'vitest';
import type { APIService } from '#api/apiregistration/v1/api-service.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { eventually } from '../running-cluster.ts';
import { object, playground } from './playground.ts';
import { HOOK, serveOverTls } from './tls-server.ts';

const API_SERVICE = '/apis/apiregistration.k8s.io/v1/apiservices/v1alpha1.wardle.example.com';

describe('aggregation', () => {
  let caBundle: string;
  const ground = playground('aggregation', async (it) => {
    const { data } = await it.api.get<KubeObject & { data: Record<string, string> }>(
      '/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication',
    );
    const frontProxyCa = data['requestheader-client-ca-file'] ?? '';
    caBundle = await serveOverTls(it, {
      program: '/sample-apiserver.mjs',
      path: '/healthz',
      files: { 'front-proxy-ca.crt': frontProxyCa },
    });
    return () => it.api.try('DELETE', API_SERVICE);
  });

  test('Aggregator Should be able to support the 1.17 Sample API Server using the current Aggregator', async () => {
    const { api, namespace, cluster } = ground();
    const spec = {
      service: { namespace, name: HOOK, port: 443 },
      group: 'wardle.example.com',
      version: 'v1alpha1',
      caBundle,
      groupPriorityMinimum: 2000,
      versionPriority: 200,
    };
    const service = object('APIService', 'v1alpha1.wardle.example.com', { spec }, 'apiregistration.k8s.io/v1');
    await api.post(API_SERVICE.slice(0, API_SERVICE.lastIndexOf('/')), service);
    await eventually('it is available', async () => {
      const { status } = await api.get<APIService>(API_SERVICE);
      return status?.conditions?.some(
        ({ type, status: is, reason }) => type === 'Available' && is === 'True' && reason === 'Passed',
      );
    });

    const flunders = `/apis/wardle.example.com/v1alpha1/namespaces/${namespace}/flunders`;
    const flunder = { apiVersion: 'wardle.example.com/v1alpha1', kind: 'Flunder', metadata: { name: 'first' } };
    // Whoever routes to it has learnt of it when it is answered for.
    await eventually('its objects are served', async () => (await api.try('GET', flunders)).code === 200);
    const made = await api.post<KubeObject>(flunders, flunder);
    expect(made.metadata.annotations).toEqual({ 'made-by': 'kubernetes-admin' });
    expect((await api.get<{ items: KubeObject[] }>(flunders)).items).toHaveLength(1);
    await eventually('kubectl knows the kind', async () => {
      const { code, stdout } = await cluster.tryKubectl(['-n', namespace, 'get', 'flunders', '-o', 'name']);
      return code === 0 && stdout.trim() === 'flunder.wardle.example.com/first';
    });
    const input = JSON.stringify({ ...flunder, metadata: { name: 'second' } });
    const created = await cluster.tryKubectl(['-n', namespace, 'create', '--validate=false', '-f', '-'], { input });
    expect(created.stdout).toContain('flunder.wardle.example.com/second created');
    await api.delete(`${flunders}/first`);
    expect((await api.try('GET', `${flunders}/first`)).code).toBe(404);

    const read = await api.get<APIService>(`${API_SERVICE}/status`);
    expect(read.status?.conditions?.[0]?.type).toBe('Available');
    const patched = await api.patch<APIService>(API_SERVICE, { metadata: { labels: { e2e: 'patched' } } });
    expect(patched.metadata.labels).toMatchObject({ e2e: 'patched' });
    await api.delete('/apis/apiregistration.k8s.io/v1/apiservices?labelSelector=e2e%3Dpatched');
    await ground().gone(API_SERVICE);
    await ground().gone(flunders);
  });
});
