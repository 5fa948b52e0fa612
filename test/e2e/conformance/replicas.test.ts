/** ReplicaSets and ReplicationControllers with real pods. */
import { describe, expect, test } from 'vitest';
import type { ReplicaSet } from '#api/apps/v1/replica-set.ts';
import type { Pod } from '#api/core/v1/pod.ts';
import type { ReplicationController } from '#api/core/v1/replication-controller.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { eventually, holds } from '../running-cluster.ts';
import { SERVER } from './image.ts';
import { container, object, playground, pod, shell } from './playground.ts';

const FORMS = [
  { kind: 'ReplicaSet', apiVersion: 'apps/v1', selector: (app: string): object => ({ matchLabels: { app } }) },
  { kind: 'ReplicationController', apiVersion: 'v1', selector: (app: string): object => ({ app }) },
] as const;
type Replicated = ReplicaSet | ReplicationController;

describe.concurrent('replicas', () => {
  const ground = playground('replicas', async () => undefined);
  const template = (app: string, main = shell('sleep 3600')) => ({
    metadata: { labels: { app } },
    spec: { terminationGracePeriodSeconds: 1, containers: [main] },
  });
  const podsOf = (app: string) => ground().pods(`app=${app}`);
  const ownerOf = ({ metadata }: Pod) => metadata.ownerReferences?.[0]?.kind;

  function of({ kind, apiVersion, selector }: (typeof FORMS)[number]) {
    const path = (name?: string) => ground().path(kind, apiVersion, name);
    const make = (name: string, replicas: number, more: object = {}) =>
      ground().create(
        object(
          kind,
          name,
          {
            spec: { replicas, selector: selector(name), template: template(name), ...more },
            metadata: { name, labels: { app: name } },
          },
          apiVersion,
        ),
      );
    const read = (name: string) => ground().api.get<Replicated>(path(name));
    const ready = (name: string, count: number) =>
      eventually(`${name} has ${count} ready`, async () => {
        const found = await read(name);
        return (found.status?.readyReplicas ?? 0) === count && found;
      });
    const remove = (name: string) => ground().api.delete(path(name), { propagationPolicy: 'Background' });
    return { path, make, read, ready, remove };
  }

  const serves = async (form: (typeof FORMS)[number], name: string) => {
    const { make, ready, remove } = of(form);
    await make(name, 2, { template: template(name, container({ command: SERVER })) });
    await ready(name, 2);
    for (const { metadata, status } of await podsOf(name))
      await holds(`${metadata.name} listens`, async () =>
        expect(await ground().exec(metadata.name, `wget -qO- http://${status?.podIP}:8080/`)).toBe(metadata.name),
      );
    await remove(name);
  };
  test('ReplicaSet should serve a basic image on each replica with a public image', () =>
    serves(FORMS[0], 'rs-serves'));
  test('ReplicationController should serve a basic image on each replica with a public image', () =>
    serves(FORMS[1], 'rc-serves'));

  const adopts = async (form: (typeof FORMS)[number], name: string) => {
    const { make, remove } = of(form);
    await ground().create(pod(name, { labels: { app: name }, spec: { containers: [shell('sleep 3600')] } }));
    await make(name, 1);
    await eventually('the pod is adopted', async () => ownerOf(await ground().pod(name)) === form.kind);
    expect(await podsOf(name)).toHaveLength(1);
    return { remove: () => remove(name) };
  };
  const releases = async (form: (typeof FORMS)[number], name: string) => {
    await ground().api.patch(ground().path('Pod', 'v1', name), { metadata: { labels: { app: 'released' } } });
    await eventually('the pod is released', async () => ownerOf(await ground().pod(name)) === undefined);
    await eventually('another takes its place', async () => (await podsOf(name)).length === 1);
    await of(form).remove(name);
  };
  test('ReplicaSet should adopt matching pods on creation and release no longer matching pods', async () => {
    await adopts(FORMS[0], 'rs-adopts');
    await releases(FORMS[0], 'rs-adopts');
  });
  test('ReplicationController should adopt matching pods on creation', async () => {
    const { remove } = await adopts(FORMS[1], 'rc-adopts');
    await remove();
  });
  test('ReplicationController should release no longer matching pods', async () => {
    const { make, ready } = of(FORMS[1]);
    await make('rc-releases', 1);
    await ready('rc-releases', 1);
    const [first] = await podsOf('rc-releases');
    await ground().api.patch(ground().path('Pod', 'v1', first?.metadata.name), {
      metadata: { labels: { app: 'else' } },
    });
    await eventually(
      'it is released',
      async () => ownerOf(await ground().pod(first?.metadata.name ?? '')) === undefined,
    );
    await of(FORMS[1]).remove('rc-releases');
  });

  interface Scale extends KubeObject {
    spec: { replicas: number };
    status: { replicas: number; selector?: string };
  }
  const scales = async (form: (typeof FORMS)[number], name: string) => {
    const { make, ready, path, read, remove } = of(form);
    await make(name, 1);
    await ready(name, 1);
    const scale = await ground().api.get<Scale>(`${path(name)}/scale`);
    expect(scale).toMatchObject({ kind: 'Scale', spec: { replicas: 1 }, status: { replicas: 1 } });
    // The controller may write beside us.
    const updated = await eventually('it is scaled', async () => {
      const now = await ground().api.get<Scale>(`${path(name)}/scale`);
      return ground().api.put<Scale>(`${path(name)}/scale`, { ...now, spec: { replicas: 2 } });
    });
    expect(updated.spec.replicas).toBe(2);
    expect((await read(name)).spec.replicas).toBe(2);
    await ready(name, 2);
    const patched = await ground().api.patch<Scale>(`${path(name)}/scale`, { spec: { replicas: 3 } });
    expect(patched.spec.replicas).toBe(3);
    await remove(name);
  };
  test('ReplicaSet Replicaset should have a working scale subresource', () => scales(FORMS[0], 'rs-scales'));
  test('ReplicationController should get and update a ReplicationController scale', () =>
    scales(FORMS[1], 'rc-scales'));

  test('ReplicaSet Replace and Patch tests', async () => {
    const { make, ready, path, read, remove } = of(FORMS[0]);
    await make('rs-changes', 1);
    const found = await ready('rs-changes', 1);
    await eventually('it is replaced', async () => {
      const now = await read('rs-changes');
      return (
        (await ground().api.try('PUT', path('rs-changes'), { ...now, spec: { ...now.spec, replicas: 2 } })).code === 200
      );
    });
    await ready('rs-changes', 2);
    const patched = await ground().api.patch<ReplicaSet>(
      path('rs-changes'),
      {
        metadata: { labels: { patched: 'true' } },
        spec: { replicas: 3, template: { spec: { terminationGracePeriodSeconds: 0 } } },
      },
      'strategic',
    );
    expect(patched.metadata).toMatchObject({ uid: found.metadata.uid, labels: { patched: 'true' } });
    expect(patched.spec.template.spec.terminationGracePeriodSeconds).toBe(0);
    await ready('rs-changes', 3);
    await remove('rs-changes');
  });

  test('ReplicaSet should list and delete a collection of ReplicaSets', async () => {
    const { make, ready, path } = of(FORMS[0]);
    for (const name of ['rs-list-1', 'rs-list-2']) {
      await make(name, 1, { template: { ...template(name), metadata: { labels: { app: name, collection: 'rs' } } } });
      await ready(name, 1);
      await ground().api.patch(path(name), { metadata: { labels: { collection: 'rs' } } });
    }
    const selected = '/apis/apps/v1/replicasets?labelSelector=collection%3Drs';
    expect((await ground().api.get<{ items: object[] }>(selected)).items).toHaveLength(2);
    await ground().api.delete(`${path()}?labelSelector=collection%3Drs`, { propagationPolicy: 'Background' });
    await eventually(
      'they are gone',
      async () => (await ground().api.get<{ items: object[] }>(selected)).items.length === 0,
    );
  });

  test('ReplicaSet should validate Replicaset Status endpoints', async () => {
    const { make, ready, path, read, remove } = of(FORMS[0]);
    await make('rs-status', 1);
    await ready('rs-status', 1);
    const said = { type: 'StatusUpdate', status: 'True', reason: 'E2E', message: 'set by a test' };
    await eventually('the status is updated', async () => {
      const now = (await read('rs-status')) as ReplicaSet;
      const conditions = [...(now.status?.conditions ?? []), said];
      const { code } = await ground().api.try('PUT', `${path('rs-status')}/status`, {
        ...now,
        status: { ...now.status, conditions },
      });
      return code === 200;
    });
    expect((await ground().api.get<ReplicaSet>(`${path('rs-status')}/status`)).status?.conditions).toMatchObject([
      said,
    ]);
    const conditions = [{ type: 'StatusPatched', status: 'True' }];
    const patched = await ground().api.patch<ReplicaSet>(`${path('rs-status')}/status`, { status: { conditions } });
    expect(patched.status?.conditions).toMatchObject(conditions);
    await remove('rs-status');
  });

  test('ReplicationController should test the lifecycle of a ReplicationController', async () => {
    const { make, ready, path, read } = of(FORMS[1]);
    const seen = await ground().api.watchFromNow(`${path()}?labelSelector=app%3Drc-cycle`);
    try {
      await make('rc-cycle', 1);
      await ready('rc-cycle', 1);
      const patched = await ground().api.patch<KubeObject>(path('rc-cycle'), {
        metadata: { labels: { patched: 'true' } },
        spec: { replicas: 2 },
      });
      expect(patched.metadata.labels).toMatchObject({ patched: 'true' });
      await ready('rc-cycle', 2);
      const status = await ground().api.patch<ReplicationController>(`${path('rc-cycle')}/status`, {
        status: { readyReplicas: 0, availableReplicas: 0 },
      });
      expect(status.status?.readyReplicas ?? 0).toBe(0);
      await ready('rc-cycle', 2);
      const { metadata } = await read('rc-cycle');
      await ground().api.delete(`${path()}?labelSelector=app%3Drc-cycle`, { preconditions: { uid: metadata.uid } });
      await eventually('all is seen', async () => seen.events.some(({ type }) => type === 'DELETED'));
      expect(new Set(seen.events.map(({ type }) => type))).toEqual(new Set(['ADDED', 'MODIFIED', 'DELETED']));
    } finally {
      seen.stop();
    }
  });

  test('ReplicationController should surface a failure condition on a common issue like exceeded quota', async () => {
    await ground().api.post('/api/v1/namespaces', object('Namespace', 'conformance-quota'));
    const inside = '/api/v1/namespaces/conformance-quota';
    await ground().api.post(
      `${inside}/resourcequotas`,
      object('ResourceQuota', 'two', { spec: { hard: { pods: '2' } } }),
    );
    await eventually(
      'the quota is known',
      async () =>
        (await ground().api.get<{ status?: { hard?: object } } & KubeObject>(`${inside}/resourcequotas/two`)).status
          ?.hard,
    );
    const rc = object('ReplicationController', 'crowd', {
      spec: { replicas: 3, selector: { app: 'crowd' }, template: template('crowd') },
    });
    await ground().api.post(`${inside}/replicationcontrollers`, rc);
    const conditions = async () =>
      (await ground().api.get<ReplicationController>(`${inside}/replicationcontrollers/crowd`)).status?.conditions;
    await eventually('it says that it cannot', async () =>
      (await conditions())?.some(({ type, reason }) => type === 'ReplicaFailure' && reason === 'FailedCreate'),
    );
    await ground().api.patch(`${inside}/replicationcontrollers/crowd`, { spec: { replicas: 2 } });
    await eventually('the condition goes', async () => (await conditions()) === undefined);
    await ground().api.delete('/api/v1/namespaces/conformance-quota');
  });
});
