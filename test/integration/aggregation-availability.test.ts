/** When the group of another API server can be had, and when not: what its APIService says, and what clients meet then. */
import { dirname } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { APIService } from '#api/apiregistration/v1/api-service.ts';
import { EndpointSlice } from '#api/discovery/v1/endpoint-slice.ts';
import { type AggregatedGroup, FLUNDERS, NAME, ROOT, startAggregatedGroup } from './aggregated-group.ts';
import { eventually, OWN_ADDRESS } from './extension-server.ts';
import type { HttpsApiServer } from './https-api-server.ts';
import { apiService, GROUP, VERSION, type WardleServer } from './wardle-server.ts';

let group: AggregatedGroup;
let server: HttpsApiServer;
let wardle: WardleServer;

const client = () => server.api.loopback.client;
const ask: AggregatedGroup['ask'] = (path, request) => group.ask(path, request);
const apply: AggregatedGroup['apply'] = (object) => group.apply(object);
const upgrade: AggregatedGroup['upgrade'] = (path) => group.upgrade(path);
const available: AggregatedGroup['available'] = () => group.available();
const isAvailable: AggregatedGroup['isAvailable'] = (reason) => group.isAvailable(reason);

beforeAll(async () => {
  group = await startAggregatedGroup();
  ({ server, wardle } = group);
});

afterAll(async () => {
  await group?.[Symbol.asyncDispose]();
});

test('the conditions and the Service of an APIService are shown', async () => {
  expect(await available()).toMatchObject({ status: 'True', message: 'all checks passed' });
  const { stdout } = await server.kubectl(['get', 'apiservice', NAME]);
  expect(stdout).toMatch(/NAME +SERVICE +AVAILABLE +AGE\nv1alpha1.wardle.example.com +wardle\/api +True/);
});

test('this server registers its own groups, and those of definitions as they come and go', async () => {
  const managed = 'kube-aggregator.kubernetes.io/automanaged';
  await eventually(async () => {
    const { items } = await client().list(APIService);
    const of = (name: string) => items.find(({ metadata }) => metadata.name === name);
    expect(of('v1.')).toMatchObject({
      metadata: { labels: { [managed]: 'onstart' } },
      spec: { version: 'v1', groupPriorityMinimum: 18000, versionPriority: 1 },
      status: {
        conditions: [
          { type: 'Available', status: 'True', reason: 'Local', message: 'Local APIServices are always available' },
        ],
      },
    });
    expect(of('v2.autoscaling')?.spec).toMatchObject({ groupPriorityMinimum: 17500, versionPriority: 30 });
    expect(of('v1.apiregistration.k8s.io')).toBeUndefined();
  });
  const names = { plural: 'things', kind: 'Thing' };
  const schema = { openAPIV3Schema: { type: 'object' } };
  await apply({
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'things.custom.example.com' },
    spec: {
      group: 'custom.example.com',
      scope: 'Cluster',
      names,
      versions: [{ name: 'v1', served: true, storage: true, schema }],
    },
  });
  const custom = { name: 'v1.custom.example.com' };
  await eventually(async () =>
    expect(await client().get(APIService, custom)).toMatchObject({
      metadata: { labels: { [managed]: 'true' } },
      spec: { groupPriorityMinimum: 1000, versionPriority: 100 },
    }),
  );
  await client().delete(APIService, custom); // it is needed: it comes back
  await eventually(() => client().get(APIService, custom));
  await server.kubectl(['delete', 'crd', 'things.custom.example.com']);
  await eventually(() => expect(client().get(APIService, custom)).rejects.toMatchObject({ reason: 'NotFound' }));
});

test('a server whose certificate the caBundle did not sign is not available, unless nobody shall look', async () => {
  const other = Buffer.from(server.pki.frontProxyCaCertificate).toString('base64');
  await apply(apiService({ caBundle: other }));
  await isAvailable('FailedDiscoveryCheck');
  const url = `https://${OWN_ADDRESS}:${wardle.port}${ROOT}`;
  expect((await available())?.message).toBe(
    `failing or missing response from ${url}: Get "${url}": tls: failed to verify certificate: x509: certificate signed by unknown authority`,
  );
  await eventually(async () => {
    const { code, text, headers } = await ask(FLUNDERS);
    expect([code, text]).toEqual([503, 'service unavailable\n']);
    expect(headers['content-type']).toBe('text/plain; charset=utf-8');
  });
  await eventually(async () =>
    expect((await server.kubectl(['get', '--raw', '/metrics'])).stdout.split('\n')).toContain(
      `aggregator_unavailable_apiservice_total{name="${NAME}",reason="FailedDiscoveryCheck"} 1`,
    ),
  );
  await server.kubectl(['replace', '-f', '-'], JSON.stringify(await replaced({ insecureSkipTLSVerify: true })));
  await eventually(async () => expect((await ask(FLUNDERS)).code).toBe(200));
  await server.kubectl(['replace', '-f', '-'], JSON.stringify(await replaced({ caBundle: wardle.caBundle })));
  await eventually(async () => expect((await ask(FLUNDERS)).code).toBe(200));
});

