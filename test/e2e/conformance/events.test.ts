/** Events in both of their groups, and the nodes that conformance wants. */
import { describe, expect, test } from 'vitest';
import type { KubeObject } from '#api/machinery/object.ts';
import { holds } from '../running-cluster.ts';
import { object, playground } from './playground.ts';

interface Listed {
  items: KubeObject[];
}
type Told = KubeObject & {
  message?: string;
  note?: string;
  count?: number;
  series?: { count: number; lastObservedTime: string };
  reportingController?: string;
};

describe('events', () => {
  const ground = playground('events', async () => undefined);
  const path = (apiVersion: string, name?: string) => ground().path('Event', apiVersion, name);
  const everywhere = (apiVersion: string) => (apiVersion === 'v1' ? '/api/v1/events' : `/apis/${apiVersion}/events`);
  const labels = (of: string) => ({ 'testevent-constant': of });
  const core = (name: string, of: string) =>
    object('Event', name, {
      metadata: { name, labels: labels(of) },
      message: 'This is a test event',
      reason: 'Test',
      type: 'Normal',
      count: 1,
      firstTimestamp: '2017-09-19T13:49:16Z',
      lastTimestamp: '2017-09-19T13:49:16Z',
      involvedObject: { kind: 'Pod', namespace: ground().namespace },
    });
  const modern = (name: string, of: string) =>
    object(
      'Event',
      name,
      {
        metadata: { name, labels: labels(of) },
        regarding: { kind: 'Pod', namespace: ground().namespace },
        eventTime: '2017-09-19T13:49:16.000000Z',
        note: 'This is a test event',
        reason: 'Test',
        action: 'Do',
        type: 'Normal',
        reportingController: 'test-controller',
        reportingInstance: 'test-node',
      },
      'events.k8s.io/v1',
    );
  const listed = (at: string, of: string) =>
    ground().api.get<Listed>(`${at}?labelSelector=${encodeURIComponent(`testevent-constant=${of}`)}`);
  const deleteAll = (at: string, of: string) =>
    ground().api.delete(`${at}?labelSelector=${encodeURIComponent(`testevent-constant=${of}`)}`);

  test('Events should manage the lifecycle of an event', async () => {
    await ground().create(core('told', 'life'));
    const all = await listed(everywhere('v1'), 'life');
    expect(all.items.map(({ metadata }) => metadata.name)).toEqual(['told']);
    await ground().api.patch(path('v1', 'told'), { message: 'This is a test event - patched' }, 'strategic');
    const patched = await ground().api.get<Told>(path('v1', 'told'));
    expect(patched.message).toBe('This is a test event - patched');
    const series = { count: 100, lastObservedTime: '2014-09-19T13:49:16.000000Z' };
    await ground().api.put(path('v1', 'told'), { ...patched, series });
    expect((await ground().api.get<Told>(path('v1', 'told'))).series).toEqual(series);
    await ground().api.delete(path('v1', 'told'));
    expect((await listed(everywhere('v1'), 'life')).items).toEqual([]);
  });

  test('Events should delete a collection of events', async () => {
    await ground().create(...['a', 'b', 'c'].map((name) => core(`several-${name}`, 'several')));
    expect((await listed(path('v1'), 'several')).items).toHaveLength(3);
    await deleteAll(path('v1'), 'several');
    expect((await listed(path('v1'), 'several')).items).toEqual([]);
  });

  test('Events API should ensure that an event can be fetched, patched, deleted, and listed', async () => {
    const version = 'events.k8s.io/v1';
    await ground().create(modern('modern', 'modern'));
    const fieldSelector = encodeURIComponent('reportingController=test-controller');
    const byField = await ground().api.get<Listed>(`${everywhere(version)}?fieldSelector=${fieldSelector}`);
    expect(byField.items.map(({ metadata }) => metadata.name)).toContain('modern');
    const found = await ground().api.get<Told>(path(version, 'modern'));
    expect(found).toMatchObject({ note: 'This is a test event', reportingController: 'test-controller' });
    const old = await ground().api.get<Told>(path('v1', 'modern'));
    expect(old).toMatchObject({ message: 'This is a test event', reportingComponent: 'test-controller' });
    const series = { count: 2, lastObservedTime: '2014-09-19T13:49:16.000000Z' };
    await ground().api.patch(path(version, 'modern'), { series }, 'strategic');
    const patched = await ground().api.get<Told>(path(version, 'modern'));
    expect(patched.series).toEqual(series);
    await ground().api.put(path(version, 'modern'), { ...patched, series: { ...series, count: 100 } });
    expect((await ground().api.get<Told>(path(version, 'modern'))).series?.count).toBe(100);
    await ground().api.delete(path(version, 'modern'));
    expect((await listed(path(version), 'modern')).items).toEqual([]);
  });

  test('Events API should delete a collection of events', async () => {
    const version = 'events.k8s.io/v1';
    await ground().create(...['a', 'b', 'c'].map((name) => modern(`many-${name}`, 'many')));
    expect((await listed(path(version), 'many')).items).toHaveLength(3);
    await deleteAll(path(version), 'many');
    expect((await listed(path(version), 'many')).items).toEqual([]);
  });
});

describe('the cluster', () => {
  const ground = playground('two-nodes', async () => undefined);
  test('Conformance Tests should have at least two untainted nodes', async () => {
    await holds('what an earlier test did to a node is over', async () => {
      const { items } = await ground().api.get<{ items: { spec: { taints?: unknown[]; unschedulable?: boolean } }[] }>(
        '/api/v1/nodes',
      );
      expect(items.filter(({ spec }) => !spec.unschedulable && !spec.taints?.length).length).toBeGreaterThanOrEqual(2);
    });
  });
});
