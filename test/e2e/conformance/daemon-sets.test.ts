/** DaemonSets on the nodes of the cluster, and the revisions of their templates. */
import { describe, expect, test } from 'vitest';
import type { ControllerRevision } from '#api/apps/v1/controller-revision.ts';
import type { DaemonSet } from '#api/apps/v1/daemon-set.ts';
import type { Node } from '#api/core/v1/node.ts';
import type { Pod } from '#api/core/v1/pod.ts';
import { eventually } from '../running-cluster.ts';
import { object, playground, shell } from './playground.ts';
import { statusIsWritten } from './status-endpoint.ts';

describe('daemon sets', () => {
  const ground = playground('daemons', async () => undefined);
  const path = (name?: string) => ground().path('DaemonSet', 'apps/v1', name);
  const template = (app: string, spec: object = {}, say = 'one') => ({
    metadata: { labels: { app } },
    spec: { terminationGracePeriodSeconds: 1, containers: [shell(`echo ${say}; sleep 3600`)], ...spec },
  });
  const make = (name: string, spec: object = {}) =>
    ground().create(
      object(
        'DaemonSet',
        name,
        {
          metadata: { name, labels: { app: name } },
          spec: { selector: { matchLabels: { app: name } }, template: template(name), ...spec },
        },
        'apps/v1',
      ),
    );
  const read = (name: string) => ground().api.get<DaemonSet>(path(name));
  const podsOf = async (name: string) =>
    (await ground().pods(`app=${name}`)).filter(({ metadata }) => !metadata.deletionTimestamp);
  const nodes = async () => (await ground().api.get<{ items: Node[] }>('/api/v1/nodes')).items;
  const runs = (name: string, count: number) =>
    eventually(`${name} runs on ${count} nodes`, async () => {
      const { metadata, status } = await read(name);
      const isCurrent = status?.observedGeneration === metadata.generation;
      const pods = await podsOf(name);
      return (
        isCurrent &&
        (status?.numberAvailable ?? 0) === count &&
        (status?.updatedNumberScheduled ?? 0) === count &&
        pods.length === count &&
        pods
      );
    });
  const remove = (name: string) => ground().api.delete(path(name), { propagationPolicy: 'Background' });
  const revisionsOf = async (name: string) =>
    (
      await ground().api.get<{ items: ControllerRevision[] }>(
        `${ground().path('ControllerRevision', 'apps/v1')}?labelSelector=app%3D${name}`,
      )
    ).items;

  test('Daemon set should run and stop simple daemon', async () => {
    await make('simple');
    const all = await nodes();
    const pods = await runs('simple', all.length);
    expect(new Set(pods.map(({ spec }) => spec.nodeName)).size).toBe(all.length);
    const [first] = pods;
    await ground().api.delete(ground().path('Pod', 'v1', first?.metadata.name));
    await eventually('it is revived', async () => {
      const now = await podsOf('simple');
      return now.length === all.length && now.every(({ metadata }) => metadata.uid !== first?.metadata.uid);
    });
    await remove('simple');
    await eventually('they are stopped', async () => (await podsOf('simple')).length === 0);
  });

  test('Daemon set should run and stop complex daemon', async () => {
    const [node] = await nodes();
    const colour = (value: string | null) =>
      ground().api.patch(`/api/v1/nodes/${node?.metadata.name}`, {
        metadata: { labels: { 'daemonset-color': value } },
      });
    await make('complex', { template: template('complex', { nodeSelector: { 'daemonset-color': 'blue' } }) });
    await eventually('it is looked at', async () => (await read('complex')).status?.observedGeneration === 1);
    expect(await podsOf('complex')).toEqual([]);
    await colour('blue');
    await runs('complex', 1);
    await colour('green');
    await eventually('it is gone', async () => (await podsOf('complex')).length === 0);
    await ground().api.patch(path('complex'), {
      spec: {
        template: { spec: { nodeSelector: { 'daemonset-color': 'green' } } },
        updateStrategy: { type: 'RollingUpdate' },
      },
    });
    await runs('complex', 1);
    await colour(null);
    await remove('complex');
  });

  test('Daemon set should retry creating failed daemon pods', async () => {
    await make('retried');
    const count = (await nodes()).length;
    const [pod] = await runs('retried', count);
    const { name, uid } = pod?.metadata ?? { name: '', uid: '' };
    await eventually('another takes its place', async () => {
      const now = await podsOf('retried');
      // Said again where its kubelet, who knows better, was quicker than the controller.
      if (now.some(({ metadata }) => metadata.uid === uid))
        await ground().api.try(
          'PATCH',
          `${ground().path('Pod', 'v1', name)}/status`,
          { status: { phase: 'Failed' } },
          'application/merge-patch+json',
        );
      return now.length === count && now.every(({ metadata }) => metadata.uid !== uid);
    });
    await remove('retried');
  });

  test('Daemon set should update pod when spec was updated and update strategy is RollingUpdate', async () => {
    await make('updated', { updateStrategy: { type: 'RollingUpdate' } });
    const count = (await nodes()).length;
    const before = await runs('updated', count);
    await ground().api.patch(path('updated'), { spec: { template: template('updated', {}, 'two') } });
    const after = await runs('updated', count);
    const uids = new Set(before.map(({ metadata }) => metadata.uid));
    expect(after.some(({ metadata }) => uids.has(metadata.uid))).toBe(false);
    const hashes = after.map(({ metadata }) => metadata.labels?.['controller-revision-hash']);
    expect(new Set(hashes).size).toBe(1);
    expect((await revisionsOf('updated')).map(({ revision }) => revision).sort()).toEqual([1, 2]);
    await remove('updated');
  });

  test('Daemon set should rollback without unnecessary restarts', async () => {
    await make('rolled-back');
    const count = (await nodes()).length;
    const before = await runs('rolled-back', count);
    const broken = { containers: [{ ...shell('true'), image: 'kedge.local/none:404', imagePullPolicy: 'Never' }] };
    await ground().api.patch(path('rolled-back'), { spec: { template: { spec: broken } } });
    const isOld = ({ metadata }: Pod) => before.some((pod) => pod.metadata.uid === metadata.uid);
    await eventually('one is replaced', async () => {
      const now = await podsOf('rolled-back');
      return now.length === count && now.filter(isOld).length === count - 1;
    });
    await ground().cluster.kubectl('-n', ground().namespace, 'rollout', 'undo', 'daemonset/rolled-back');
    const after = await runs('rolled-back', count);
    expect(after.filter(isOld)).toHaveLength(count - 1);
    await remove('rolled-back');
  });

  test('Daemon set should list and delete a collection of DaemonSets', async () => {
    await make('collected', { template: template('collected', { nodeSelector: { nowhere: 'yes' } }) });
    const selected = '/apis/apps/v1/daemonsets?labelSelector=app%3Dcollected';
    expect((await ground().api.get<{ items: object[] }>(selected)).items).toHaveLength(1);
    await ground().api.delete(`${path()}?labelSelector=app%3Dcollected`);
    await eventually(
      'it is gone',
      async () => (await ground().api.get<{ items: object[] }>(selected)).items.length === 0,
    );
  });

  test('Daemon set should verify changes to a daemon set status', async () => {
    await make('status', { template: template('status', { nodeSelector: { nowhere: 'yes' } }) });
    await eventually('it is looked at', async () => (await read('status')).status?.observedGeneration === 1);
    await statusIsWritten(ground().api, path('status'));
    await remove('status');
  });

  test('ControllerRevision should manage the lifecycle of a ControllerRevision', async () => {
    await make('revised', { template: template('revised', { nodeSelector: { nowhere: 'yes' } }) });
    const [first] = await eventually('there is a revision', async () => {
      const all = await revisionsOf('revised');
      return all.length === 1 && all;
    });
    const revisionPath = (name?: string) => ground().path('ControllerRevision', 'apps/v1', name);
    const one = revisionPath(first?.metadata.name);
    const patched = await ground().api.patch<ControllerRevision>(one, { metadata: { labels: { patched: 'yes' } } });
    expect(patched.metadata.labels).toMatchObject({ patched: 'yes' });
    const second = await ground().api.post<ControllerRevision>(revisionPath(), {
      ...object('ControllerRevision', 'revised-by-hand', {}, 'apps/v1'),
      metadata: {
        name: 'revised-by-hand',
        labels: { app: 'revised' },
        ownerReferences: first?.metadata.ownerReferences,
      },
      data: first?.data,
      revision: (first?.revision ?? 0) + 1,
    });
    const updated = await ground().api.put<ControllerRevision>(revisionPath('revised-by-hand'), {
      ...second,
      metadata: { ...second.metadata, labels: { ...second.metadata.labels, updated: 'yes' } },
    });
    expect(updated.metadata.labels).toMatchObject({ updated: 'yes' });
    await ground().api.delete(one);
    await ground().gone(one);
    await ground().api.patch(path('revised'), { spec: { template: { spec: { terminationGracePeriodSeconds: 2 } } } });
    await eventually('there is a newer one', async () =>
      (await revisionsOf('revised')).some(({ revision }) => revision === 3),
    );
    await ground().api.delete(`${revisionPath()}?labelSelector=updated%3Dyes`);
    await ground().gone(revisionPath('revised-by-hand'));
    await remove('revised');
  });
});
