import { expect, test } from 'vitest';
import { ConfigMap } from '#api/core/v1/config-map.ts';
import { follow } from '#base/followable.ts';
import { PlainSignal } from '#base/plain-signal.ts';
import { startCluster } from '#testing/cluster.ts';

const ADMIN = { name: 'admin', groups: ['system:masters'] };

test.each([
  { timeoutSeconds: 30, beforeEnd: ['BOOKMARK'] },
  { timeoutSeconds: 2, beforeEnd: [] },
])(
  'a watch of $timeoutSeconds s ends in time, with a bookmark two seconds before',
  async ({ timeoutSeconds, beforeEnd }) => {
    await using cluster = await startCluster();
    const { metadata } = await cluster.create(ConfigMap, { metadata: { name: 'a', namespace: 'default' } });
    const query = `watch=true&allowWatchBookmarks=true&resourceVersion=${metadata.resourceVersion}`;
    const path = `/api/v1/configmaps?${query}&timeoutSeconds=${timeoutSeconds}`;
    const told: string[] = [];
    const { ended } = follow(
      cluster.transportFor(ADMIN).watch({ path, signal: new PlainSignal() }),
      ({ type, object }) => {
        told.push(`${type} ${object.metadata.name ?? ''}`.trim());
      },
    );
    void ended.then(() => told.push('ended'));
    await cluster.create(ConfigMap, { metadata: { name: 'b', namespace: 'default' } });
    await cluster.passes(Math.max(0, timeoutSeconds * 1000 - 2001));
    expect(told).toEqual(['ADDED b']);
    await cluster.passes(Math.min(2000, timeoutSeconds * 1000 - 1));
    expect(told).toEqual(['ADDED b', ...beforeEnd]);
    await cluster.passes(1);
    expect(told).toEqual(['ADDED b', ...beforeEnd, 'ended']);
  },
);

test('the end of a client is the end of its watch, in its first part and in its last', async () => {
  await using cluster = await startCluster();
  for (const passed of ['10s', '29s']) {
    const signal = new PlainSignal();
    const path = '/api/v1/configmaps?watch=true&allowWatchBookmarks=true&timeoutSeconds=30';
    const told: string[] = [];
    const { ended } = follow(cluster.transportFor(ADMIN).watch({ path, signal }), ({ type }) => told.push(type));
    await cluster.passes(passed);
    const before = told.length;
    signal.abort();
    await ended;
    await cluster.create(ConfigMap, { metadata: { generateName: 'late-', namespace: 'default' } });
    await cluster.settles();
    expect(told).toHaveLength(before);
  }
});
