/** StatefulSets as their tests make them: `web`, with pods on paper. */
import { StatefulSet } from '#api/apps/v1/stateful-set.ts';
import { Event } from '#api/core/v1/event.ts';
import { Pod } from '#api/core/v1/pod.ts';
import type { StatefulSet as StatefulSetObject, Submitted } from '#api/generated/schema.ts';
import { statefulSetController } from '#control-plane/controllers/stateful-set/stateful-set.ts';
import { startCluster, type TestCluster } from './cluster.ts';
import { podsThatRun } from './pods-that-run.ts';

export const template = (image = 'web:1') => ({
  metadata: { labels: { app: 'web' } },
  spec: { containers: [{ name: 'main', image }] },
});

export const statefulSet = (spec: Submitted<StatefulSetObject['spec']> = {}) => ({
  metadata: { name: 'web', namespace: 'default' },
  spec: {
    serviceName: 'nginx',
    replicas: 3,
    selector: { matchLabels: { app: 'web' } },
    template: template(),
    ...spec,
  } as Submitted<StatefulSetObject['spec']>,
});

export const started = (options: Parameters<typeof podsThatRun>[0] = {}) =>
  startCluster({ controllers: [statefulSetController, podsThatRun(options)] });

export const patch = (cluster: TestCluster, spec: object) => cluster.patch(StatefulSet, 'default/web', { spec });

/** Of one of its pods: none of its conditions is met any more, or all are met again. */
export async function say(cluster: TestCluster, pod: string, is: 'True' | 'False') {
  const { status, ...rest } = cluster.get(Pod, `default/${pod}`)!;
  const conditions = (status?.conditions ?? []).map((each) => ({ ...each, status: is }));
  await cluster.updateStatus(Pod, { ...rest, status: { ...status!, conditions } });
}

export const status = (cluster: TestCluster) => cluster.get(StatefulSet, 'default/web')!.status!;
export const names = (cluster: TestCluster) => cluster.list(Pod).map(({ metadata }) => metadata.name);
export const images = (cluster: TestCluster) =>
  Object.fromEntries(cluster.list(Pod).map(({ metadata, spec }) => [metadata.name, spec.containers[0]?.image]));
export const told = (cluster: TestCluster) => cluster.list(Event).map(({ reason, message }) => `${reason}: ${message}`);
