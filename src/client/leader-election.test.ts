import { expect, test } from 'vitest';
import { Lease } from '#api/coordination/v1/lease.ts';
import { seededRandom } from '#base/random.ts';
import type { TestCluster } from '#testing/cluster.ts';
import { startCluster } from '#testing/cluster.ts';
import { lead } from './leader-election.ts';

const at = { name: 'scheduler', namespace: 'kube-system' };

function candidate(cluster: TestCluster, identity: string, seed: number) {
  const stop = new AbortController();
  const log: string[] = [];
  const done = lead(
    {
      client: cluster.client,
      clock: cluster.clock,
      random: seededRandom(seed),
      lease: at,
      identity,
      signal: stop.signal,
    },
    (signal) =>
      new Promise((resolve) => {
        log.push('leads');
        signal.addEventListener('abort', () => {
          log.push('ends');
          resolve();
        });
      }),
  ).catch(() => log.push('gave up waiting'));
  return { stop: () => stop.abort(new Error('stop')), log, done };
}

const holder = (cluster: TestCluster) => cluster.get(Lease, 'kube-system/scheduler')?.spec.holderIdentity;

test('one leads and renews, the other waits', async () => {
  await using cluster = await startCluster();
  const [a, b] = [candidate(cluster, 'a', 1), candidate(cluster, 'b', 2)];
  await cluster.passes(60_000);
  expect([a.log, b.log].sort()).toEqual([[], ['leads']]);
  const renewed = cluster.get(Lease, 'kube-system/scheduler')?.spec.renewTime ?? '';
  expect(cluster.clock.now() - Date.parse(renewed)).toBeLessThan(5_000);
  a.stop();
  b.stop();
  await Promise.all([a.done, b.done]);
});

test('a leader that stops gives the lease back, and the other leads within seconds', async () => {
  await using cluster = await startCluster();
  const a = candidate(cluster, 'a', 1);
  await cluster.settles();
  const b = candidate(cluster, 'b', 2);
  await cluster.passes(10_000);
  expect(holder(cluster)).toBe('a');
  a.stop();
  await a.done;
  await cluster.passes(6_000);
  expect(a.log).toEqual(['leads', 'ends']);
  expect(b.log).toEqual(['leads']);
  expect(cluster.get(Lease, 'kube-system/scheduler')?.spec).toMatchObject({ holderIdentity: 'b', leaseTransitions: 1 });
  b.stop();
  await b.done;
});

test('a leader that is silent is followed only when its lease has run out', async () => {
  await using cluster = await startCluster();
  const spec = { holderIdentity: 'dead', leaseDurationSeconds: 15, renewTime: '2026-01-01T00:00:00.000000Z' };
  await cluster.create(Lease, { metadata: at, spec });
  const b = candidate(cluster, 'b', 2);
  await cluster.passes(14_000);
  expect(b.log).toEqual([]);
  await cluster.passes(6_000);
  expect(b.log).toEqual(['leads']);
  b.stop();
  await b.done;
});

test('a leader whose lease somebody else has taken stops', async () => {
  await using cluster = await startCluster();
  const a = candidate(cluster, 'a', 1);
  await cluster.settles();
  const lease = cluster.get(Lease, 'kube-system/scheduler')!;
  await cluster.update(Lease, { ...lease, spec: { ...lease.spec, holderIdentity: 'other' } });
  await cluster.passes(3_000);
  expect(a.log).toEqual(['leads', 'ends']);
  await a.done;
  expect(holder(cluster)).toBe('other');
});

test('a leader that hears nothing of its renewals stops before another may lead', async () => {
  await using cluster = await startCluster();
  const a = candidate(cluster, 'a', 1);
  await cluster.passes(4_000);
  const fault = cluster.faults.delay({ verb: 'update', resource: 'leases.coordination.k8s.io' }, '60s');
  await cluster.passes(14_000);
  expect(a.log).toEqual(['leads', 'ends']);
  fault.end();
  await cluster.passes(60_000);
  await a.done;
});
