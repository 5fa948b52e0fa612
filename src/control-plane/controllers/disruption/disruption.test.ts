import { expect, test } from 'vitest';
import { CustomResourceDefinition } from '#api/apiextensions/v1/custom-resource-definition.ts';
import { ReplicaSet } from '#api/apps/v1/replica-set.ts';
import { Event } from '#api/core/v1/event.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { isReady } from '#api/core/v1/pod-conditions.ts';
import type { Kind } from '#api/machinery/kind.ts';
import { kindsFromDefinition } from '#api/machinery/kind-from-definition.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { timestampOf } from '#api/machinery/timestamp.ts';
import { PodDisruptionBudget } from '#api/policy/v1/pod-disruption-budget.ts';
import { pod, replicaSet, startCluster, type TestCluster } from '#testing/cluster.ts';
import { podsThatRun } from '#testing/pods-that-run.ts';
import type { ComponentServices } from '#testing/test-cluster.ts';
import { replicaSetController } from '../replica-set.ts';
import { startControllers } from '../start-controllers.ts';
import { disruptionController } from './disruption.ts';
import { ownerScalesOver } from './owner-scales.ts';
import { staleDisruptionTarget } from './stale-disruption-target.ts';

type Herd = KubeObject & { spec: { size: number } };
const [herdKind] = kindsFromDefinition(
  CustomResourceDefinition.defaults({
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'herds.example.com' },
    spec: {
      group: 'example.com',
      scope: 'Namespaced',
      names: { plural: 'herds', kind: 'Herd' },
      versions: [
        {
          ...{ name: 'v1', served: true, storage: true },
          schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
          subresources: { scale: { specReplicasPath: '.spec.size', statusReplicasPath: '.status.size' } },
        },
      ],
    },
  } as unknown as CustomResourceDefinition),
) as unknown as [Kind<Herd>];

const controllers = [disruptionController(), replicaSetController, podsThatRun()];
const budget = (spec: object) => ({
  metadata: { name: 'calm', namespace: 'default' },
  spec: { selector: { matchLabels: { app: 'web' } }, ...spec },
});
const status = (cluster: TestCluster) => cluster.get(PodDisruptionBudget, 'default/calm')!.status!;
const allowed = (cluster: TestCluster) =>
  status(cluster).conditions?.map(({ status: is, reason }) => `${is} ${reason}`);
const asked = (cluster: TestCluster, { metadata: { name } }: Pod, deleteOptions: object = {}) =>
  cluster.transportFor({ name: 'admin', groups: ['system:masters'] }).request({
    method: 'POST',
    path: `/api/v1/namespaces/default/pods/${name}/eviction`,
    object: { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name }, deleteOptions },
  });
const evict = (cluster: TestCluster, each: Pod) =>
  asked(cluster, each).then(
    ({ code }) => code,
    (error: { code: number }) => error.code,
  );

test.each([
  [{ minAvailable: 3 }, { disruptionsAllowed: 2, currentHealthy: 5, desiredHealthy: 3, expectedPods: 5 }],
  [{ minAvailable: '50%' }, { disruptionsAllowed: 2, currentHealthy: 5, desiredHealthy: 3, expectedPods: 5 }],
  [{ maxUnavailable: 1 }, { disruptionsAllowed: 1, currentHealthy: 5, desiredHealthy: 4, expectedPods: 5 }],
  [{ maxUnavailable: '30%' }, { disruptionsAllowed: 2, currentHealthy: 5, desiredHealthy: 3, expectedPods: 5 }],
  [{ minAvailable: 9 }, { disruptionsAllowed: 0, currentHealthy: 5, desiredHealthy: 9, expectedPods: 5 }],
])('%j of five pods that run: %j', async (spec, expected) => {
  await using cluster = await startCluster({ controllers });
  await cluster.create(ReplicaSet, replicaSet('web', { replicas: 5 }));
  await cluster.create(PodDisruptionBudget, budget(spec));
  await cluster.settles();
  expect(status(cluster)).toMatchObject({ ...expected, observedGeneration: 1 });
  expect(allowed(cluster)).toEqual([
    expected.disruptionsAllowed > 0 ? 'True SufficientPods' : 'False InsufficientPods',
  ]);
});

