/** Deployments with real pods. */
import { describe, expect, test } from 'vitest';
import type { Deployment } from '#api/apps/v1/deployment.ts';
import type { ReplicaSet } from '#api/apps/v1/replica-set.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { eventually } from '../running-cluster.ts';
import { object, playground, pod, shell } from './playground.ts';
import { statusIsWritten } from './status-endpoint.ts';

describe.concurrent('deployments', () => {
  const ground = playground('deployments', async () => undefined);
  const path = (name?: string) => ground().path('Deployment', 'apps/v1', name);
  const read = (name: string) => ground().api.get<Deployment>(path(name));
  const template = (app: string, say = 'one', main: object = {}) => ({
    metadata: { labels: { app } },
    spec: { terminationGracePeriodSeconds: 1, containers: [shell(`echo ${say}; sleep 3600`, main)] },
  });
  const make = (name: string, spec: object = {}) =>
    ground().create(
      object(
        'Deployment',
        name,
        {
          metadata: { name, labels: { app: name } },
          spec: { replicas: 1, selector: { matchLabels: { app: name } }, template: template(name), ...spec },
        },
        'apps/v1',
      ),
    );
  const replicaSets = async (name: string) =>
    (
      await ground().api.get<{ items: ReplicaSet[] }>(
        `${ground().path('ReplicaSet', 'apps/v1')}?labelSelector=app%3D${name}`,
      )
    ).items;
  const podsOf = (name: string) => ground().pods(`app=${name}`);
  const complete = (name: string, replicas: number) =>
    eventually(`${name} has ${replicas} of the newest`, async () => {
      const { metadata, status } = await read(name);
      return (
        status?.observedGeneration === metadata.generation &&
        (status?.updatedReplicas ?? 0) === replicas &&
        (status?.availableReplicas ?? 0) === replicas &&
        (status?.replicas ?? 0) === replicas
      );
    });
  const retemplate = (name: string, say: string) =>
    ground().api.patch<Deployment>(path(name), { spec: { template: template(name, say) } }, 'strategic');
  const remove = (name: string) => ground().api.delete(path(name), { propagationPolicy: 'Background' });

  test('Deployment RollingUpdateDeployment should delete old pods and create new ones', async () => {
    await ground().create(
      object(
        'ReplicaSet',
        'rolling-adopted',
        {
          metadata: {
            name: 'rolling-adopted',
            labels: { app: 'rolling' },
            annotations: { 'deployment.kubernetes.io/revision': '3546343826724305832' },
          },
          spec: { replicas: 1, selector: { matchLabels: { app: 'rolling' } }, template: template('rolling', 'old') },
        },
        'apps/v1',
      ),
    );
    await eventually('the old pod is there', async () => (await podsOf('rolling')).length === 1);
    await make('rolling');
    await complete('rolling', 1);
    const sets = await replicaSets('rolling');
    expect(sets.map(({ spec }) => spec.replicas).sort()).toEqual([0, 1]);
    for (const { metadata } of sets) expect(metadata.ownerReferences?.[0]?.name).toBe('rolling');
    const { annotations } = (await read('rolling')).metadata;
    expect(annotations?.['deployment.kubernetes.io/revision']).toBe('3546343826724305833');
    await remove('rolling');
  });

  test('Deployment RecreateDeployment should delete old pods and create new ones', async () => {
    await make('recreate', { strategy: { type: 'Recreate' } });
    await complete('recreate', 1);
    const running = new Set<string>();
    const watch = ground().api.watch(`${ground().path('Pod')}?labelSelector=app%3Drecreate`);
    await retemplate('recreate', 'two');
    await complete('recreate', 1);
    watch.stop();
    for (const { type, object: seen } of watch.events) {
      const { metadata, status } = seen as KubeObject & { status?: { phase?: string } };
      if (type === 'DELETED') running.delete(metadata.name);
      else if (status?.phase === 'Running') running.add(metadata.name);
      else running.delete(metadata.name); // it has ended, and is yet to be removed
      expect(running.size).toBeLessThanOrEqual(1);
    }
    await remove('recreate');
  });

  test('Deployment deployment should delete old replica sets', async () => {
    await make('forgetful', { revisionHistoryLimit: 0 });
    await complete('forgetful', 1);
    await retemplate('forgetful', 'two');
    await complete('forgetful', 1);
    await eventually('the old one is gone', async () => (await replicaSets('forgetful')).length === 1);
    await remove('forgetful');
  });

  test('Deployment deployment should support rollover', async () => {
    const strategy = { rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } };
    await make('rollover', { strategy });
    await complete('rollover', 1);
    const broken = {
      spec: { template: template('rollover', 'two', { readinessProbe: { exec: { command: ['false'] } } }) },
    };
    await ground().api.patch(path('rollover'), broken, 'strategic');
    await eventually('the second has begun', async () => (await replicaSets('rollover')).length === 2);
    const third = { op: 'replace', path: '/spec/template', value: template('rollover', 'three') };
    await ground().api.patch(path('rollover'), [third], 'json');
    await complete('rollover', 1);
    await eventually(
      'the older ones are empty',
      async () => (await replicaSets('rollover')).filter(({ spec }) => spec.replicas > 0).length === 1,
    );
    await remove('rollover');
  });

  test('Deployment deployment should support proportional scaling', async () => {
    const strategy = { rollingUpdate: { maxSurge: 3, maxUnavailable: 2 } };
    await make('proportional', { replicas: 10, strategy });
    await complete('proportional', 10);
    const broken = template('proportional');
    const image = [{ ...broken.spec.containers[0], image: 'kedge.local/none:404', imagePullPolicy: 'Never' }];
    await ground().api.patch(
      path('proportional'),
      { spec: { template: { spec: { containers: image } } } },
      'strategic',
    );
    const sizes = async () =>
      (await replicaSets('proportional'))
        .sort(
          (a, b) =>
            a.metadata.creationTimestamp.localeCompare(b.metadata.creationTimestamp) ||
            b.spec.replicas - a.spec.replicas,
        )
        .map(({ spec }) => spec.replicas);
    await eventually('the rollout is stuck', async () => `${await sizes()}` === '8,5');
    await ground().api.patch(path('proportional'), { spec: { replicas: 30 } });
    await eventually('both grow', async () => `${await sizes()}` === '20,13');
    await remove('proportional');
  });

  test('Deployment Deployment should have a working scale subresource', async () => {
    await make('scaled');
    await complete('scaled', 1);
    interface Scale extends KubeObject {
      spec: { replicas: number };
    }
    // The controller may write beside us.
    const updated = await eventually('it is scaled', async () => {
      const scale = await ground().api.get<Scale>(`${path('scaled')}/scale`);
      return ground().api.put<Scale>(`${path('scaled')}/scale`, { ...scale, spec: { replicas: 2 } });
    });
    expect(updated.spec.replicas).toBe(2);
    expect((await read('scaled')).spec.replicas).toBe(2);
    const patched = await ground().api.patch<Scale>(`${path('scaled')}/scale`, { spec: { replicas: 3 } });
    expect(patched.spec.replicas).toBe(3);
    await complete('scaled', 3);
    await remove('scaled');
  });

  test('Deployment should run the lifecycle of a Deployment', async () => {
    const seen = await ground().api.watchFromNow(`${path()}?labelSelector=app%3Dcycle`);
    try {
      await make('cycle');
      await complete('cycle', 1);
      const patched = await ground().api.patch<Deployment>(
        path('cycle'),
        {
          metadata: { labels: { patched: 'true' } },
          spec: { replicas: 2, template: { spec: { terminationGracePeriodSeconds: 0 } } },
        },
        'strategic',
      );
      expect(patched.metadata.labels).toMatchObject({ patched: 'true' });
      await complete('cycle', 2);
      const everywhere = await ground().api.get<{ items: Deployment[] }>(
        '/apis/apps/v1/deployments?labelSelector=app%3Dcycle',
      );
      expect(everywhere.items.map(({ metadata }) => metadata.name)).toEqual(['cycle']);
      const status = await ground().api.patch<Deployment>(`${path('cycle')}/status`, {
        metadata: { annotations: { noted: 'yes' } },
        status: { readyReplicas: 0, availableReplicas: 0 },
      });
      expect(status.status?.readyReplicas ?? 0).toBe(0);
      await complete('cycle', 2);
      await ground().api.delete(`${path()}?labelSelector=app%3Dcycle`);
      await eventually('DELETED is seen', async () => seen.events.some(({ type }) => type === 'DELETED'));
    } finally {
      seen.stop();
    }
  });

  test('Deployment should validate Deployment Status endpoints', async () => {
    await make('status');
    await complete('status', 1);
    await statusIsWritten(ground().api, path('status'));
    await remove('status');
  });
});