async function replaced(more: object): Promise<object> {
  const { metadata } = await client().get(APIService, { name: NAME });
  const { resourceVersion } = metadata;
  return { ...apiService(more), metadata: { name: NAME, resourceVersion } };
}

test('an API whose Service leads nowhere says why, and everything else goes on', async () => {
  await server.kubectl(['get', 'flunders']); // so that this client knows of them
  const slice = await client().get(EndpointSlice, { namespace: 'wardle', name: 'api' });
  await client().delete(EndpointSlice, slice.metadata as { name: string });
  await isAvailable('EndpointsNotFound');
  expect((await available())?.message).toBe('cannot find endpointslices for service/api in "wardle"');
  await eventually(async () => {
    const { code, text } = await ask(FLUNDERS);
    expect([code, text]).toEqual([503, 'service unavailable\n']);
  });
  expect((await upgrade(`${FLUNDERS}/x/exec`)).head).toMatch(/^HTTP\/1.1 503 [\s\S]*\r\n\r\nservice unavailable\n$/);
  await eventually(async () => {
    const metrics = (await server.kubectl(['get', '--raw', '/metrics'])).stdout.split('\n');
    expect(metrics).toContain(`aggregator_unavailable_apiservice{name="${NAME}"} 1`);
    expect(metrics).toContain('aggregator_unavailable_apiservice{name="v1.apps"} 0');
  });
  await expect(server.kubectl(['get', 'flunders'])).rejects.toThrow(
    'Error from server (ServiceUnavailable): the server is currently unable to handle the request',
  );
  // A client that knew nothing of it before does not hear of its resources, and of everything else as ever.
  let clients = 0;
  const unknowing = () => ['--cache-dir', `${dirname(server.kubeconfig)}/unknowing-${clients++}`];
  await eventually(() =>
    expect(server.kubectl(['get', 'flunders', ...unknowing()])).rejects.toThrow(
      'the server doesn\'t have a resource type "flunders"',
    ),
  );
  const aggregated = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';
  const { items } = JSON.parse((await ask('/apis', { headers: { accept: aggregated } })).text) as {
    items: { metadata: { name: string }; versions: object[] }[];
  };
  expect(items.find(({ metadata }) => metadata.name === GROUP)?.versions).toEqual([
    { version: VERSION, freshness: 'Stale' },
  ]);
  expect((await ask('/apis')).text).toContain(GROUP);
  expect((await ask(ROOT)).code).toBe(503);
  const resources = await server.kubectl(['api-resources', '-o', 'name', ...unknowing()]);
  expect(resources.stdout.split('\n')).toContain('deployments.apps');
  expect(resources.stdout).not.toContain('flunders');
  const { stdout, stderr } = await server.kubectl(['get', 'namespaces', '-o', 'name']);
  expect(stdout).toContain('namespace/default');
  expect(stderr).toBe('');

  await createSlice([{ addresses: [OWN_ADDRESS], conditions: { ready: false } }]);
  await isAvailable('MissingEndpoints');
  expect((await available())?.message).toBe(
    'endpointslices for service/api in "wardle" have no addresses with port name ""',
  );
  await client().delete(EndpointSlice, { namespace: 'wardle', name: 'api' });
  await createSlice([{ addresses: [OWN_ADDRESS], conditions: { ready: true } }], 1);
  await isAvailable('FailedDiscoveryCheck');
  const url = `https://${OWN_ADDRESS}:1${ROOT}`;
  expect((await available())?.message).toBe(
    `failing or missing response from ${url}: Get "${url}": dial tcp ${OWN_ADDRESS}:1: connect: connection refused`,
  );
  await client().delete(EndpointSlice, { namespace: 'wardle', name: 'api' });
  await createSlice([{ addresses: [OWN_ADDRESS], conditions: { ready: true } }]);
  await isAvailable('Passed');
  await eventually(async () => expect((await ask(FLUNDERS)).code).toBe(200));
});

const createSlice = (endpoints: object[], port = wardle.port) =>
  client().create(EndpointSlice, {
    metadata: { namespace: 'wardle', name: 'api', labels: { 'kubernetes.io/service-name': 'api' } },
    addressType: 'IPv4',
    endpoints,
    ports: [{ name: '', port, protocol: 'TCP' }],
  } as never);

test('a server that answers its discovery with an error is not available', async () => {
  wardle.answer = (request, response) => {
    if (request.url !== ROOT) return false;
    response.writeHead(500).end();
    return true;
  };
  const { metadata } = await client().get(EndpointSlice, { namespace: 'wardle', name: 'api' });
  await server.kubectl(['annotate', 'endpointslice', '-n', 'wardle', metadata.name, `look=${Date.now()}`]);
  await isAvailable('FailedDiscoveryCheck');
  const url = `https://${OWN_ADDRESS}:${wardle.port}${ROOT}`;
  expect((await available())?.message).toBe(`failing or missing response from ${url}: bad status from ${url}: 500`);
  wardle.answer = undefined;
  await isAvailable('Passed');
  await eventually(async () => expect((await ask(FLUNDERS)).code).toBe(200));
});
