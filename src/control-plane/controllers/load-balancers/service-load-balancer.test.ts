import { expect, test } from 'vitest';
import { Event } from '#api/core/v1/event.ts';
import { Service } from '#api/core/v1/service.ts';
import type { Kind } from '#api/machinery/kind.ts';
import { keyOf } from '#api/machinery/object.ts';
import { startCluster, type TestCluster } from '#testing/cluster.ts';
import { fixedInformers } from '#testing/fixed-informers.ts';
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
  expect(await eventsOf(cluster)).toEqual(
    expect.arrayContaining([
      'Normal DeletingLoadBalancer: Deleting load balancer',
      'Normal DeletedLoadBalancer: Deleted load balancer',
    ]),
  );
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

test('an address is given once, also when the cache does not show yet who has it', async () => {
  const { loadBalancers } = provider();
  const controller = serviceLoadBalancer(loadBalancers).begin();
  const finalizers = ['service.kubernetes.io/load-balancer-cleanup'];
  const [a, b] = ['a', 'b'].map((name) => {
    const { metadata, spec } = balanced(name);
    return { apiVersion: 'v1', kind: 'Service', metadata: { ...metadata, finalizers }, spec } as unknown as Service;
  }) as [Service, Service];
  const cached = (kind: Kind) => fixedInformers([a, b]).for(kind); // nothing that is written gets there
  const given: unknown[] = [];
  const api = { updateStatus: async (_: Service, status: Service['status']) => given.push(status?.loadBalancer) };
  const events = { normal: () => undefined };
  const context = (of: Service) => ({ key: keyOf(of), cached, api, events }) as never;
  for (const each of [a, b, a]) await controller.reconcile(each, context(each));
  expect(given).toMatchObject(['192.0.2.1', '192.0.2.2', '192.0.2.1'].map((ip) => ({ ingress: [{ ip }] })));
  await controller.gone?.(context(a));
  const c = { ...b, metadata: { ...b.metadata, name: 'c' } };
  await controller.reconcile(c, context(c));
  expect(given.at(-1)).toMatchObject({ ingress: [{ ip: '192.0.2.1' }] });
});

test('a finalizer that somebody else sets at the same moment stays', async () => {
  const { loadBalancers } = provider();
  const controller = serviceLoadBalancer(loadBalancers).begin();
  const { metadata, spec } = balanced('a');
  const old = {
    metadata: { ...metadata, resourceVersion: '7', finalizers: ['example.com/x'] },
    spec,
  } as unknown as Service;
  const patches: unknown[] = [];
  const api = { patch: async (_kind: unknown, _at: unknown, { patch }: { patch: unknown }) => patches.push(patch) };
  await controller.reconcile(old, { key: keyOf(old), api } as never);
  const finalizers = ['example.com/x', 'service.kubernetes.io/load-balancer-cleanup'];
  expect(patches).toEqual([{ metadata: { finalizers, resourceVersion: '7' } }]);
});

test("what another class's controller made is left to it, until the Service is gone", async () => {
  const { loadBalancers } = provider();
  await using cluster = await startCluster({ controllers: [serviceLoadBalancer(loadBalancers)], simulatedNodes: 1 });
  const finalizers = ['service.kubernetes.io/load-balancer-cleanup'];
  const { metadata, spec } = balanced('theirs', { loadBalancerClass: 'example.com/theirs' });
  await cluster.create(Service, { metadata: { ...metadata, finalizers }, spec });
  const said = { loadBalancer: { ingress: [{ ip: '198.51.100.1' }] } };
  await cluster.patch(Service, { ...metadata, subresource: 'status' }, { status: said });
  await cluster.settles();
  expect(await ingressOf(cluster, 'theirs')).toMatchObject(said.loadBalancer);
  const finalizersNow = async () => (await cluster.get(Service, 'default/theirs'))?.metadata.finalizers;
  await cluster.patch(Service, 'default/theirs', { spec: { type: 'ClusterIP', loadBalancerClass: null } });
  await cluster.settles();
  expect(await finalizersNow()).toEqual(finalizers);
  await cluster.delete(Service, 'default/theirs');
  await cluster.settles();
  expect(await finalizersNow()).toEqual(finalizers);
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
  ["is another's", { wish: '192.0.2.2' }, ['192.0.2.2'], 'the address 192.0.2.2 is taken'],
  ['means the network', { wish: '192.0.2.0' }, [], 'the address 192.0.2.0 is the first or the last of the pool'],
  ['means everybody', { wish: '192.0.2.7' }, [], 'the address 192.0.2.7 is the first or the last of the pool'],
  ['does not exist', {}, [1, 2, 3, 4, 5, 6].map((n) => `192.0.2.${n}`), 'the pool 192.0.2.0/29 has no free address'],
])('an address that %s is refused', (_, parts, taken, why) =>
  expect(() => addressFor(service(parts), POOL, new Set(taken))).toThrow(why),
);
