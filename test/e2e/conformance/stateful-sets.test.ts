/** StatefulSets with real pods. */
import { describe, expect, test } from 'vitest';
import type { StatefulSet } from '#api/apps/v1/stateful-set.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { eventually } from '../running-cluster.ts';
import { isReady, object, playground, pod, shell } from './playground.ts';
import { statusIsWritten } from './status-endpoint.ts';

const READY_FILE = { exec: { command: ['test', '-e', '/tmp/ready'] } };

describe.concurrent('stateful sets', () => {
  const ground = playground('stateful', async (it) => {
    await it.create(object('Service', 'nginx', { spec: { clusterIP: 'None', ports: [{ port: 80 }] } }));
    return undefined;
  });
  const path = (name?: string) => ground().path('StatefulSet', 'apps/v1', name);
  const read = (name: string) => ground().api.get<StatefulSet>(path(name));
  const template = (app: string, say = 'one', main: object = {}) => ({
    metadata: { labels: { app } },
    spec: { terminationGracePeriodSeconds: 1, containers: [shell(`echo ${say}; touch /tmp/ready; sleep 3600`, main)] },
  });
  const PROBED = { readinessProbe: { ...READY_FILE, periodSeconds: 1, failureThreshold: 1 } };
  const make = (name: string, spec: object = {}) =>
    ground().create(
      object(
        'StatefulSet',
        name,
        {
          metadata: { name, labels: { app: name } },
          spec: {
            serviceName: 'nginx',
            replicas: 3,
            selector: { matchLabels: { app: name } },
            template: template(name),
            ...spec,
          },
        },
        'apps/v1',
      ),
    );
  const podsOf = async (name: string) =>
    (await ground().pods(`app=${name}`)).sort((a, b) => a.metadata.name.localeCompare(b.metadata.name));
  const ready = (name: string, count: number) =>
    eventually(`${name} has ${count} ready`, async () => {
      const { metadata, status } = await read(name);
      if (!status || status.observedGeneration !== metadata.generation) return false;
      return (status.readyReplicas ?? 0) === count && status.replicas === count;
    });
  const patch = (name: string, spec: object) => ground().api.patch<StatefulSet>(path(name), { spec }, 'strategic');
  const revisionsOf = async (name: string) =>
    Object.fromEntries(
      (await podsOf(name)).map(({ metadata }) => [metadata.name, metadata.labels?.['controller-revision-hash']]),
    );
  const remove = (name: string) => ground().api.delete(path(name), { propagationPolicy: 'Background' });
  const setReady = (podName: string, isWell: boolean) =>
    ground().exec(podName, isWell ? 'touch /tmp/ready' : 'rm -f /tmp/ready');
  const isUnready = (podName: string) =>
    eventually(`${podName} is not ready`, async () => !isReady(await ground().pod(podName)));
  /** What its controller knows, which is what it acts on. */
  const knownReady = (name: string, count: number) =>
    eventually(
      `${name} knows of ${count} ready`,
      async () => ((await read(name)).status?.readyReplicas ?? 0) === count,
    );
  /** Has begun: those that are there were told of. */
  const watchPods = async (name: string) => {
    const watch = ground().api.watch(`${ground().path('Pod')}?labelSelector=app%3D${name}`);
    await eventually('the watch has begun', async () => watch.events.length > 0);
    return watch;
  };
  type Watch = Awaited<ReturnType<typeof watchPods>>;
  const namesOf = ({ events }: Watch, wanted: string) =>
    events.filter(({ type }) => type === wanted).map(({ object: seen }) => seen.metadata.name);
  /** The three pods of which this is told, in order. */
  const three = async (watch: Watch, type: string) => {
    await eventually(`${type} was told thrice`, async () => namesOf(watch, type).length >= 3);
    watch.stop();
    return namesOf(watch, type);
  };

  test('StatefulSet Basic StatefulSet functionality [StatefulSetBasic] should perform rolling updates and roll backs of template modifications', async () => {
    await make('rolling');
    await ready('rolling', 3);
    const { currentRevision: first } = (await read('rolling')).status ?? {};
    const watch = await watchPods('rolling');
    await patch('rolling', { template: template('rolling', 'two') });
    await eventually('all are of the second', async () => (await read('rolling')).status?.currentRevision !== first);
    expect(await three(watch, 'DELETED')).toEqual(['rolling-2', 'rolling-1', 'rolling-0']);
    await patch('rolling', { template: template('rolling', 'one') });
    await eventually(
      'all are of the first again',
      async () => (await read('rolling')).status?.currentRevision === first,
    );
    expect(new Set(Object.values(await revisionsOf('rolling')))).toEqual(new Set([first]));
    await remove('rolling');
  });

  test('StatefulSet Basic StatefulSet functionality [StatefulSetBasic] should perform canary updates and phased rolling updates of template modifications', async () => {
    const partition = (from: number) => ({
      updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: from } },
    });
    await make('phased', partition(3));
    await ready('phased', 3);
    const { currentRevision: first } = (await read('phased')).status ?? {};
    await patch('phased', { template: template('phased', 'two') });
    const { updateRevision: second } = await eventually('there is a second', async () => {
      const { status } = await read('phased');
      return status?.updateRevision !== first && status;
    });
    const all = async (...revisions: (string | undefined)[]) =>
      `${Object.values(await revisionsOf('phased'))}` === `${revisions}`;
    expect(await all(first, first, first)).toBe(true);
    await patch('phased', partition(2));
    await eventually('the canary is there', () => all(first, first, second));
    for (const name of ['phased-0', 'phased-2']) {
      await ground().ready(name);
      await ground().api.delete(ground().path('Pod', 'v1', name));
    }
    await eventually('both are back as they were', () => all(first, first, second));
    await ready('phased', 3);
    for (const from of [1, 0]) {
      await patch('phased', partition(from));
      await eventually(`those from ${from} are new`, () =>
        all(...[0, 1, 2].map((index) => (index < from ? first : second))),
      );
    }
    await eventually('the update is over', async () => (await read('phased')).status?.currentRevision === second);
    await remove('phased');
  });

  test('StatefulSet Basic StatefulSet functionality [StatefulSetBasic] Scaling should happen in predictable order and halt if any stateful pod is unhealthy', async () => {
    await make('ordered', { replicas: 1, template: template('ordered', 'one', PROBED) });
    await ready('ordered', 1);
    await setReady('ordered-0', false);
    await isUnready('ordered-0');
    await knownReady('ordered', 0);
    const up = await watchPods('ordered');
    await patch('ordered', { replicas: 3 });
    await eventually('it is looked at', async () => {
      const { metadata, status } = await read('ordered');
      return status?.observedGeneration === metadata.generation;
    });
    expect(await podsOf('ordered')).toHaveLength(1);
    await setReady('ordered-0', true);
    await ready('ordered', 3);
    expect(await three(up, 'ADDED')).toEqual(['ordered-0', 'ordered-1', 'ordered-2']);

    await setReady('ordered-0', false);
    await setReady('ordered-2', false);
    await Promise.all([isUnready('ordered-0'), isUnready('ordered-2')]);
    await knownReady('ordered', 1);
    const down = await watchPods('ordered');
    await patch('ordered', { replicas: 0 });
    await eventually('it is looked at', async () => {
      const { metadata, status } = await read('ordered');
      return status?.observedGeneration === metadata.generation;
    });
    expect(await podsOf('ordered')).toHaveLength(3);
    await Promise.all([setReady('ordered-0', true), setReady('ordered-2', true)]);
    await eventually('they are gone', async () => (await podsOf('ordered')).length === 0);
    expect(await three(down, 'DELETED')).toEqual(['ordered-2', 'ordered-1', 'ordered-0']);
    await remove('ordered');
  });

  test('StatefulSet Basic StatefulSet functionality [StatefulSetBasic] Burst scaling should run to completion even with unhealthy pods', async () => {
    await make('burst', { podManagementPolicy: 'Parallel', template: template('burst', 'one', PROBED) });
    await ready('burst', 3);
    await setReady('burst-0', false);
    await isUnready('burst-0');
    await patch('burst', { replicas: 5 });
    await eventually('all are there', async () => (await podsOf('burst')).length === 5);
    await patch('burst', { replicas: 0 });
    await eventually('all are gone', async () => (await podsOf('burst')).length === 0);
    await remove('burst');
  });

  test('StatefulSet Basic StatefulSet functionality [StatefulSetBasic] Should recreate evicted statefulset', async () => {
    const hostPort = { ports: [{ containerPort: 21017, hostPort: 21017 }] };
    const [node] = (await ground().api.get<{ items: KubeObject[] }>('/api/v1/nodes')).items;
    const nodeName = node?.metadata.name;
    await ground().create(pod('in-the-way', { spec: { nodeName, containers: [shell('sleep 3600', hostPort)] } }));
    await ground().ready('in-the-way');
    const spec = { ...template('evicted', 'one', hostPort).spec, nodeName };
    await make('evicted', { replicas: 1, template: { ...template('evicted'), spec } });
    const uids = new Set<string>();
    await eventually('it is deleted and made anew', async () => {
      for (const { metadata } of await podsOf('evicted')) uids.add(metadata.uid);
      return uids.size >= 2;
    });
    await ground().api.delete(ground().path('Pod', 'v1', 'in-the-way'));
    await ready('evicted', 1);
    await remove('evicted');
  });

  test('StatefulSet Basic StatefulSet functionality [StatefulSetBasic] should have a working scale subresource', async () => {
    interface Scale extends KubeObject {
      spec: { replicas: number };
    }
    await make('scaled', { replicas: 1 });
    await ready('scaled', 1);
    // The controller may write beside us.
    const updated = await eventually('it is scaled', async () => {
      const scale = await ground().api.get<Scale>(`${path('scaled')}/scale`);
      return ground().api.put<Scale>(`${path('scaled')}/scale`, { ...scale, spec: { replicas: 2 } });
    });
    expect(updated.spec.replicas).toBe(2);
    expect((await read('scaled')).spec.replicas).toBe(2);
    const patched = await ground().api.patch<Scale>(`${path('scaled')}/scale`, { spec: { replicas: 4 } });
    expect(patched.spec.replicas).toBe(4);
    await remove('scaled');
  });

  test('StatefulSet Basic StatefulSet functionality [StatefulSetBasic] should list, patch and delete a collection of StatefulSets', async () => {
    await make('listed', { replicas: 1 });
    await ready('listed', 1);
    const patched = await ground().api.patch<StatefulSet>(
      path('listed'),
      {
        metadata: { labels: { patched: 'yes' } },
        spec: { replicas: 2, template: { spec: { terminationGracePeriodSeconds: 0 } } },
      },
      'strategic',
    );
    expect(patched.spec.template.spec.terminationGracePeriodSeconds).toBe(0);
    const selected = '/apis/apps/v1/statefulsets?labelSelector=patched%3Dyes';
    expect((await ground().api.get<{ items: object[] }>(selected)).items).toHaveLength(1);
    await ready('listed', 2);
    await ground().api.delete(`${path()}?labelSelector=patched%3Dyes`);
    await eventually(
      'it is gone',
      async () => (await ground().api.get<{ items: object[] }>(selected)).items.length === 0,
    );
  });

  test('StatefulSet Basic StatefulSet functionality [StatefulSetBasic] should validate Statefulset Status endpoints', async () => {
    await make('status', { replicas: 1 });
    await ready('status', 1);
    await statusIsWritten(ground().api, path('status'));
    await remove('status');
  });
});
