import { expect, test } from 'vitest';
import { Deployment } from '#api/apps/v1/deployment.ts';
import { HorizontalPodAutoscaler } from '#api/autoscaling/v2/horizontal-pod-autoscaler.ts';
import { Event } from '#api/core/v1/event.ts';
import { Pod } from '#api/core/v1/pod.ts';
import type { HorizontalPodAutoscalerSpec, MetricSpec, Submitted } from '#api/generated/schema.ts';
import { silentLog } from '#base/log.ts';
import { seededRandom } from '#base/random.ts';
import { deployment, startCluster, type TestCluster } from '#testing/cluster.ts';
import { podsThatRun } from '#testing/pods-that-run.ts';
import { deploymentController } from '../deployment/deployment.ts';
import { replicaSetController } from '../replica-set.ts';
import { startControllers } from '../start-controllers.ts';
import { horizontalPodAutoscalerController } from './horizontal-pod-autoscaler.ts';
import { type MetricsSource, metricsOver } from './metrics-source.ts';
import { NoProposal } from './no-proposal.ts';
import { scalesOver } from './scales.ts';

/** What every pod uses, and every metric says, in thousandths. */
interface Load {
  now: number;
}

const admin = { name: 'admin', groups: ['system:masters'] };

function sourceOf(cluster: TestCluster, load: Load): MetricsSource {
  const ofPods = async () => {
    const metric = { value: load.now, timestampMs: cluster.clock.now(), windowMs: 0 };
    return new Map(cluster.list(Pod).map(({ metadata: { name } }) => [name, metric]));
  };
  return { ofResource: ofPods, ofPods, ofObject: async () => load.now, external: async () => [load.now] };
}

const containers = [{ name: 'main', image: 'example/main:1', resources: { requests: { cpu: '100m' } } }];

async function start(source: (cluster: TestCluster) => MetricsSource) {
  const cluster = await startCluster({ controllers: [deploymentController, replicaSetController, podsThatRun()] });
  const template = { metadata: { labels: { app: 'web' } }, spec: { containers } };
  await cluster.create(Deployment, deployment('web', { replicas: 2, template }));
  await cluster.passes(10 * 60_000);
  const scales = scalesOver(cluster.transportFor(admin), cluster.kinds);
  cluster.add(
    startControllers({
      controllers: [horizontalPodAutoscalerController({ metrics: source(cluster), scales })],
      transportFor: (user) => cluster.transportFor(user),
      kinds: cluster.kinds,
      clock: cluster.clock,
      random: seededRandom(1),
      log: silentLog,
      onBug: (error) => cluster.fail(error),
    }),
  );
  await cluster.settles();
  return cluster;
}

const cpu: Submitted<MetricSpec> = {
  type: 'Resource',
  resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 50 } },
};

async function autoscale(cluster: TestCluster, spec: Submitted<HorizontalPodAutoscalerSpec> = {}) {
  const scaleTargetRef = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' };
  await cluster.create(HorizontalPodAutoscaler, {
    metadata: { name: 'web', namespace: 'default' },
    spec: { scaleTargetRef, maxReplicas: 10, metrics: [cpu], ...spec },
  });
  await cluster.settles();
}

const status = (cluster: TestCluster) => cluster.get(HorizontalPodAutoscaler, 'default/web')!.status!;
const said = (cluster: TestCluster) =>
  Object.fromEntries(
    (status(cluster).conditions ?? []).map((each) => [each.type, `${each.status} ${each.reason}: ${each.message}`]),
  );
const size = (cluster: TestCluster) => cluster.get(Deployment, 'default/web')!.spec.replicas;
const told = (cluster: TestCluster) =>
  cluster
    .list(Event)
    .filter(({ involvedObject }) => involvedObject.kind === 'HorizontalPodAutoscaler')
    .map(({ type, reason, message }) => `${type} ${reason}: ${message}`);

