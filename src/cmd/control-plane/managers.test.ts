import { expect, test } from 'vitest';
import { Deployment } from '#api/apps/v1/deployment.ts';
import { ReplicaSet } from '#api/apps/v1/replica-set.ts';
import { Lease } from '#api/coordination/v1/lease.ts';
import { Service } from '#api/core/v1/service.ts';
import { silentLog } from '#base/log.ts';
import type { Controller } from '#control-plane/controllers/define-controller.ts';
import { deploymentController } from '#control-plane/controllers/deployment/deployment.ts';
import type { LoadBalancers } from '#control-plane/controllers/load-balancers/load-balancers.ts';
import { serviceLoadBalancer } from '#control-plane/controllers/load-balancers/service-load-balancer.ts';
import { deployment, startCluster, type TestCluster } from '#testing/cluster.ts';
import { ApiServerFlags } from './api-server-flags.ts';
import { openClusterStorage } from './cluster-storage.ts';
import { startManagers } from './managers.ts';

interface Given {
  flags?: Record<string, string>;
  /** Of a term. */
  controllersOf?: () => readonly Controller[];
}

const start = (
  cluster: TestCluster,
  isShared: boolean,
  { flags = {}, controllersOf = () => [deploymentController] }: Given = {},
) =>
  startManagers({
    flags: new ApiServerFlags(flags),
    ...{ isShared, controllers: controllersOf },
    ...cluster.services,
    transportFor: ({ name }) => cluster.transportFor({ name, groups: ['system:masters'] }),
    breathe: () => new Promise((resolve) => setImmediate(resolve)),
  });
const AT = { name: 'kube-controller-manager', namespace: 'kube-system' };
const holder = (cluster: TestCluster) =>
  cluster.list(Lease, AT).find(({ metadata }) => metadata.name === AT.name)?.spec.holderIdentity;
const leases = (cluster: TestCluster) => cluster.list(Lease, { namespace: 'kube-system' }).map(({ spec }) => spec);

test.each([
  [false, {}],
  [true, { 'leader-elect': 'false' }],
])('nobody is elected where nobody else could lead, or nobody wants it (shared: %s)', async (isShared, flags) => {
  await using cluster = await startCluster({ controllers: [], scheduler: false });
  const managers = start(cluster, isShared, { flags });
  await cluster.create(Deployment, deployment('web', { replicas: 1 }));
  await cluster.settles();
  expect(cluster.list(ReplicaSet)).toHaveLength(1);
  expect(leases(cluster)).toEqual([]);
  expect(managers.stats().map(({ name }) => name)).toEqual(['deployment-controller']);
  await managers.stop();
});

test('on a shared store they are elected, for as long as the flags say', async () => {
  await using cluster = await startCluster({ controllers: [], scheduler: false });
  const managers = start(cluster, true, { flags: { 'leader-elect-lease-duration': '20s' } });
  await cluster.passes(1_000);
  expect(leases(cluster)).toMatchObject([{ leaseDurationSeconds: 20 }, { leaseDurationSeconds: 20 }]);
  const stopped = managers.stop();
  await cluster.passes(1_000);
  await stopped;
  expect(leases(cluster)).toMatchObject([{ holderIdentity: '' }, { holderIdentity: '' }]);
});

test('who leads again remembers nothing of the term before', async () => {
  await using cluster = await startCluster({ controllers: [], scheduler: false });
  const asked: { name: string; taken: string[] }[] = [];
  const loadBalancers: LoadBalancers = {
    async ensure({ service, taken }) {
      asked.push({ name: service.metadata.name, taken: [...taken] });
      return [{ ip: '192.0.2.1' }];
    },
    remove: async () => undefined,
  };
  const managers = start(cluster, true, { controllersOf: () => [serviceLoadBalancer(loadBalancers)] });
  const balanced = (name: string) => ({
    metadata: { name, namespace: 'default' },
    spec: { type: 'LoadBalancer', ports: [{ port: 80 }] },
  });
  await cluster.create(Service, balanced('old') as never);
  await cluster.passes(1_000);
  expect(asked.map(({ name }) => name)).toContain('old');

  const before = holder(cluster);
  const lease = await cluster.client.get(Lease, AT);
  await cluster.update(Lease, { ...lease, spec: { ...lease.spec, holderIdentity: 'another' } });
  await cluster.passes(11_000);
  const old = { name: 'old', namespace: 'default' };
  await cluster.client.patch(Service, old, { type: 'merge', patch: { metadata: { finalizers: null } } });
  await cluster.delete(Service, old);
  await cluster.passes(30_000);
  expect(holder(cluster)).toBe(before);

  await cluster.create(Service, balanced('new') as never);
  await cluster.passes(1_000);
  expect(asked.at(-1)).toEqual({ name: 'new', taken: [] });
  const stopped = managers.stop();
  await cluster.passes(1_000);
  await stopped;
});

test.each([false, true])('controllers that come later work on what is there already (shared: %s)', async (isShared) => {
  await using cluster = await startCluster({ controllers: [], scheduler: false });
  const asked: string[] = [];
  const loadBalancers: LoadBalancers = {
    async ensure({ service }) {
      asked.push(service.metadata.name);
      return [{ ip: '192.0.2.1' }];
    },
    remove: async () => undefined,
  };
  const spec = { type: 'LoadBalancer', ports: [{ port: 80 }] };
  await cluster.create(Service, { metadata: { name: 'early', namespace: 'default' }, spec } as never);
  let hasNodes = false;
  const controllersOf = () => [deploymentController, ...(hasNodes ? [serviceLoadBalancer(loadBalancers)] : [])];
  const managers = start(cluster, isShared, { controllersOf });
  await cluster.passes(1_000);
  hasNodes = true;
  managers.startMissing();
  await cluster.passes(1_000);
  expect(new Set(asked)).toEqual(new Set(['early']));
  const stopped = managers.stop();
  await cluster.passes(1_000);
  await stopped;
});

test.each([
  [{ 'leader-elect': 'maybe' }, '--leader-elect: "maybe" is neither true nor false'],
  [
    { 'leader-elect-lease-duration': '10s' },
    '--leader-elect-lease-duration: it must be more than --leader-elect-renew-deadline',
  ],
  [
    { 'leader-elect-retry-period': '9s' },
    '--leader-elect-renew-deadline: it must be more than 1.2 --leader-elect-retry-period',
  ],
])('flags that make no sense are refused: %j', async (flags, message) => {
  await using cluster = await startCluster({ controllers: [], scheduler: false });
  expect(() => start(cluster, true, { flags })).toThrow(message);
});

test.each([
  [{ 'etcd-servers': 'nowhere' }, '--etcd-servers: "nowhere" is no address such as https://10.0.0.1:2379'],
  [
    { 'etcd-servers': 'https://10.0.0.1:2379' },
    '--etcd-servers: an address of https needs --etcd-cafile, --etcd-certfile and --etcd-keyfile',
  ],
  [
    { 'etcd-servers': 'https://10.0.0.1:2379', 'etcd-cafile': '/nonexistent' },
    '--etcd-cafile: --etcd-certfile is needed as well',
  ],
])('an etcd that cannot be reached like that is refused: %j', async (flags, message) => {
  const options = { directory: '', log: silentLog, onFailure: () => undefined };
  await expect(openClusterStorage({ flags: new ApiServerFlags(flags), ...options })).rejects.toThrow(message);
});
