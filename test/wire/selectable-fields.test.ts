/**
 * Every field that lists and watches may be selected by, with what the objects of one namespace answer. Source: "Field selectors",
 * list of supported fields; kube-apiserver v1.36.
 */
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { requestCertificate } from '#cmd/pki/request-certificate.ts';
import { type HttpsApiServer, startHttpsApiServer } from '../integration/https-api-server.ts';
import { RawClient, statusOf } from '../integration/raw-client.ts';

let server: HttpsApiServer;
let client: RawClient;

beforeAll(async () => {
  server = await startHttpsApiServer();
  client = new RawClient(server);
  const metadata = { name: 'rocks.example.com' };
  const text = { type: 'string' };
  const spec = { type: 'object', properties: { colour: text, size: { type: 'integer' }, hard: { type: 'boolean' } } };
  const schema = { openAPIV3Schema: { type: 'object', properties: { spec } } };
  const selectableFields = ['colour', 'size', 'hard'].map((name) => ({ jsonPath: `.spec.${name}` }));
  await make('/apis/apiextensions.k8s.io/v1/customresourcedefinitions', {
    metadata,
    spec: {
      group: 'example.com',
      scope: 'Namespaced',
      names: { plural: 'rocks', kind: 'Rock' },
      versions: [{ name: 'v1', served: true, storage: true, schema, selectableFields }],
    },
  });
  await vi.waitFor(async () => expect((await client.ask(ROCKS)).code).toBe(200), 30_000);
  await make(inDefault('api/v1', 'serviceaccounts'), { metadata: { name: 'robot' } });
  for (const [path, ...objects] of OBJECTS) for (const object of objects) await make(path, object);
});

afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
});

interface Given {
  metadata: { name: string; namespace?: string };
  status?: object;
  [field: string]: unknown;
}

/** With the status that it comes with, which a create alone does not set. */
async function make(path: string, object: Given): Promise<void> {
  const body = JSON.stringify(object);
  const made = await client.ask(path, { method: 'POST', body });
  expect(made.code, made.text).toBe(201);
  if (!object.status) return;
  const headers = { 'content-type': 'application/merge-patch+json' };
  const patch = JSON.stringify({ status: object.status });
  const told = await client.ask(`${path}/${object.metadata.name}/status`, { method: 'PATCH', headers, body: patch });
  expect(told.code, told.text).toBe(200);
}

const inDefault = (group: string, resource: string) => `/${group}/namespaces/default/${resource}`;
const PODS = inDefault('api/v1', 'pods');
const EVENTS = inDefault('api/v1', 'events');
const NEW_EVENTS = inDefault('apis/events.k8s.io/v1', 'events');
const SECRETS = inDefault('api/v1', 'secrets');
const SERVICES = inDefault('api/v1', 'services');
const CONTROLLERS = inDefault('api/v1', 'replicationcontrollers');
const REPLICA_SETS = inDefault('apis/apps/v1', 'replicasets');
const JOBS = inDefault('apis/batch/v1', 'jobs');
const ROCKS = inDefault('apis/example.com/v1', 'rocks');
const NAMESPACES = '/api/v1/namespaces';
const NODES = '/api/v1/nodes';
const REQUESTS = '/apis/certificates.k8s.io/v1/certificatesigningrequests';
const SLICES = '/apis/resource.k8s.io/v1/resourceslices';

const containers = [{ name: 'c', image: 'a:1' }];
const template = { metadata: { labels: { app: 'a' } }, spec: { containers } };
const ours = {
  kind: 'Pod',
  namespace: 'default',
  name: 'one',
  uid: 'u1',
  apiVersion: 'v1',
  resourceVersion: '7',
  fieldPath: 'spec.containers{c}',
};

const csr = (name: string, signerName: string): Given => {
  const request = Buffer.from(requestCertificate({ commonName: name }).request).toString('base64');
  return { metadata: { name }, spec: { request, signerName, usages: ['client auth'] } };
};

