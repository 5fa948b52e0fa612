import { expect, test } from 'vitest';
import { Node } from '#api/core/v1/node.ts';
import { startCluster, type TestCluster } from '#testing/cluster.ts';
import { startControllers } from '../start-controllers.ts';
import { nodeTtl, secondsOf, stepAfter, TTL } from './node-ttl.ts';

const ttls = (cluster: TestCluster): Record<string, string[]> => {
  const byTtl: Record<string, string[]> = {};
  for (const { metadata } of cluster.list(Node)) {
    const ttl = metadata.annotations?.[TTL] ?? 'none';
    byTtl[ttl] = [...(byTtl[ttl] ?? []), metadata.name];
  }
  return byTtl;
};
const join = (cluster: TestCluster, from: number, to: number) =>
  Promise.all(
    Array.from({ length: to - from }, (_, i) => cluster.create(Node, { metadata: { name: `n${from + i}` } })),
  );

test('kubelets look less often when there are many nodes, and again as often only when there are clearly fewer', async () => {
  await using cluster = await startCluster({ controllers: [nodeTtl] });
  await join(cluster, 0, 100);
  await cluster.settles();
  expect(Object.keys(ttls(cluster))).toEqual(['0']);
  await join(cluster, 100, 101);
  await cluster.settles();
  // The others follow when something of them changes, as a kubelet's report.
  expect(ttls(cluster)['15']).toEqual(['n100']);
  await cluster.patch(Node, 'n0', { metadata: { labels: { seen: 'again' } } });
  for (let i = 91; i <= 100; i++) await cluster.delete(Node, `n${i}`);
  await cluster.settles();
  expect(ttls(cluster)['15']).toEqual(['n0']);
  for (let i = 89; i <= 90; i++) await cluster.delete(Node, `n${i}`);
  await cluster.patch(Node, 'n0', { metadata: { labels: { seen: 'twice' } } });
  await cluster.settles();
  expect(Object.keys(ttls(cluster))).toEqual(['0']);
});

test('of many nodes at once each is told once, for as many as there are', async () => {
  await using cluster = await startCluster();
  await join(cluster, 0, 101);
  const told: (string | undefined)[] = [];
  cluster.run('ttl-controller', (services) => {
    services.informers!.for(Node).onChange(({ now, before }) => {
      if (before) told.push(now?.metadata.annotations?.[TTL]);
    });
    return startControllers({ controllers: [nodeTtl], ...services });
  });
  await cluster.settles();
  expect(told).toEqual(Array.from({ length: 101 }, () => '15'));
});

test.each([
  [0, 0, 0],
  [0, 100, 0],
  [0, 101, 15],
  [1, 90, 15],
  [1, 89, 0],
  [1, 501, 30],
  [2, 1_001, 60],
  [0, 2_001, 300],
  [4, 1_800, 300],
  [4, 1_799, 60],
  [4, 100_000, 300],
])('from step %i on, %i nodes ask for %i seconds', (step, nodes, seconds) => {
  expect(secondsOf(stepAfter(step, nodes))).toBe(seconds);
});