test('it grows with the load, and says so', async () => {
  await using cluster = await start((of) => sourceOf(of, { now: 100 }));
  await autoscale(cluster);
  expect(size(cluster)).toBe(4);
  expect(said(cluster)).toEqual({
    AbleToScale: 'True SucceededRescale: the HPA controller was able to update the target scale to 4',
    ScalingActive:
      'True ValidMetricFound: the HPA was able to successfully calculate a replica count from cpu resource utilization (percentage of request)',
    ScalingLimited: 'False DesiredWithinRange: the desired count is within the acceptable range',
  });
  expect(status(cluster)).toMatchObject({
    currentReplicas: 2,
    desiredReplicas: 4,
    lastScaleTime: expect.any(String),
    currentMetrics: [
      { type: 'Resource', resource: { name: 'cpu', current: { averageUtilization: 100, averageValue: '100m' } } },
    ],
  });
  expect(told(cluster)).toEqual([
    'Normal SuccessfulRescale: New size: 4; reason: cpu resource utilization (percentage of request) above target',
  ]);
});

test('it grows up to its limit, and shrinks only when the load has been less for five minutes', async () => {
  const load = { now: 100 };
  await using cluster = await start((of) => sourceOf(of, load));
  await autoscale(cluster, { maxReplicas: 6 });
  await cluster.passes(16 * 60_000);
  expect(size(cluster)).toBe(6);
  expect(said(cluster)['ScalingLimited']).toMatch(/^True TooManyReplicas: /);
  load.now = 10;
  await cluster.passes(4 * 60_000);
  expect(size(cluster)).toBe(6);
  expect(said(cluster)['AbleToScale']).toMatch(/^True ScaleDownStabilized: /);
  await cluster.passes(2 * 60_000);
  expect(size(cluster)).toBeLessThan(6);
  expect(told(cluster).at(-1)).toMatch(/reason: All metrics below target$/);
});

test('when nobody serves metrics, conditions and Events say why, and nothing changes', async () => {
  await using cluster = await start((of) => metricsOver(of.transportFor(admin), of.kinds));
  await autoscale(cluster);
  const why =
    'failed to get cpu utilization: unable to get metrics for resource cpu: unable to fetch metrics from resource metrics API: the server could not find the requested resource (get pods.metrics.k8s.io)';
  expect(size(cluster)).toBe(2);
  expect(said(cluster)).toEqual({
    AbleToScale: "True SucceededGetScale: the HPA controller was able to get the target's current scale",
    ScalingActive: `False FailedGetResourceMetric: the HPA was unable to compute the replica count: ${why}`,
  });
  expect(told(cluster).sort()).toEqual([
    `Warning FailedComputeMetricsReplicas: invalid metrics (1 invalid out of 1), first error is: failed to get cpu resource metric value: ${why}`,
    `Warning FailedGetResourceMetric: ${why}`,
  ]);
});

test.each<[string, Submitted<MetricSpec>, string]>([
  [
    'ContainerResource',
    { type: 'ContainerResource', containerResource: { ...cpu.resource!, container: 'main' } },
    'cpu container resource utilization (percentage of request)',
  ],
  [
    'Pods',
    { type: 'Pods', pods: { metric: { name: 'hits' }, target: { type: 'AverageValue', averageValue: '50m' } } },
    'pods metric hits',
  ],
  [
    'Object',
    {
      type: 'Object',
      object: {
        metric: { name: 'hits' },
        describedObject: { apiVersion: 'v1', kind: 'Service', name: 'web' },
        target: { type: 'Value', value: '50m' },
      },
    },
    'Service metric hits',
  ],
  [
    'External',
    {
      type: 'External',
      external: {
        metric: { name: 'queue', selector: { matchLabels: { app: 'web' } } },
        target: { type: 'AverageValue', averageValue: '25m' },
      },
    },
    'external metric queue(&LabelSelector{MatchLabels:map[string]string{app: web,},MatchExpressions:[]LabelSelectorRequirement{},})',
  ],
])('a metric of type %s doubles it', async (_, metric, name) => {
  await using cluster = await start((of) => sourceOf(of, { now: 100 }));
  await autoscale(cluster, { metrics: [metric] });
  expect(told(cluster)).toEqual([`Normal SuccessfulRescale: New size: 4; reason: ${name} above target`]);
});