/** Of each kind one that the selections below mean, `one`, and `other`. */
const OBJECTS: readonly (readonly [path: string, ...objects: Given[]])[] = [
  [
    PODS,
    {
      metadata: { name: 'one' },
      spec: {
        containers,
        nodeName: 'n1',
        restartPolicy: 'Never',
        schedulerName: 'mine',
        serviceAccountName: 'robot',
        hostNetwork: true,
      },
      status: { phase: 'Failed', podIP: '10.0.0.1', podIPs: [{ ip: '10.0.0.1' }] },
    },
    { metadata: { name: 'other' }, spec: { containers } },
    { metadata: { name: 'nominated' }, spec: { containers }, status: { nominatedNodeName: 'n2' } },
  ],
  [
    EVENTS,
    {
      metadata: { name: 'one' },
      involvedObject: ours,
      reason: 'Because',
      type: 'Warning',
      source: { component: 'kubelet' },
      reportingComponent: 'kubelet',
    },
    { metadata: { name: 'other' }, involvedObject: { namespace: 'default' }, type: 'Normal' },
  ],
  [
    SECRETS,
    { metadata: { name: 'one' }, type: 'kubernetes.io/basic-auth', stringData: { username: 'u', password: 'p' } },
    { metadata: { name: 'other' } },
  ],
  [
    SERVICES,
    { metadata: { name: 'one' }, spec: { type: 'ExternalName', externalName: 'a.example.com' } },
    { metadata: { name: 'other' }, spec: { clusterIP: 'None', selector: { app: 'a' }, ports: [{ port: 80 }] } },
  ],
  [
    CONTROLLERS,
    { metadata: { name: 'one' }, spec: { selector: { app: 'a' }, template }, status: { replicas: 3 } },
    { metadata: { name: 'other' }, spec: { selector: { app: 'a' }, template } },
  ],
  [
    REPLICA_SETS,
    { metadata: { name: 'one' }, spec: { selector: { matchLabels: { app: 'a' } }, template }, status: { replicas: 3 } },
    { metadata: { name: 'other' }, spec: { selector: { matchLabels: { app: 'a' } }, template } },
  ],
  [
    JOBS,
    {
      metadata: { name: 'one' },
      spec: { completions: 3, template: { spec: { containers, restartPolicy: 'Never' } } },
      status: { startTime: '2026-01-01T00:00:00Z', succeeded: 2 },
    },
    { metadata: { name: 'other' }, spec: { template: { spec: { containers, restartPolicy: 'Never' } } } },
  ],
  [REQUESTS, csr('one', 'example.com/ours'), csr('other', 'example.com/others')],
  [NODES, { metadata: { name: 'one' }, spec: { unschedulable: true } }, { metadata: { name: 'other' } }],
  [NAMESPACES, { metadata: { name: 'one' } }],
  [
    SLICES,
    {
      metadata: { name: 'one' },
      spec: { driver: 'a.example.com', nodeName: 'n1', pool: { name: 'p', resourceSliceCount: 1, generation: 1 } },
    },
    {
      metadata: { name: 'other' },
      spec: { driver: 'b.example.com', allNodes: true, pool: { name: 'p', resourceSliceCount: 1, generation: 1 } },
    },
  ],
  [
    ROCKS,
    { metadata: { name: 'one' }, spec: { colour: 'red', size: 3, hard: true } },
    { metadata: { name: 'other' }, spec: { colour: 'blue', size: 4, hard: false } },
  ],
];

