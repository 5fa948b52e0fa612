/**
 * Autoscalers whose metrics other API servers have: custom.metrics.k8s.io and external.metrics.k8s.io behind APIServices,
 * asked under RBAC as the controller's own user.
 */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { APIService } from '#api/apiregistration/v1/api-service.ts';
import { Deployment } from '#api/apps/v1/deployment.ts';
import { HorizontalPodAutoscaler } from '#api/autoscaling/v2/horizontal-pod-autoscaler.ts';
import { Event } from '#api/core/v1/event.ts';
import { Pod } from '#api/core/v1/pod.ts';
import type { HorizontalPodAutoscalerSpec, MetricSpec, Submitted } from '#api/generated/schema.ts';
import { ClusterRoleBinding } from '#api/rbac/v1/cluster-role-binding.ts';
import { silentLog } from '#base/log.ts';
import { seededRandom } from '#base/random.ts';
import { InProcessTransport } from '#client/transport/in-process.ts';
import type { UserInfo } from '#client/transport.ts';
import { systemClock } from '#cmd/system-clock.ts';
import { horizontalPodAutoscalerController } from '#control-plane/controllers/horizontal-pod-autoscaler/horizontal-pod-autoscaler.ts';
import { metricsOver } from '#control-plane/controllers/horizontal-pod-autoscaler/metrics-source.ts';
import { scalesOver } from '#control-plane/controllers/horizontal-pod-autoscaler/scales.ts';
import { type RunningControllers, startControllers } from '#control-plane/controllers/start-controllers.ts';
import {
  type Answer,
  createServiceFor,
  type ExtensionServer,
  eventually,
  startExtensionServer,
} from './extension-server.ts';
import { type HttpsApiServer, startHttpsApiServer } from './https-api-server.ts';

const USER = 'system:serviceaccount:kube-system:horizontal-pod-autoscaler';
const GROUPS = { 'custom.metrics.k8s.io': 'v1beta2', 'external.metrics.k8s.io': 'v1beta1' };
const PODS = ['web-0', 'web-1'];

let server: HttpsApiServer;
let metrics: ExtensionServer;
let controllers: RunningControllers | undefined;
/** What was asked for, and by whom. */
let asked: { url: string; user: string | undefined }[] = [];
/** By the last part of the path; others are not known. */
let values: Record<string, { describedObject?: { name: string }; value: string }[]> = {};
const client = () => server.api.loopback.client;

