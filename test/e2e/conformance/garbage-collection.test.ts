/** What goes with its owner, what stays, and who waits for whom. */
import { describe, expect, test } from 'vitest';
import type { Pod } from '#api/core/v1/pod.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { eventually } from '../running-cluster.ts';
import { object, playground, pod, shell } from './playground.ts';

interface Owned extends KubeObject {
  status?: { replicas?: number };
}

describe('garbage collection', () => {
  const ground = playground('garbage', async () => undefined);
  const rcPath = (name: string) => ground().path('ReplicationController', 'v1', name);
  const template = (name: string) => ({
    metadata: { labels: { app: name } },
    spec: { terminationGracePeriodSeconds: 1, containers: [shell('sleep 3600')] },
  });
  const podsOf = (name: string) => ground().pods(`app=${name}`);

  async function makeController(name: string, replicas: number): Promise<Owned> {
    const spec = { replicas, selector: { app: name }, template: template(name) };
    await ground().create(object('ReplicationController', name, { spec }));
    return eventually(`${name} has its pods`, async () => {
      const rc = await ground().api.get<Owned>(rcPath(name));
      return rc.status?.replicas === replicas && rc;
    });
  }
  async function makeDeployment(name: string): Promise<KubeObject> {
    const spec = { replicas: 2, selector: { matchLabels: { app: name } }, template: template(name) };
    await ground().create(object('Deployment', name, { spec }, 'apps/v1'));
    return eventually('there is a ReplicaSet', async () => (await replicaSetsOf(name))[0]);
  }
  const replicaSetsOf = async (name: string) =>
    (
      await ground().api.get<{ items: KubeObject[] }>(
        `${ground().path('ReplicaSet', 'apps/v1')}?labelSelector=app%3D${name}`,
      )
    ).items;
  const remove = ({ metadata }: KubeObject, path: string, propagationPolicy: string) =>
    ground().api.delete(path, { propagationPolicy, preconditions: { uid: metadata.uid } });
  const ownersOf = ({ metadata }: KubeObject) => (metadata.ownerReferences ?? []).map(({ name }) => name);

  test('Garbage collector should delete pods created by rc when not orphaning', async () => {
    const rc = await makeController('simple', 2);
    await remove(rc, rcPath('simple'), 'Background');
    await eventually('the pods are gone', async () => (await podsOf('simple')).length === 0);
    await ground().gone(rcPath('simple'));
  });

  test('Garbage collector should orphan pods created by rc if delete options say so', async () => {
    const rc = await makeController('orphaning', 5);
    await remove(rc, rcPath('orphaning'), 'Orphan');
    await ground().gone(rcPath('orphaning'));
    await eventually('the pods have no owner', async () =>
      (await podsOf('orphaning')).every((each) => ownersOf(each).length === 0),
    );
    const left = await podsOf('orphaning');
    expect(left).toHaveLength(5);
    expect(left.every(({ metadata }) => metadata.deletionTimestamp === undefined)).toBe(true);
    await ground().api.delete(`${ground().path('Pod')}?labelSelector=app%3Dorphaning`);
  });

  test('Garbage collector should delete RS created by deployment when not orphaning', async () => {
    await makeDeployment('rolled');
    const path = ground().path('Deployment', 'apps/v1', 'rolled');
    await remove(await ground().api.get(path), path, 'Background');
    await eventually('the ReplicaSet is gone', async () => (await replicaSetsOf('rolled')).length === 0);
    await eventually('the pods are gone', async () => (await podsOf('rolled')).length === 0);
  });

  test('Garbage collector should orphan RS created by deployment when deleteOptions.PropagationPolicy is Orphan', async () => {
    const { metadata } = await makeDeployment('left');
    const path = ground().path('Deployment', 'apps/v1', 'left');
    await remove(await ground().api.get(path), path, 'Orphan');
    await ground().gone(path);
    const [kept] = await eventually('it has no owner', async () => {
      const sets = await replicaSetsOf('left');
      return sets.length === 1 && ownersOf(sets[0] as KubeObject).length === 0 && sets;
    });
    expect(kept?.metadata.uid).toBe(metadata.uid);
    await ground().api.delete(ground().path('ReplicaSet', 'apps/v1', metadata.name), {
      propagationPolicy: 'Background',
    });
  });

  test('Garbage collector should keep the rc around until all its pods are deleted if the deleteOptions says so', async () => {
    const rc = await makeController('waiting', 3);
    const [held] = await podsOf('waiting');
    const heldPath = ground().path('Pod', 'v1', held?.metadata.name);
    await ground().api.patch(heldPath, { metadata: { finalizers: ['e2e.example.com/held'] } });
    await remove(rc, rcPath('waiting'), 'Foreground');
    await eventually('one pod is left', async () => (await podsOf('waiting')).length === 1);
    const there = await ground().api.get<KubeObject>(rcPath('waiting'));
    expect(there.metadata.finalizers).toEqual(['foregroundDeletion']);
    expect(there.metadata.deletionTimestamp).toBeDefined();
    await ground().api.patch(heldPath, { metadata: { finalizers: null } });
    await ground().gone(rcPath('waiting'));
    expect(await podsOf('waiting')).toEqual([]);
  });

  test("Garbage collector should not delete dependents that have both valid owner and owner that's waiting for dependents to be deleted", async () => {
    const [going, staying] = await Promise.all([makeController('going', 4), makeController('staying', 0)]);
    const shared = (await podsOf('going')).slice(0, 2);
    const reference = { apiVersion: 'v1', kind: 'ReplicationController', name: 'staying', uid: staying.metadata.uid };
    for (const { metadata } of shared) {
      const add = [{ op: 'add', path: '/metadata/ownerReferences/-', value: reference }];
      await ground().api.patch(ground().path('Pod', 'v1', metadata.name), add, 'json');
    }
    await remove(going, rcPath('going'), 'Foreground');
    await ground().gone(rcPath('going'));
    const left = (await podsOf('going')).filter(({ metadata }) => !metadata.deletionTimestamp);
    expect(left.map(({ metadata }) => metadata.name).sort()).toEqual(
      shared.map(({ metadata }) => metadata.name).sort(),
    );
    for (const each of left) expect(ownersOf(each)).toEqual(['staying']);
    await remove(staying, rcPath('staying'), 'Background');
  });

  test('Garbage collector should not be blocked by dependency circle', async () => {
    const names = ['circle-1', 'circle-2', 'circle-3'];
    await ground().create(
      ...names.map((name) => pod(name, { labels: { app: 'circle' }, spec: { containers: [shell('sleep 3600')] } })),
    );
    const pods: Pod[] = await Promise.all(names.map((name) => ground().pod(name)));
    for (const [index, { metadata }] of pods.entries()) {
      const owner = pods[(index + 2) % 3] as Pod;
      const reference = {
        apiVersion: 'v1',
        kind: 'Pod',
        name: owner.metadata.name,
        uid: owner.metadata.uid,
        controller: true,
        blockOwnerDeletion: true,
      };
      await ground().api.patch(ground().path('Pod', 'v1', metadata.name), {
        metadata: { ownerReferences: [reference] },
      });
    }
    await remove(pods[0] as Pod, ground().path('Pod', 'v1', 'circle-1'), 'Foreground');
    await eventually('all are gone', async () => (await podsOf('circle')).length === 0);
  });
});