const SELECTIONS: readonly (readonly [path: string, ...selectors: string[]])[] = [
  [
    PODS,
    'metadata.name=one',
    'metadata.namespace=default,metadata.name=one',
    'spec.nodeName=n1',
    'spec.host=n1',
    'spec.restartPolicy=Never',
    'spec.schedulerName=mine',
    'spec.serviceAccountName=robot',
    'spec.hostNetwork=true',
    'status.phase=Failed',
    'status.podIP=10.0.0.1',
    'status.podIPs=10.0.0.1',
    'status.nominatedNodeName=n2',
    'status.phase!=Pending,spec.restartPolicy!=Always',
  ],
  [
    EVENTS,
    'metadata.name=one',
    'involvedObject.kind=Pod',
    'involvedObject.namespace=default,involvedObject.name=one',
    'involvedObject.name=one',
    'involvedObject.uid=u1',
    'involvedObject.apiVersion=v1',
    'involvedObject.resourceVersion=7',
    'involvedObject.fieldPath=spec.containers{c}',
    'reason=Because',
    'reportingComponent=kubelet',
    'source=kubelet',
    'type=Warning',
  ],
  [
    NEW_EVENTS,
    'metadata.name=one',
    'regarding.kind=Pod',
    'regarding.namespace=default,regarding.name=one',
    'regarding.uid=u1',
    'regarding.apiVersion=v1',
    'regarding.resourceVersion=7',
    'regarding.fieldPath=spec.containers{c}',
    'reason=Because',
    'reportingController=kubelet',
    'type=Warning',
  ],
  [SECRETS, 'type=kubernetes.io/basic-auth'],
  [SERVICES, 'spec.type=ExternalName', 'spec.clusterIP!=None'],
  [CONTROLLERS, 'status.replicas=3'],
  [REPLICA_SETS, 'status.replicas=3'],
  [JOBS, 'status.successful=2'],
  [REQUESTS, 'spec.signerName=example.com/ours'],
  [NODES, 'spec.unschedulable=true', 'metadata.name=one'],
  [NAMESPACES, 'status.phase=Active,metadata.name=one', 'metadata.name=one'],
  [SLICES, 'spec.nodeName=n1', 'spec.driver=a.example.com'],
  [ROCKS, 'spec.colour=red', 'spec.size=3', 'spec.hard=true', 'metadata.namespace=default,spec.colour!=blue'],
];

const ALL = SELECTIONS.flatMap(([path, ...selectors]) =>
  selectors.map((selector) => ({
    path,
    selector,
    query: `fieldSelector=${encodeURIComponent(selector)}`,
    expected: selector.includes('nominated') ? 'nominated' : 'one',
  })),
);

test.each(ALL)('$path are listed by $selector', async ({ path, query, expected }) => {
  const answer = await client.ask(`${path}?${query}`);
  expect(answer.code, answer.text).toBe(200);
  const { items } = JSON.parse(answer.text) as { items: Given[] };
  expect(items.map(({ metadata }) => metadata.name)).toEqual([expected]);
});

test('they are watched by each of them as well', async () => {
  // All at once, as each of them lasts three seconds.
  const watched = ALL.map(async ({ path, selector, query }) => {
    const { text } = await client.ask(`${path}?${query}&watch=1&timeoutSeconds=3`);
    const events = text
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as { type: string; object: Given });
    return { path, selector, shown: events.map(({ type, object }) => `${type} ${object.metadata?.name}`) };
  });
  expect(await Promise.all(watched)).toEqual(
    ALL.map(({ path, selector, expected }) => ({ path, selector, shown: [`ADDED ${expected}`] })),
  );
});

test.each([
  [PODS, 'spec.image'],
  [NODES, 'spec.podCIDR'],
  [NAMESPACES, 'name'],
  [SECRETS, 'data'],
  [SERVICES, 'spec.ports'],
  [REQUESTS, 'spec.username'],
  [EVENTS, 'message'],
  [ROCKS, 'spec.weight'],
])('%s cannot be selected by %s', async (path, field) => {
  const answer = await client.ask(`${path}?fieldSelector=${field}%3Dx`);
  expect([answer.code, statusOf(answer).message]).toEqual([400, `field label not supported: ${field}`]);
});

test.each([
  ['/apis/batch/v1/jobs', 'field label "spec.x" not supported for Job'],
  [
    '/apis/resource.k8s.io/v1/resourceslices',
    'field label not supported for resource.k8s.io/v1, Kind=ResourceSlice: spec.x',
  ],
  ['/api/v1/configmaps', '"spec.x" is not a known field selector: only "metadata.name", "metadata.namespace"'],
])('%s says it in its own words', async (path, message) => {
  const answer = await client.ask(`${path}?fieldSelector=spec.x%3Dx`);
  expect([answer.code, statusOf(answer).message]).toEqual([400, message]);
});