test('evictions use the budget up, and it is free again when others have taken the place', async () => {
  await using cluster = await startCluster({
    controllers: [disruptionController(), replicaSetController, podsThatRun({ readyAfterMs: 5_000 })],
  });
  await cluster.create(ReplicaSet, replicaSet('web', { replicas: 3 }));
  await cluster.create(PodDisruptionBudget, budget({ maxUnavailable: 1 }));
  await cluster.passes(6_000);
  const [first, second] = cluster.list(Pod).filter(isReady);
  expect(await evict(cluster, first!)).toBe(201);
  expect(await evict(cluster, second!)).toBe(429);
  await cluster.settles();
  expect(status(cluster)).toMatchObject({ disruptionsAllowed: 0, currentHealthy: 2 });
  await cluster.passes(6_000);
  expect(status(cluster)).toMatchObject({ disruptionsAllowed: 1, currentHealthy: 3 });
  expect(status(cluster).disruptedPods).toBeUndefined();
});

test.each<[string | undefined, number, number]>([
  ['AlwaysAllow', 2, 201],
  ['IfHealthyBudget', 2, 429],
  [undefined, 2, 429],
  ['IfHealthyBudget', 1, 201],
])(
  'a pod that is not ready: by the policy %s with %i wanted healthy an eviction gets %i',
  async (policy, min, code) => {
    await using cluster = await startCluster({ controllers });
    await cluster.create(ReplicaSet, replicaSet('web', { replicas: 2 }));
    const unhealthyPodEvictionPolicy = policy && { unhealthyPodEvictionPolicy: policy };
    await cluster.create(PodDisruptionBudget, budget({ minAvailable: min, ...unhealthyPodEvictionPolicy }) as never);
    await cluster.settles();
    const [ill] = cluster.list(Pod);
    const conditions = [{ type: 'Ready', status: 'False', lastTransitionTime: timestampOf(cluster.clock.now()) }];
    await cluster.updateStatus(Pod, { ...ill!, status: { ...ill!.status, conditions } } as Pod);
    await cluster.settles();
    expect(status(cluster)).toMatchObject({ currentHealthy: 1, disruptionsAllowed: 0 });
    expect(await evict(cluster, cluster.get(Pod, `default/${ill!.metadata.name}`)!)).toBe(code);
  },
);

test('a budget that is used up says so at once, and what it wants', async () => {
  await using cluster = await startCluster({ controllers });
  await cluster.create(ReplicaSet, replicaSet('web', { replicas: 3 }));
  await cluster.create(PodDisruptionBudget, budget({ minAvailable: 2 }));
  await cluster.settles();
  await cluster.stop('disruption-controller');
  const [first, second] = cluster.list(Pod);
  await asked(cluster, first!);
  await cluster.settles();
  expect([status(cluster).disruptionsAllowed, allowed(cluster)]).toEqual([0, ['False InsufficientPods']]);
  const because = (message: string) => ({
    code: 429,
    message: "Cannot evict pod as it would violate the pod's disruption budget.",
    details: { causes: [{ reason: 'DisruptionBudget', message }] },
  });
  // It was reckoned with three that are well.
  await expect(asked(cluster, second!)).rejects.toMatchObject(
    because('The disruption budget calm does not allow evicting pods currently'),
  );
  const calm = cluster.get(PodDisruptionBudget, 'default/calm')!;
  const failed = (reason: string) => ({
    ...calm.status!,
    conditions: [
      { ...calm.status!.conditions![0]!, status: 'False' as const, reason, message: 'found no controllers for pod' },
    ],
  });
  for (const [reason, text] of [
    ['SyncFailed', 'because it failed sync: found no controllers for pod'],
    ['Other', '(Other): found no controllers for pod'],
  ] as const) {
    const current = cluster.get(PodDisruptionBudget, 'default/calm')!;
    await cluster.updateStatus(PodDisruptionBudget, { ...current, status: failed(reason) });
    await expect(asked(cluster, second!)).rejects.toMatchObject(
      because(`The disruption budget calm does not allow evicting pods currently ${text}`),
    );
  }
});

test('what others say of a budget keeps its place', async () => {
  await using cluster = await startCluster({ controllers });
  await cluster.create(ReplicaSet, replicaSet('web', { replicas: 3 }));
  await cluster.create(PodDisruptionBudget, budget({ minAvailable: 2 }));
  await cluster.settles();
  const calm = cluster.get(PodDisruptionBudget, 'default/calm')!;
  const said = {
    type: 'Said',
    status: 'True' as const,
    reason: 'Somebody',
    message: '',
    lastTransitionTime: timestampOf(0),
  };
  const conditions = [...(calm.status!.conditions ?? []), said];
  await cluster.updateStatus(PodDisruptionBudget, { ...calm, status: { ...calm.status!, conditions } });
  await cluster.settles();
  const types = () => status(cluster).conditions?.map(({ type, status: is }) => `${type} ${is}`);
  expect(types()).toEqual(['DisruptionAllowed True', 'Said True']);
  await cluster.stop('disruption-controller');
  await evict(cluster, cluster.list(Pod)[0]!);
  await cluster.settles();
  expect(types()).toEqual(['DisruptionAllowed False', 'Said True']);
  cluster.start('disruption-controller');
  await cluster.passes('1m');
  expect(types()).toEqual(['DisruptionAllowed True', 'Said True']);
});