describe.concurrent('disruption budgets', () => {
  const ground = playground('budgets', async () => undefined);
  const path = (name?: string) => ground().path('PodDisruptionBudget', 'policy/v1', name);
  const make = (name: string, spec: object, labels: Record<string, string> = {}) =>
    ground().create(
      object(
        'PodDisruptionBudget',
        name,
        { metadata: { name, labels }, spec: { selector: { matchLabels: { app: name } }, ...spec } },
        'policy/v1',
      ),
    );
  interface Budget extends KubeObject {
    status: {
      observedGeneration?: number;
      disruptionsAllowed: number;
      conditions?: { type: string; status: string }[];
    };
  }
  const read = (name: string) => ground().api.get<Budget>(path(name));
  const processed = (name: string) =>
    eventually(`${name} is processed`, async () => {
      const { metadata, status } = await read(name);
      return status?.observedGeneration === metadata.generation;
    });
  const runs = async (app: string, count: number) => {
    const names = Array.from({ length: count }, (_, index) => `${app}-${index}`);
    await ground().create(
      ...names.map((name) => pod(name, { labels: { app }, spec: { containers: [shell('sleep 3600')] } })),
    );
    await Promise.all(names.map((name) => ground().ready(name)));
    return names;
  };

  test('DisruptionController should create a PodDisruptionBudget', async () => {
    await make('created', { minAvailable: '1%' });
    await processed('created');
    await ground().api.patch(path('created'), { spec: { minAvailable: '2%' } });
    await processed('created');
    await ground().api.delete(path('created'));
    expect((await ground().api.try('GET', path('created'))).code).toBe(404);
  });

  test('DisruptionController should observe PodDisruptionBudget status updated', async () => {
    await make('observed', { minAvailable: 1 });
    await runs('observed', 3);
    await eventually('two may go', async () => (await read('observed')).status.disruptionsAllowed === 2);
    expect((await read('observed')).status.conditions).toMatchObject([{ type: 'DisruptionAllowed', status: 'True' }]);
  });

  test('DisruptionController should update/patch PodDisruptionBudget status', async () => {
    await make('changed', { minAvailable: 1 });
    await processed('changed');
    // The controller may write beside us.
    await eventually('the status is updated', async () => {
      const now = await ground().api.get<Budget>(`${path('changed')}/status`);
      const disruptedPods = { 'a-pod': now.metadata.creationTimestamp };
      const updated = await ground().api.put<Budget>(`${path('changed')}/status`, {
        ...now,
        status: { ...now.status, disruptedPods },
      });
      expect(updated.status).toMatchObject({ disruptedPods });
      return true;
    });
    const patched = await ground().api.patch<Budget>(`${path('changed')}/status`, {
      metadata: { annotations: { patched: 'yes' } },
      status: { disruptedPods: { 'a-pod': null } },
    });
    expect(patched.status).not.toHaveProperty('disruptedPods');
  });

  test('DisruptionController should block an eviction until the PDB is updated to allow it', async () => {
    await make('blocking', { minAvailable: 3 });
    const [first = '', second = ''] = await runs('blocking', 3);
    await processed('blocking');
    const evict = (name: string) =>
      ground().api.try('POST', `${ground().path('Pod', 'v1', name)}/eviction`, {
        apiVersion: 'policy/v1',
        kind: 'Eviction',
        metadata: { name },
      });
    const isRefused = async (name: string) => {
      const { code, text } = await evict(name);
      expect(code).toBe(429);
      expect(text).toContain("Cannot evict pod as it would violate the pod's disruption budget.");
      expect(JSON.parse(text).details.causes).toMatchObject([{ reason: 'DisruptionBudget' }]);
    };
    await isRefused(first);
    await ground().api.patch(path('blocking'), { spec: { minAvailable: 2 } });
    await eventually('it may go', async () => (await evict(first)).code === 201);
    await ground().gone(ground().path('Pod', 'v1', first));

    await ground().api.patch(path('blocking'), { spec: { minAvailable: 3 } });
    await processed('blocking');
    await isRefused(second);
    await ground().api.delete(path('blocking'));
    await eventually('without a budget it may go', async () => (await evict(second)).code === 201);
  });

  test('DisruptionController Listing PodDisruptionBudgets for all namespaces should list and delete a collection of PodDisruptionBudgets', async () => {
    for (const name of ['listed-1', 'listed-2', 'listed-3'])
      await make(name, { minAvailable: 1 }, { collection: 'budgets' });
    const selected = '/apis/policy/v1/poddisruptionbudgets?labelSelector=collection%3Dbudgets';
    expect((await ground().api.get<{ items: object[] }>(selected)).items).toHaveLength(3);
    await ground().api.delete(`${path()}?labelSelector=collection%3Dbudgets`);
    await eventually(
      'they are gone',
      async () => (await ground().api.get<{ items: object[] }>(selected)).items.length === 0,
    );
  });
});
