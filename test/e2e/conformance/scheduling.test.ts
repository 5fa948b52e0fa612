/** Where pods go, and which have to make room. */
import { afterAll, describe, expect, test } from 'vitest';
import type { Node } from '#api/core/v1/node.ts';
import type { Pod } from '#api/core/v1/pod.ts';
import { eventually, holds } from '../running-cluster.ts';
import { isReady, object, playground, pod, shell } from './playground.ts';

/** A resource of the tests' own: other pods do not use it, so that the whole of a node can be given away. */
const RESOURCE = 'example.com/fakecpu';
const POINTER = '/status/capacity/example.com~1fakecpu';
const AMOUNT = 1000;

describe('scheduling', () => {
  const ground = playground('scheduling', async (it) => {
    for (const { metadata } of (await it.api.get<{ items: Node[] }>('/api/v1/nodes')).items)
      await it.api.patch(
        `/api/v1/nodes/${metadata.name}/status`,
        [
          { op: 'add', path: POINTER, value: `${AMOUNT}` },
          { op: 'add', path: POINTER.replace('capacity', 'allocatable'), value: `${AMOUNT}` },
        ],
        'json',
      );
    for (const [name, value] of [
      ['e2e-low', 1],
      ['e2e-medium', 100],
      ['e2e-high', 1000],
    ] as const)
      await it.api.post(
        '/apis/scheduling.k8s.io/v1/priorityclasses',
        object('PriorityClass', name, { value }, 'scheduling.k8s.io/v1'),
      );
    return undefined;
  });
  afterAll(async () => {
    const { api } = ground();
    for (const { metadata } of (await api.get<{ items: Node[] }>('/api/v1/nodes')).items)
      await api.try(
        'PATCH',
        `/api/v1/nodes/${metadata.name}/status`,
        [
          { op: 'remove', path: POINTER },
          { op: 'remove', path: POINTER.replace('capacity', 'allocatable') },
        ],
        'application/json-patch+json',
      );
    for (const name of ['e2e-low', 'e2e-medium', 'e2e-high'])
      await api.try('DELETE', `/apis/scheduling.k8s.io/v1/priorityclasses/${name}`);
  });
  const nodes = async () => (await ground().api.get<{ items: Node[] }>('/api/v1/nodes')).items;
  const taking = (name: string, amount: number, spec: object = {}, labels: Record<string, string> = {}) =>
    pod(name, {
      labels,
      spec: {
        containers: [
          shell('sleep 3600', {
            resources: { requests: { [RESOURCE]: `${amount}` }, limits: { [RESOURCE]: `${amount}` } },
          }),
        ],
        ...spec,
      },
    });
  const unschedulable = (name: string, why: string) =>
    ground().podWhen(
      name,
      `cannot be scheduled: ${why}`,
      ({ status }) =>
        status?.conditions?.some(
          ({ type, reason, message }) =>
            type === 'PodScheduled' && reason === 'Unschedulable' && message?.includes(why),
        ) ?? false,
    );
  const remove = (name: string) =>
    ground().api.try('DELETE', ground().path('Pod', 'v1', name), { gracePeriodSeconds: 0 });

  test('SchedulerPredicates validates resource limits of pods that are allowed to run', async () => {
    const all = await nodes();
    const fillers = all.map(({ metadata }) =>
      taking(`filler-${metadata.name}`, AMOUNT * 0.7, {
        nodeName: undefined,
        nodeSelector: { 'kubernetes.io/hostname': metadata.labels?.['kubernetes.io/hostname'] },
      }),
    );
    await ground().create(...fillers);
    for (const { metadata } of fillers) await ground().ready(`${metadata.name}`);
    await ground().create(taking('additional', AMOUNT * 0.5));
    await unschedulable('additional', `${all.length} Insufficient ${RESOURCE}`);
    for (const name of [...fillers.map(({ metadata }) => `${metadata.name}`), 'additional']) await remove(name);
    for (const { metadata } of fillers) await ground().gone(ground().path('Pod', 'v1', metadata.name));
  });

  test('SchedulerPredicates validates that NodeSelector is respected if not matching', async () => {
    await ground().create(pod('nowhere', { spec: { nodeSelector: { label: 'nonempty' } } }));
    await unschedulable('nowhere', "node(s) didn't match Pod's node affinity/selector");
    await remove('nowhere');
  });

  test('SchedulerPredicates validates that NodeSelector is respected if matching', async () => {
    const [node] = await nodes();
    const label = (value: string | null) =>
      ground().api.patch(`/api/v1/nodes/${node?.metadata.name}`, { metadata: { labels: { 'e2e-place': value } } });
    await label('42');
    await ground().create(
      pod('placed', { spec: { nodeSelector: { 'e2e-place': '42' }, containers: [shell('sleep 3600')] } }),
    );
    expect((await ground().ready('placed')).spec.nodeName).toBe(node?.metadata.name);
    await label(null);
    await remove('placed');
  });

  test('SchedulerPredicates validates that there exists conflict between pods with same hostPort and protocol but one using 0.0.0.0 hostIP', async () => {
    const [node] = await nodes();
    const where = {
      nodeSelector: { 'kubernetes.io/hostname': node?.metadata.labels?.['kubernetes.io/hostname'] ?? '' },
    };
    const onPort = (hostIP: string) => ({
      ...where,
      containers: [
        shell('sleep 3600', { ports: [{ containerPort: 54322, hostPort: 54322, protocol: 'TCP', hostIP }] }),
      ],
    });
    await ground().create(pod('all-addresses', { spec: onPort('') }));
    await ground().ready('all-addresses');
    await ground().create(pod('one-address', { spec: onPort('127.0.0.1') }));
    await unschedulable('one-address', "node(s) didn't have free ports for the requested pod ports");
    for (const name of ['all-addresses', 'one-address']) await remove(name);
  });

  /** Every node is taken, the last by a pod of low priority. */
  async function full(prefix: string, spec: object = {}): Promise<Pod[]> {
    const all = await nodes();
    const fillers = all.map(({ metadata }, index) =>
      taking(`${prefix}-${index}`, AMOUNT * 0.6, {
        priorityClassName: index === 0 ? 'e2e-low' : 'e2e-medium',
        nodeSelector: { 'kubernetes.io/hostname': metadata.labels?.['kubernetes.io/hostname'] },
        ...(index === 0 && spec),
      }),
    );
    await ground().create(...fillers);
    return Promise.all(fillers.map(({ metadata }) => ground().ready(`${metadata.name}`)));
  }
  const cleared = async (pods: readonly Pod[], ...names: string[]) => {
    for (const name of [...pods.map(({ metadata }) => metadata.name), ...names]) await remove(name);
    for (const { metadata } of pods) await ground().gone(ground().path('Pod', 'v1', metadata.name));
    for (const name of names) await ground().gone(ground().path('Pod', 'v1', name));
  };

  test('SchedulerPreemption validates basic preemption works', async () => {
    const pods = await full('basic');
    await ground().create(taking('preemptor', AMOUNT * 0.6, { priorityClassName: 'e2e-high' }));
    await ground().ready('preemptor');
    const left = await Promise.all(
      pods.map(({ metadata }) => ground().api.try('GET', ground().path('Pod', 'v1', metadata.name))),
    );
    expect(left.map(({ code }) => code)).toEqual(pods.map((_, index) => (index === 0 ? 404 : 200)));
    await cleared(pods, 'preemptor');
  });

  test('SchedulerPreemption validates lower priority pod preemption by critical pod', async () => {
    const pods = await full('critical');
    const critical = { ...taking('critical', AMOUNT * 0.6, { priorityClassName: 'system-cluster-critical' }) };
    await ground().api.post('/api/v1/namespaces/kube-system/pods', critical);
    const path = '/api/v1/namespaces/kube-system/pods/critical';
    await eventually('it runs', async () => isReady(await ground().api.get<Pod>(path)));
    expect((await ground().api.try('GET', ground().path('Pod', 'v1', pods[0]?.metadata.name))).code).toBe(404);
    await ground().api.delete(path, { gracePeriodSeconds: 0 });
    await ground().gone(path);
    await cleared(pods);
  });

  test('SchedulerPreemption validates pod disruption condition is added to the preempted pod', async () => {
    const pods = await full('noted');
    const [victim] = pods;
    const victimPath = ground().path('Pod', 'v1', victim?.metadata.name);
    await ground().api.patch(victimPath, { metadata: { finalizers: ['e2e.example.com/held'] } });
    await ground().create(taking('preemptor', AMOUNT * 0.6, { priorityClassName: 'e2e-high' }));
    const { status } = await ground().podWhen(
      victim?.metadata.name ?? '',
      'is preempted',
      ({ metadata }) => metadata.deletionTimestamp !== undefined,
    );
    expect(status?.conditions).toContainEqual(
      expect.objectContaining({ type: 'DisruptionTarget', status: 'True', reason: 'PreemptionByScheduler' }),
    );
    await ground().api.patch(victimPath, { metadata: { finalizers: null } });
    await cleared(pods, 'preemptor');
  });

  test('SchedulerPreemption PreemptionExecutionPath runs ReplicaSets to verify preemption running path', async () => {
    const [node] = await nodes();
    const where = { 'kubernetes.io/hostname': node?.metadata.labels?.['kubernetes.io/hostname'] ?? '' };
    const set = (name: string, replicas: number, priorityClassName: string) => {
      const { spec } = taking(name, AMOUNT * 0.2, { priorityClassName, nodeSelector: where, restartPolicy: 'Always' });
      return object(
        'ReplicaSet',
        name,
        {
          spec: {
            replicas,
            selector: { matchLabels: { app: name } },
            template: { metadata: { labels: { app: name } }, spec },
          },
        },
        'apps/v1',
      );
    };
    const running = (name: string, count: number) =>
      eventually(
        `${name} has ${count} running`,
        async () =>
          (await ground().pods(`app=${name}`)).filter((each) => isReady(each) && !each.metadata.deletionTimestamp)
            .length === count,
      );
    await ground().create(set('path-1', 1, 'e2e-low'), set('path-2', 2, 'e2e-low'), set('path-3', 2, 'e2e-medium'));
    for (const [name, count] of [
      ['path-1', 1],
      ['path-2', 2],
      ['path-3', 2],
    ] as const)
      await running(name, count);
    await ground().create(set('path-4', 2, 'e2e-high'));
    await running('path-4', 2);
    await running('path-3', 2);
    const low = [...(await ground().pods('app=path-1')), ...(await ground().pods('app=path-2'))];
    expect(low.filter(isReady)).toHaveLength(1);
    for (const name of ['path-1', 'path-2', 'path-3', 'path-4'])
      await ground().api.delete(ground().path('ReplicaSet', 'apps/v1', name), { propagationPolicy: 'Foreground' });
  });

  test('Conformance Tests should have at least two untainted nodes', async () => {
    await holds('what an earlier test did to a node is over', async () => {
      const untainted = (await nodes()).filter(({ spec }) => (spec.taints ?? []).length === 0);
      expect(untainted.length).toBeGreaterThanOrEqual(2);
    });
  });
});