test.each<[object, string]>([
  [
    { ignoreStoreReadErrorWithClusterBreakingPotential: true },
    'Eviction.policy "web" is invalid: deleteOptions.ignoreStoreReadErrorWithClusterBreakingPotential: Invalid value: true: can not be set for pod eviction, try after removing the option',
  ],
  [
    { propagationPolicy: 'Weird' },
    'DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: Unsupported value: "Weird": supported values: "Background", "Foreground", "Orphan", "nil"',
  ],
  [
    { dryRun: ['Some'] },
    'DeleteOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value: ["Some"]: supported values: "All"',
  ],
])('an eviction that is to delete by %j is refused', async (options, message) => {
  await using cluster = await startCluster();
  const web = await cluster.create(Pod, pod('web'));
  await expect(asked(cluster, web, options)).rejects.toMatchObject({ code: 422, message });
  await cluster.settles();
  expect(cluster.get(Pod, 'default/web')).toEqual(web);
});

test('of a pod that two budgets mean nobody decides', async () => {
  await using cluster = await startCluster({ controllers });
  await cluster.create(ReplicaSet, replicaSet('web', { replicas: 2 }));
  await cluster.create(PodDisruptionBudget, budget({ minAvailable: 1 }));
  const { spec } = budget({ maxUnavailable: 1 });
  await cluster.create(PodDisruptionBudget, { metadata: { name: 'also', namespace: 'default' }, spec });
  await cluster.settles();
  await expect(asked(cluster, cluster.list(Pod)[0]!)).rejects.toMatchObject({
    code: 500,
    reason: '',
    message: 'This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.',
  });
  expect(cluster.list(Pod)).toHaveLength(2);
});

test('a budget that goes while a pod is to be evicted is not found', async () => {
  await using cluster = await startCluster({ controllers });
  await cluster.create(ReplicaSet, replicaSet('web', { replicas: 3 }));
  const missing = { code: 404, message: 'poddisruptionbudgets.policy "calm" not found' };
  const answers: unknown[] = [];
  // Between the look at the budgets and the charge: how long after the request that is, is not for us to know.
  for (let turns = 0; turns < 10 && !answers.some((answer) => answer === 404); turns++) {
    await cluster.create(PodDisruptionBudget, budget({ minAvailable: 1 }));
    await cluster.settles();
    const before = cluster.list(Pod).map(({ metadata }) => metadata.name);
    const evicted = asked(cluster, cluster.list(Pod)[0]!).catch((error: unknown) => error as { code: number });
    for (let turn = 0; turn < turns; turn++) await Promise.resolve();
    await cluster.delete(PodDisruptionBudget, 'default/calm');
    const answer = await evicted;
    answers.push(answer.code);
    if (answer.code !== 404) continue;
    expect(answer).toMatchObject(missing);
    expect(cluster.list(Pod).map(({ metadata }) => metadata.name)).toEqual(before);
  }
  expect(answers).toContain(404);
});

test('a pod that has not begun goes without a budget, and says why; one that is not meant is left as it is', async () => {
  await using cluster = await startCluster({ controllers: [disruptionController()] });
  await cluster.create(PodDisruptionBudget, budget({ minAvailable: 1 }));
  const labels = { app: 'web' };
  const waiting = await cluster.create(Pod, pod('waiting', {}, { labels, finalizers: ['example.org/keep'] }));
  await cluster.settles();
  const target = () =>
    cluster.get(Pod, 'default/waiting')?.status?.conditions?.find(({ type }) => type === 'DisruptionTarget');
  await expect(asked(cluster, waiting, { preconditions: { uid: 'another' } })).rejects.toMatchObject({ code: 409 });
  await expect(asked(cluster, waiting, { preconditions: { resourceVersion: '1' } })).rejects.toMatchObject({
    code: 409,
  });
  expect((await asked(cluster, waiting, { dryRun: ['All'] })).code).toBe(201);
  await cluster.settles();
  expect([target(), cluster.get(Pod, 'default/waiting')?.metadata.deletionTimestamp]).toEqual([undefined, undefined]);
  expect((await asked(cluster, waiting)).code).toBe(201);
  await cluster.settles();
  const since = timestampOf(cluster.clock.now());
  const evicted = {
    ...{ type: 'DisruptionTarget', status: 'True', reason: 'EvictionByEvictionAPI' },
    ...{ message: 'Eviction API: evicting', lastTransitionTime: since },
  };
  expect(target()).toEqual(evicted);
  await cluster.passes('1m');
  await asked(cluster, waiting);
  await cluster.settles();
  expect(target()).toEqual(evicted);
  expect(cluster.get(Pod, 'default/waiting')?.metadata.deletionTimestamp).toBeDefined();
});

