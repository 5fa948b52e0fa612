/** What the API server hands on to pods and services, and the addresses that it knows of them. */
import { describe, expect, test } from 'vitest';
import type { Endpoints } from '#api/core/v1/endpoints.ts';
import type { EndpointSlice } from '#api/discovery/v1/endpoint-slice.ts';
import { eventually } from '../running-cluster.ts';
import { SERVER } from './image.ts';
import { container, object, playground, pod, shell } from './playground.ts';

const METHODS = ['DELETE', 'OPTIONS', 'PATCH', 'POST', 'PUT', 'GET'];

describe('proxies and endpoints', () => {
  const ground = playground('proxies', async (it) => {
    const labels = { app: 'agnhost' };
    const ports = [{ name: 'http', containerPort: 8080 }];
    const readinessProbe = { httpGet: { path: '/healthz', port: 8080 }, periodSeconds: 1 };
    await it.create(
      pod('agnhost', {
        labels,
        spec: { restartPolicy: 'Always', containers: [container({ command: SERVER, ports, readinessProbe })] },
      }),
      object('Service', 'e2e-proxy', {
        spec: { selector: labels, ports: [{ name: 'portname', port: 80, targetPort: 'http' }] },
      }),
    );
    await it.ready('agnhost');
    const path = `${it.path('Service', 'v1', 'e2e-proxy')}/proxy/healthz`;
    await eventually('the Service has its endpoint', async () => (await it.api.try('GET', path)).code === 200);
    return undefined;
  });
  const seen = async () =>
    (await ground().api.text('GET', `${ground().path('Pod', 'v1', 'agnhost')}/proxy/seen`)).split('\n');

  const answersAll = async (path: string) => {
    for (const method of METHODS) {
      const { code, text } = await ground().api.ask({ method, path: `${path}?method=${method}`, headers: {} });
      expect([method, code, text]).toEqual([method, 200, 'agnhost']);
    }
    // HEAD has no body.
    expect((await ground().api.ask({ method: 'HEAD', path: `${path}?method=HEAD`, headers: {} })).code).toBe(200);
    const heard = await seen();
    for (const method of [...METHODS, 'HEAD'])
      expect(heard.some((line) => line.startsWith(`${method} `) && line.endsWith(`method=${method}`))).toBe(true);
  };

  test('Proxy version v1 A set of valid responses are returned for both pod and service Proxy', async () => {
    await answersAll(`${ground().path('Pod', 'v1', 'agnhost')}/proxy`);
    await answersAll(`${ground().path('Service', 'v1', 'e2e-proxy')}/proxy`);
  });

  test('Proxy version v1 A set of valid responses are returned for both pod and service ProxyWithPath', async () => {
    await answersAll(`${ground().path('Pod', 'v1', 'agnhost')}/proxy/some/path/with`);
    await answersAll(`${ground().path('Service', 'v1', 'e2e-proxy')}/proxy/some/path/with`);
  });

  test('Proxy version v1 should proxy through a service and a pod', async () => {
    const { podIP } = (await ground().pod('agnhost')).status ?? {};
    expect(podIP).toBeDefined();
    for (const [kind, names] of [
      ['Service', ['e2e-proxy', 'e2e-proxy:portname', 'http:e2e-proxy:portname', 'e2e-proxy:80']],
      ['Pod', ['agnhost', 'agnhost:8080', 'http:agnhost:8080']],
    ] as const) {
      for (const name of names)
        expect(await ground().api.text('GET', `${ground().path(kind, 'v1', name)}/proxy/`)).toBe('agnhost');
    }
  });

  test('EndpointsController should create and delete Endpoints for a Service with a selector that matches no pods', async () => {
    await ground().create(
      object('Service', 'nobody', { spec: { selector: { app: 'nobody' }, ports: [{ port: 80 }] } }),
    );
    const path = ground().path('Endpoints', 'v1', 'nobody');
    const { subsets } = await eventually('there are Endpoints', async () => {
      const { code, text } = await ground().api.try('GET', path);
      return code === 200 && (JSON.parse(text) as Endpoints);
    });
    expect(subsets ?? []).toEqual([]);
    await ground().api.delete(ground().path('Service', 'v1', 'nobody'));
    await ground().gone(path);
  });

  test('EndpointsController should create Endpoints for Pods matching a Service', async () => {
    const labels = { app: 'matched' };
    await ground().create(
      object('Service', 'matched', { spec: { selector: labels, ports: [{ port: 80, targetPort: 8080 }] } }),
      pod('matched-1', { labels, spec: { containers: [shell('sleep 3600')] } }),
      pod('matched-2', { labels, spec: { containers: [shell('sleep 3600')] } }),
    );
    const pods = await Promise.all(['matched-1', 'matched-2'].map((name) => ground().ready(name)));
    await eventually('both are listed', async () => {
      const { subsets } = await ground().api.get<Endpoints>(ground().path('Endpoints', 'v1', 'matched'));
      const listed = subsets?.[0]?.addresses?.map(({ ip, targetRef }) => `${ip} ${targetRef?.name}`).sort();
      return `${listed}` === `${pods.map(({ metadata, status }) => `${status?.podIP} ${metadata.name}`).sort()}`;
    });
  });

  test('EndpointSliceMirroring should mirror a custom Endpoints resource through create update and delete', async () => {
    await ground().create(object('Service', 'mirrored', { spec: { ports: [{ name: 'example', port: 80 }] } }));
    const custom = (...ips: string[]) =>
      object('Endpoints', 'mirrored', {
        subsets: [{ addresses: ips.map((ip) => ({ ip })), ports: [{ name: 'example', port: 80, protocol: 'TCP' }] }],
      });
    await ground().create(custom('10.1.2.3'));
    const slices = async () =>
      (
        await ground().api.get<{ items: EndpointSlice[] }>(
          `${ground().path('EndpointSlice', 'discovery.k8s.io/v1')}?labelSelector=kubernetes.io%2Fservice-name%3Dmirrored`,
        )
      ).items;
    const addresses = async () =>
      (await slices()).flatMap(({ endpoints }) => (endpoints ?? []).flatMap((each) => each.addresses)).sort();
    await eventually('it is mirrored', async () => `${await addresses()}` === '10.1.2.3');
    const [slice] = await slices();
    expect(slice?.metadata.labels?.['endpointslice.kubernetes.io/managed-by']).toBe(
      'endpointslicemirroring-controller.k8s.io',
    );
    expect(slice?.ports).toMatchObject([{ name: 'example', port: 80, protocol: 'TCP' }]);
    const path = ground().path('Endpoints', 'v1', 'mirrored');
    await ground().api.patch(path, {
      subsets: [{ addresses: [{ ip: '10.2.3.4' }], ports: [{ name: 'example', port: 81, protocol: 'TCP' }] }],
    });
    await eventually(
      'the change is mirrored',
      async () => `${await addresses()}` === '10.2.3.4' && (await slices())[0]?.ports?.[0]?.port === 81,
    );
    await ground().api.delete(path);
    await eventually('the mirror is gone', async () => (await slices()).length === 0);
  });
});
