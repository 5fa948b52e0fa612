import { expect, test } from 'vitest';
import { Event } from '#api/core/v1/event.ts';
import { Service } from '#api/core/v1/service.ts';
import { startCluster, type TestCluster } from '#testing/cluster.ts';
import { NotYet } from '../errors.ts';
import { addressFor } from './address-pool.ts';
import type { LoadBalancers, LoadBalancerWish } from './load-balancers.ts';
import { serviceLoadBalancer } from './service-load-balancer.ts';

const POOL = '192.0.2.0/29';

/** Remembers where it sends what; an address of the pool for each. */
function provider() {
  const routes = new Map<string, string[]>();
  let failure: string | undefined;
  const loadBalancers: LoadBalancers = {
    ensure: async ({ service, nodes, taken }: LoadBalancerWish) => {
      if (failure) throw new NotYet(failure);
      const ip = addressFor(service, POOL, taken);
      routes.set(
        ip,
        nodes.map(({ metadata }) => metadata.name),
      );
      return [{ ip }];
    },
    remove: async (service: Service) => {
      for (const { ip } of service.status?.loadBalancer?.ingress ?? []) routes.delete(ip ?? '');
    },
  };
  return {
    loadBalancers,
    routes,
    fail: (reason: string | undefined) => {
      failure = reason;
    },
  };
}

const balanced = (name: string, spec: object = {}) => ({
  metadata: { name, namespace: 'default' },
  spec: { type: 'LoadBalancer' as const, selector: { app: name }, ports: [{ port: 80 }], ...spec },
});
const ingressOf = async (cluster: TestCluster, name: string) =>
  (await cluster.get(Service, `default/${name}`))?.status?.loadBalancer;
const eventsOf = async (cluster: TestCluster) =>
  (await cluster.list(Event)).map(({ type, reason, message }) => `${type} ${reason}: ${message}`);

test('each Service of the type gets an address of its own, and gives it back', async () => {
  const { loadBalancers, routes } = provider();
  await using cluster = await startCluster({
    controllers: [serviceLoadBalancer(loadBalancers)],
    scheduler: false,
    simulatedNodes: 2,
  });
  await cluster.create(Service, balanced('a'));
  await cluster.create(Service, balanced('b', { loadBalancerIP: '192.0.2.5' }));
  await cluster.create(Service, balanced('other', { loadBalancerClass: 'example.com/theirs' }));
  await cluster.settles();
  expect(await ingressOf(cluster, 'a')).toEqual({ ingress: [{ ip: '192.0.2.1', ipMode: 'VIP' }] });
  expect(await ingressOf(cluster, 'b')).toEqual({ ingress: [{ ip: '192.0.2.5', ipMode: 'VIP' }] });
  expect(await ingressOf(cluster, 'other')).toEqual({});
  expect([...routes]).toEqual([
    ['192.0.2.1', ['node1', 'node2']],
    ['192.0.2.5', ['node1', 'node2']],
  ]);
  expect(await eventsOf(cluster)).toEqual(
    expect.arrayContaining([
      'Normal EnsuringLoadBalancer: Ensuring load balancer',
      'Normal EnsuredLoadBalancer: Ensured load balancer',
    ]),
  );

  await cluster.patch(Service, 'default/a', { spec: { type: 'ClusterIP' } });
  await cluster.delete(Service, 'default/b');
  await cluster.settles();
  expect([...routes]).toEqual([]);
  const plain = await cluster.get(Service, 'default/a');
  expect([plain?.metadata.finalizers, plain?.status?.loadBalancer]).toEqual([undefined, {}]);
  expect(await cluster.list(Service)).toHaveLength(2);
  expect(await eventsOf(cluster)).toContain('Normal DeletedLoadBalancer: Deleted load balancer');
});

test('what a provider refuses is told, and tried again', async () => {
  const { loadBalancers, fail } = provider();
  await using cluster = await startCluster({ controllers: [serviceLoadBalancer(loadBalancers)], simulatedNodes: 1 });
  fail('the cloud is closed');
  await cluster.create(Service, balanced('a'));
  await cluster.settles();
  expect(await eventsOf(cluster)).toContain(
    'Warning SyncLoadBalancerFailed: Error syncing load balancer: failed to ensure load balancer: the cloud is closed',
  );
  fail(undefined);
  await cluster.clock.advance(60_000);
  await cluster.settles();
  expect(await ingressOf(cluster, 'a')).toEqual({ ingress: [{ ip: '192.0.2.1', ipMode: 'VIP' }] });
});

const service = (parts: { wish?: string; has?: string }) =>
  ({
    spec: { ...(parts.wish && { loadBalancerIP: parts.wish }) },
    status: { loadBalancer: { ingress: parts.has ? [{ ip: parts.has }] : [] } },
  }) as Service;

test.each([
  ['the first that is free', {}, ['192.0.2.1', '192.0.2.2'], '192.0.2.3'],
  ['the one it has', { has: '192.0.2.4' }, [], '192.0.2.4'],
  ['another when its own is taken', { has: '192.0.2.1' }, ['192.0.2.1'], '192.0.2.2'],
  ['another when its own is of another pool', { has: '10.0.0.1' }, [], '192.0.2.1'],
  ['the one it wishes', { wish: '192.0.2.6', has: '192.0.2.1' }, [], '192.0.2.6'],
])('a Service gets %s', (_, parts, taken, ip) => expect(addressFor(service(parts), POOL, new Set(taken))).toBe(ip));

test.each([
  ['is not in the pool', { wish: '10.0.0.1' }, [], 'the address 10.0.0.1 is not in the pool 192.0.2.0/29'],
  ["is another's", { wish: '192.0.2.2' }, ['192.0.2.2'], "the address 192.0.2.2 is another Service's"],
  ['does not exist', {}, [1, 2, 3, 4, 5, 6].map((n) => `192.0.2.${n}`), 'the pool 192.0.2.0/29 has no free address'],
])('an address that %s is refused', (_, parts, taken, why) =>
  expect(() => addressFor(service(parts), POOL, new Set(taken))).toThrow(why),
);
