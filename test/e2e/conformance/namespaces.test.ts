/** Namespaces: how they change, and how they go with all that is in them. */
import { describe, expect, test } from 'vitest';
import type { Namespace } from '#api/core/v1/namespace.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { eventually } from '../running-cluster.ts';
import { object, playground, pod, shell } from './playground.ts';

interface Listed {
  items: KubeObject[];
}

describe('namespaces', () => {
  const ground = playground('namespaces', async () => undefined);
  const all = '/api/v1/namespaces';
  const make = (name: string, parts: object = {}) =>
    ground().api.post<Namespace>(all, object('Namespace', name, parts));
  const read = (name: string) => ground().api.get<Namespace>(`${all}/${name}`);
  const count = async (path: string) => (await ground().api.get<Listed>(path)).items.length;
  const gone = (name: string) => ground().gone(`${all}/${name}`);

  test('Namespaces should ensure that all pods are removed when a namespace is deleted', async () => {
    await make('ns-pods');
    const pods = `${all}/ns-pods/pods`;
    await eventually('the ServiceAccount is there', async () => (await count(`${all}/ns-pods/serviceaccounts`)) === 1);
    await ground().api.post(pods, pod('held', { spec: { containers: [shell('sleep 3600')] } }));
    await eventually('the pod runs', async () => {
      const { items } = await ground().api.get<{ items: { status?: { phase?: string } }[] }>(pods);
      return items[0]?.status?.phase === 'Running';
    });
    await ground().api.delete(`${all}/ns-pods`);
    expect((await read('ns-pods')).status?.phase).toBe('Terminating');
    await gone('ns-pods');
    await make('ns-pods');
    expect(await count(pods)).toBe(0);
    await ground().api.delete(`${all}/ns-pods`);
  });

  test('Namespaces should ensure that all services are removed when a namespace is deleted', async () => {
    await make('ns-services');
    const services = `${all}/ns-services/services`;
    await ground().api.post(services, object('Service', 'kept', { spec: { ports: [{ port: 80 }] } }));
    await ground().api.delete(`${all}/ns-services`);
    await gone('ns-services');
    await make('ns-services');
    expect(await count(services)).toBe(0);
    await ground().api.delete(`${all}/ns-services`);
  });

  test('Namespaces should patch a Namespace', async () => {
    await make('ns-patched');
    const patched = await ground().api.patch<Namespace>(
      `${all}/ns-patched`,
      { metadata: { labels: { testLabel: 'testValue' } } },
      'strategic',
    );
    expect(patched.metadata.labels).toEqual({ testLabel: 'testValue', 'kubernetes.io/metadata.name': 'ns-patched' });
    expect(await read('ns-patched')).toEqual(patched);
    await ground().api.delete(`${all}/ns-patched`);
  });

  test('Namespaces should apply changes to a namespace status', async () => {
    const made = await make('ns-status');
    expect(made.status?.phase).toBe('Active');
    const path = `${all}/ns-status/status`;
    const condition = { type: 'StatusPatched', status: 'True', reason: 'E2E', message: 'patched by a test' };
    const patched = await ground().api.patch<Namespace>(path, { status: { conditions: [condition] } });
    expect(patched.status?.conditions).toMatchObject([condition]);
    const second = { type: 'StatusUpdated', status: 'True', reason: 'E2E', message: 'updated by a test' };
    const updated = await ground().api.put<Namespace>(path, {
      ...patched,
      status: { ...patched.status, conditions: [...(patched.status?.conditions ?? []), second] },
    });
    expect(updated.status?.conditions).toMatchObject([condition, second]);
    expect((await read('ns-status')).status).toEqual(updated.status);
    await ground().api.delete(`${all}/ns-status`);
  });

  test('Namespaces should apply an update to a Namespace', async () => {
    const made = await make('ns-updated');
    const labels = { ...made.metadata.labels, 'updated-by': 'a-test' };
    const updated = await ground().api.put<Namespace>(`${all}/ns-updated`, {
      ...made,
      metadata: { ...made.metadata, labels },
    });
    expect(updated.metadata.labels).toEqual(labels);
    await ground().api.delete(`${all}/ns-updated`);
  });

  test('Namespaces should apply a finalizer to a Namespace', async () => {
    const FINALIZER = 'e2e.example.com/fakeFinalizer';
    const made = await make('ns-finalized');
    const path = `${all}/ns-finalized/finalize`;
    const held = await ground().api.put<Namespace>(path, {
      ...made,
      spec: { finalizers: [...(made.spec?.finalizers ?? []), FINALIZER] },
    });
    expect(held.spec?.finalizers).toEqual(['kubernetes', FINALIZER]);
    await ground().api.delete(`${all}/ns-finalized`);
    await eventually(
      'only the finalizer of the test is left',
      async () => `${(await read('ns-finalized')).spec?.finalizers}` === FINALIZER,
    );
    await eventually('it may go', async () => {
      const waiting = await read('ns-finalized'); // its controller may write beside us
      return ground().api.put(path, { ...waiting, spec: { finalizers: [] } });
    });
    await gone('ns-finalized');
  });

  test('OrderedNamespaceDeletion namespace deletion should delete pod first', async () => {
    await make('ns-ordered');
    const inside = `${all}/ns-ordered`;
    await eventually('the ServiceAccount is there', async () => (await count(`${inside}/serviceaccounts`)) === 1);
    const held = {
      ...pod('held', { spec: {} }),
      metadata: { name: 'held', finalizers: ['e2e.example.com/finalizer'] },
    };
    await ground().api.post(`${inside}/pods`, held);
    await ground().api.post(`${inside}/configmaps`, object('ConfigMap', 'kept'));
    await ground().api.delete(inside);
    await eventually('it says what is left', async () => {
      const { status } = await read('ns-ordered');
      return status?.conditions?.some(
        ({ type, status: is, message }) =>
          type === 'NamespaceContentRemaining' && is === 'True' && message?.includes('pods. has 1 resource instances'),
      );
    });
    expect((await ground().api.get<KubeObject>(`${inside}/pods/held`)).metadata.deletionTimestamp).toBeDefined();
    expect(
      (await ground().api.get<KubeObject>(`${inside}/configmaps/kept`)).metadata.deletionTimestamp,
    ).toBeUndefined();
    await ground().api.patch(`${inside}/pods/held`, { metadata: { finalizers: null } });
    await gone('ns-ordered');
  });
});