const answer: Answer = (request, response) => {
  const { pathname } = new URL(request.url ?? '', 'https://metrics');
  const [, apis, group = '', version = '', ...rest] = pathname.split('/');
  const say = (code: number, body: object) =>
    response.writeHead(code, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  const groupVersion = `${group}/${version}`;
  if (apis !== 'apis' || !Object.hasOwn(GROUPS, group)) return say(404, {});
  if (rest.length === 0) return say(200, { kind: 'APIResourceList', apiVersion: 'v1', groupVersion, resources: [] });
  asked.push({ url: request.url ?? '', user: request.headers['x-remote-user']?.toString() });
  const metric = rest.at(-1) ?? '';
  const timestamp = new Date().toISOString();
  const items = values[metric]?.map((item) => ({ timestamp, ...item }));
  if (items) return say(200, { kind: 'List', apiVersion: groupVersion, metadata: {}, items });
  const message = `the server could not find the metric ${metric} for pods`;
  return say(404, { kind: 'Status', apiVersion: 'v1', status: 'Failure', reason: 'NotFound', code: 404, message });
};

beforeAll(async () => {
  server = await startHttpsApiServer();
  metrics = await startExtensionServer(server, answer, { names: ['metrics.monitoring.svc'] });
  await createServiceFor(server, { namespace: 'monitoring', name: 'metrics', port: metrics.port });
  for (const [group, version] of Object.entries(GROUPS)) {
    const priorities = { groupPriorityMinimum: 100, versionPriority: 100 };
    const service = { namespace: 'monitoring', name: 'metrics' };
    const spec = { group, version, service, caBundle: metrics.caBundle, ...priorities };
    await client().create(APIService, { metadata: { name: `${version}.${group}` }, spec } as never);
  }
  await eventually(async () => {
    for (const [group, version] of Object.entries(GROUPS)) {
      const { status } = await client().get(APIService, { name: `${version}.${group}` });
      expect(status?.conditions?.[0]?.status).toBe('True');
    }
  });
  for (const name of PODS) await createReadyPod(name);
});

beforeEach(async () => {
  asked = [];
  values = {};
  const labels = { app: 'web' };
  const template = { metadata: { labels }, spec: { containers: [{ name: 'main', image: 'web:1' }] } };
  const draft = {
    metadata: { name: 'web', namespace: 'default' },
    spec: { replicas: 2, selector: { matchLabels: labels }, template },
  };
  const made = await client().create(Deployment, draft as never);
  await client().updateStatus(Deployment, { ...made, status: { ...made.status, replicas: 2 } });
  return async () => {
    controllers?.stop();
    const at = { namespace: 'default', name: 'web' };
    await client().delete(HorizontalPodAutoscaler, at);
    await client().delete(Deployment, at);
    for (const { metadata } of (await client().list(Event, { namespace: 'default' })).items)
      await client().delete(Event, { namespace: 'default', name: metadata.name });
  };
});

afterAll(async () => {
  await metrics?.[Symbol.asyncDispose]();
  await server?.[Symbol.asyncDispose]();
});

async function createReadyPod(name: string) {
  const spec = { containers: [{ name: 'main', image: 'web:1' }] };
  const pod = await client().create(Pod, {
    metadata: { name, namespace: 'default', labels: { app: 'web' } },
    spec,
  } as never);
  const conditions = [{ type: 'Ready', status: 'True', lastTransitionTime: '2026-01-01T00:00:00Z' }];
  await client().updateStatus(Pod, { ...pod, status: { ...pod.status, phase: 'Running', conditions } } as never);
}

/** As a process of its own would run it: its requests are judged by RBAC. */
async function autoscale(metric: Submitted<MetricSpec>, spec: Submitted<HorizontalPodAutoscalerSpec> | object = {}) {
  const scaleTargetRef = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' };
  await client().create(HorizontalPodAutoscaler, {
    metadata: { name: 'web', namespace: 'default' },
    spec: { scaleTargetRef, maxReplicas: 20, metrics: [metric], ...spec },
  } as never);
  const transportFor = ({ name }: UserInfo) =>
    new InProcessTransport(server.api.pipeline, {
      name,
      groups: ['system:serviceaccounts', 'system:serviceaccounts:kube-system', 'system:authenticated'],
    });
  const transport = transportFor({ name: USER, groups: [] });
  const { kinds } = server.api;
  controllers = startControllers({
    controllers: [
      horizontalPodAutoscalerController({
        metrics: metricsOver(transport, kinds),
        scales: scalesOver(transport, kinds),
      }),
    ],
    transportFor,
    kinds,
    clock: systemClock,
    random: seededRandom(1),
    log: silentLog,
  });
}

const status = async () => (await client().get(HorizontalPodAutoscaler, { namespace: 'default', name: 'web' })).status;
const size = async () => (await client().get(Deployment, { namespace: 'default', name: 'web' })).spec.replicas;
const told = async () =>
  (await client().list(Event, { namespace: 'default' })).items
    .map(({ type, reason, message }) => `${type} ${reason}: ${message}`)
    .sort();

const selector = { matchLabels: { verb: 'GET' } };
const of = (name: string, value: string) => ({ describedObject: { name }, value });
const service = { apiVersion: 'v1', kind: 'Service', name: 'web' };

test.each<[string, Submitted<MetricSpec>, typeof values, string, object]>([
  [
    'Pods',
    {
      type: 'Pods',
      pods: { metric: { name: 'hits', selector }, target: { type: 'AverageValue', averageValue: '10' } },
    },
    { hits: PODS.map((name) => of(name, '25')) },
    '/apis/custom.metrics.k8s.io/v1beta2/namespaces/default/pods/*/hits?labelSelector=app%3Dweb&metricLabelSelector=verb%3DGET',
    { type: 'Pods', pods: { metric: { name: 'hits', selector }, current: { averageValue: '25' } } },
  ],
  [
    'Object',
    {
      type: 'Object',
      object: { metric: { name: 'hits' }, describedObject: service, target: { type: 'Value', value: '1' } },
    },
    { hits: [of('web', '2500m')] },
    '/apis/custom.metrics.k8s.io/v1beta2/namespaces/default/services/web/hits',
    { type: 'Object', object: { metric: { name: 'hits' }, describedObject: service, current: { value: '2500m' } } },
  ],
  [
    'External',
    {
      type: 'External',
      external: { metric: { name: 'queue', selector }, target: { type: 'AverageValue', averageValue: '2' } },
    },
    { queue: [{ value: '7' }, { value: '3' }] },
    '/apis/external.metrics.k8s.io/v1beta1/namespaces/default/queue?labelSelector=verb%3DGET',
    { type: 'External', external: { metric: { name: 'queue', selector }, current: { averageValue: '5' } } },
  ],
])('a metric of type %s is asked for in its API, as the controller', async (_, metric, found, url, current) => {
  values = found;
  await autoscale(metric, { behavior: { scaleUp: { policies: [{ type: 'Pods', value: 10, periodSeconds: 60 }] } } });
  await eventually(async () => expect(await size()).toBe(5));
  expect(asked[0]).toEqual({ url, user: USER });
  await eventually(async () => expect((await status())?.currentMetrics).toEqual([current]));
});

test('a metric that its server does not know is told in conditions and Events, with the server’s own words', async () => {
  await autoscale({
    type: 'External',
    external: { metric: { name: 'lost' }, target: { type: 'AverageValue', averageValue: '2' } },
  });
  const why =
    'unable to get external metric default/lost/nil: unable to fetch metrics from external metrics API: the server could not find the metric lost for pods';
  const whole = 'failed to get lost external metric value: failed to get lost external metric';
  await eventually(async () =>
    expect(await told()).toEqual([
      `Warning FailedComputeMetricsReplicas: invalid metrics (1 invalid out of 1), first error is: ${whole}: ${why}`,
      `Warning FailedGetExternalMetric: ${why}`,
    ]),
  );
  await eventually(async () => {
    const active = (await status())?.conditions?.find(({ type }) => type === 'ScalingActive');
    expect(active).toMatchObject({
      status: 'False',
      reason: 'FailedGetExternalMetric',
      message: `the HPA was unable to compute the replica count: ${why}`,
    });
  });
  expect(await size()).toBe(2);
});

test('a tolerance of its own lets a small difference count', async () => {
  values = { queue: [{ value: '4.2' }] };
  const target = { type: 'Value', value: '4' };
  await autoscale(
    { type: 'External', external: { metric: { name: 'queue' }, target } },
    { behavior: { scaleUp: { tolerance: '0.02' } } },
  );
  await eventually(async () => expect(await size()).toBe(3));
});

test('without its role it is refused, and says so', async () => {
  const name = 'system:controller:horizontal-pod-autoscaler';
  const binding = await client().get(ClusterRoleBinding, { name });
  await client().update(ClusterRoleBinding, { ...binding, subjects: [] } as never);
  try {
    values = { queue: [{ value: '9' }] };
    // Who judges follows what is written.
    await eventually(async () => {
      asked = [];
      const request = new InProcessTransport(server.api.pipeline, {
        name: USER,
        groups: ['system:authenticated'],
      }).request({
        method: 'GET',
        path: '/apis/external.metrics.k8s.io/v1beta1/namespaces/default/queue',
      });
      await expect(request).rejects.toThrow(
        `queue.external.metrics.k8s.io is forbidden: User "${USER}" cannot list resource "queue" in API group "external.metrics.k8s.io" in the namespace "default"`,
      );
      expect(asked).toEqual([]);
    });
    await autoscale({
      type: 'External',
      external: { metric: { name: 'queue' }, target: { type: 'Value', value: '1' } },
    });
  } finally {
    const { metadata } = await client().get(ClusterRoleBinding, { name });
    await client().update(ClusterRoleBinding, { ...binding, metadata });
  }
});