test('a pod that was to go and has not is counted again after two minutes', async () => {
  await using cluster = await startCluster({ controllers });
  await cluster.create(ReplicaSet, replicaSet('web', { replicas: 2 }));
  await cluster.create(PodDisruptionBudget, budget({ minAvailable: 1 }));
  await cluster.settles();
  const [web] = cluster.list(Pod);
  const disruptedPods = { [web!.metadata.name]: web!.metadata.creationTimestamp };
  const calm = cluster.get(PodDisruptionBudget, 'default/calm')!;
  await cluster.updateStatus(PodDisruptionBudget, { ...calm, status: { ...calm.status!, disruptedPods } });
  await cluster.settles();
  expect(status(cluster)).toMatchObject({ currentHealthy: 1, disruptionsAllowed: 0 });
  await cluster.passes(121_000);
  expect(status(cluster)).toMatchObject({ currentHealthy: 2, disruptionsAllowed: 1 });
  expect(cluster.list(Event).find(({ reason }) => reason === 'NotDeleted')?.message).toBe(
    "Pod was expected by PDB default/default to be deleted but it wasn't",
  );
});

test('a pod that several budgets mean is told of, once for each of its changes', async () => {
  await using cluster = await startCluster({ controllers: [disruptionController()] });
  await cluster.create(Pod, pod('both', {}, { labels: { app: 'web' } }));
  await cluster.create(PodDisruptionBudget, budget({ minAvailable: 1 }));
  await cluster.create(PodDisruptionBudget, {
    ...budget({ minAvailable: 1 }),
    metadata: { name: 'also', namespace: 'default' },
  });
  await cluster.passes(1_000);
  const said = () => cluster.list(Event).filter(({ reason }) => reason === 'MultiplePodDisruptionBudgets');
  expect(said().map(({ type, message, involvedObject, count }) => [type, message, involvedObject.kind, count])).toEqual(
    [['Warning', 'Pod "default"/"both" matches multiple PodDisruptionBudgets.  Chose "also" arbitrarily.', 'Pod', 1]],
  );
  await cluster.patch(Pod, 'default/both', { metadata: { annotations: { changed: 'yes' } } });
  await cluster.passes(1_000);
  expect(said().map(({ count }) => count)).toEqual([2]);
});

test('pods without an owner are told of when a share is asked for', async () => {
  await using cluster = await startCluster({ controllers });
  await cluster.create(Pod, pod('alone', {}, { labels: { app: 'web' } }));
  await cluster.create(PodDisruptionBudget, budget({ maxUnavailable: 1 }));
  await cluster.settles();
  expect(status(cluster)).toMatchObject({ disruptionsAllowed: 0, expectedPods: 0 });
  expect(cluster.list(Event).find(({ reason }) => reason === 'UnmanagedPods')?.message).toContain(
    '(selector: &LabelSelector{MatchLabels:map[string]string{app: web,},MatchExpressions:[]LabelSelectorRequirement{},})',
  );
});

const ADMIN = { name: 'admin', groups: ['system:masters'] };
/** Of all kinds that have a scale. */
const asking = (services: ComponentServices) =>
  startControllers({
    controllers: [disruptionController(ownerScalesOver(services.transportFor(ADMIN), services.kinds))],
    ...services,
  });
const message = (cluster: TestCluster) => status(cluster).conditions?.[0]?.message;

async function owned(cluster: TestCluster, owner: { apiVersion: string; kind: string; name: string; uid: string }) {
  const ownerReferences = [{ ...owner, controller: true }];
  await cluster.create(Pod, pod('owned', {}, { labels: { app: 'web' }, ownerReferences }));
  await cluster.create(PodDisruptionBudget, budget({ maxUnavailable: '25%' }));
  await cluster.settles();
}

test('an owner of a custom kind is asked for its size through its scale', async () => {
  await using cluster = await startCluster({ kinds: [herdKind], components: [asking], controllers: [podsThatRun()] });
  const herd = await cluster.create(herdKind, {
    metadata: { name: 'herd', namespace: 'default' },
    spec: { size: 8 },
  } as never);
  const { apiVersion, kind, metadata } = herd;
  await owned(cluster, { apiVersion, kind, name: 'herd', uid: metadata.uid });
  expect(status(cluster)).toMatchObject({
    expectedPods: 8,
    desiredHealthy: 6,
    currentHealthy: 1,
    disruptionsAllowed: 0,
  });
});