test('a target that is missing, or of no known kind, is told', async () => {
  await using cluster = await start((of) => sourceOf(of, { now: 100 }));
  await autoscale(cluster, { scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'none' } });
  expect(said(cluster)['AbleToScale']).toBe(
    `False FailedGetScale: the HPA controller was unable to get the target's current scale: deployments.apps "none" not found`,
  );
  await cluster.patch(HorizontalPodAutoscaler, 'default/web', { spec: { scaleTargetRef: { kind: 'Nothing' } } });
  await cluster.passes(15_000);
  expect(said(cluster)['AbleToScale']).toMatch(/: no matches for kind "Nothing" in group "apps"$/);
});

test('a size that is refused, and a status, are told and tried again', async () => {
  const load = { now: 100 };
  await using cluster = await start((of) => sourceOf(of, load));
  const refusal = { reason: 'Forbidden', message: 'not now' } as const;
  cluster.faults.fail({ verb: 'update', resource: 'deployments.apps/scale', times: 1 }, refusal);
  await autoscale(cluster);
  expect(size(cluster)).toBe(2);
  expect(said(cluster)['AbleToScale']).toBe(
    'False FailedUpdateScale: the HPA controller was unable to update the target scale: not now',
  );
  const why = 'New size: 4; reason: cpu resource utilization (percentage of request) above target';
  expect(told(cluster)).toEqual([`Warning FailedRescale: ${why}; error: not now`]);
  cluster.faults.fail({ verb: 'update', resource: 'horizontalpodautoscalers.autoscaling/status', times: 1 }, refusal);
  await cluster.passes(15_000);
  expect(size(cluster)).toBe(4);
  load.now = 50;
  await cluster.passes(15_000);
  expect(status(cluster)).toMatchObject({ currentReplicas: 4, desiredReplicas: 4 });
  expect(told(cluster).sort()).toEqual([
    `Normal SuccessfulRescale: ${why}`,
    `Warning FailedRescale: ${why}; error: not now`,
    'Warning FailedUpdateStatus: not now',
  ]);
});

test('what was set to zero by hand stays there', async () => {
  await using cluster = await start((of) => sourceOf(of, { now: 100 }));
  await cluster.patch(Deployment, 'default/web', { spec: { replicas: 0 } });
  await autoscale(cluster);
  expect(size(cluster)).toBe(0);
  expect(said(cluster)['ScalingActive']).toBe(
    'False ScalingDisabled: scaling is disabled since the replica count of the target is zero',
  );
});

test('of several metrics the largest counts; one that fails is let pass on the way up', async () => {
  const source = (cluster: TestCluster): MetricsSource => ({
    ...sourceOf(cluster, { now: 100 }),
    ofObject: () => Promise.reject(new NoProposal('out of order')),
    external: async () => [150],
  });
  await using cluster = await start(source);
  const describedObject = { apiVersion: 'v1', kind: 'Service', name: 'web' };
  await autoscale(cluster, {
    metrics: [
      { type: 'Object', object: { metric: { name: 'hits' }, describedObject, target: { type: 'Value', value: '1' } } },
      cpu,
      {
        type: 'External',
        external: { metric: { name: 'queue' }, target: { type: 'AverageValue', averageValue: '50m' } },
      },
    ],
  });
  expect(size(cluster)).toBe(4);
  expect(told(cluster).sort()).toEqual([
    'Normal SuccessfulRescale: New size: 4; reason: cpu resource utilization (percentage of request) above target',
    'Warning FailedGetObjectMetric: unable to get metric hits: Service on default web/out of order',
  ]);
});

test('two that size the same pods size nothing', async () => {
  const load = { now: 50 };
  await using cluster = await start((of) => sourceOf(of, load));
  await autoscale(cluster);
  const { spec } = cluster.get(HorizontalPodAutoscaler, 'default/web')!;
  await cluster.create(HorizontalPodAutoscaler, { metadata: { name: 'also', namespace: 'default' }, spec });
  load.now = 100;
  await cluster.passes(60_000);
  expect(size(cluster)).toBe(2);
  expect(said(cluster)['ScalingActive']).toBe(
    'False AmbiguousSelector: pods by selector app=web are controlled by multiple HPAs: [{also default} {web default}]',
  );
});