test('a ReplicaSet whose Deployment has gone is asked for its own size', async () => {
  await using cluster = await startCluster({ components: [asking], controllers: [podsThatRun()] });
  const gone = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'gone', uid: 'gone', controller: true };
  const left = await cluster.create(ReplicaSet, replicaSet('left', { replicas: 4 }, { ownerReferences: [gone] }));
  await owned(cluster, { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'left', uid: left.metadata.uid });
  expect(status(cluster)).toMatchObject({ expectedPods: 4, desiredHealthy: 3 });
});

test.each([
  [
    { apiVersion: 'example.com/v1', kind: 'Flock', name: 'x', uid: 'a' },
    'no matches for kind "Flock" in version "example.com/v1"',
  ],
  [{ apiVersion: 'batch/v1', kind: 'Job', name: 'x', uid: 'a' }, 'jobs.batch does not implement the scale subresource'],
  [{ apiVersion: 'example.com/v1', kind: 'Herd', name: 'x', uid: 'a' }, 'found no controllers for pod "owned"'],
  [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'x', uid: 'a' }, 'found no controllers for pod "owned"'],
])('of %j nobody knows the size: nothing is allowed, and the budget says why', async (owner, text) => {
  await using cluster = await startCluster({ kinds: [herdKind], components: [asking] });
  await owned(cluster, owner);
  expect(status(cluster).disruptionsAllowed).toBe(0);
  expect(allowed(cluster)).toEqual(['False SyncFailed']);
  expect(message(cluster)).toBe(text);
  expect(cluster.list(Event).find(({ reason }) => reason === 'CalculateExpectedPodCountFailed')?.message).toBe(
    `Failed to calculate the number of expected pods: ${text}`,
  );
});

test('a pod that was marked to go and stays is no longer marked after two minutes; what the kubelet marks stays', async () => {
  await using cluster = await startCluster({ controllers: [staleDisruptionTarget] });
  const mark = async (name: string, reason: string) => {
    await cluster.create(Pod, pod(name, { nodeName: 'node1' }));
    const lastTransitionTime = timestampOf(cluster.clock.now());
    const conditions = [{ type: 'DisruptionTarget', status: 'True', reason, message: 'why', lastTransitionTime }];
    await cluster.patch(Pod, { name, namespace: 'default', subresource: 'status' }, { status: { conditions } });
  };
  await mark('evicted', 'EvictionByEvictionAPI');
  await mark('pressed', 'TerminationByKubelet');
  await cluster.passes('119s');
  const marks = () => cluster.list(Pod).map(({ status: { conditions = [] } = {} }) => conditions[0]);
  expect(marks().map((each) => each?.status)).toEqual(['True', 'True']);
  await cluster.passes('2s');
  expect(marks()).toMatchObject([
    { type: 'DisruptionTarget', status: 'False', observedGeneration: 1 },
    { status: 'True', message: 'why' },
  ]);
  expect(marks()[0]?.reason).toBeUndefined();
});

test('who takes back such marks takes no step for a pod that has none, be it there or new; a mark that says no time counts', async () => {
  await using cluster = await startCluster();
  const mark = (name: string, condition: object) =>
    cluster.patch(
      Pod,
      { name, namespace: 'default', subresource: 'status' },
      {
        status: {
          conditions: [{ type: 'DisruptionTarget', status: 'True', reason: 'EvictionByEvictionAPI', ...condition }],
        },
      },
    );
  for (const name of ['plain', 'marked']) await cluster.create(Pod, pod(name, { nodeName: 'node1' }));
  const lastTransitionTime = timestampOf(cluster.clock.now());
  await mark('marked', { lastTransitionTime });
  const running = startControllers({ controllers: [staleDisruptionTarget], ...cluster.services });
  cluster.add(running);
  await cluster.settles();
  const steps = () => running.stats()[0]!.reconciled;
  expect(steps()).toBe(1);
  await cluster.create(Pod, pod('new', { nodeName: 'node1' }));
  await cluster.settles();
  expect(steps()).toBe(1);
  await mark('new', {});
  await cluster.settles();
  await cluster.passes('121s');
  const standing = cluster.list(Pod).map(({ metadata, status }) => [metadata.name, status?.conditions?.[0]?.status]);
  expect(standing).toEqual([
    ['marked', 'False'],
    ['new', 'False'],
    ['plain', undefined],
  ]);
});
