/**
 * Two control planes whose objects are in one etcd: one of them at a time runs the controllers, and one the scheduler. When it
 * dies the other takes over where it was.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Deployment } from '#api/apps/v1/deployment.ts';
import { Lease } from '#api/coordination/v1/lease.ts';
import { Endpoints } from '#api/core/v1/endpoints.ts';
import { Node } from '#api/core/v1/node.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { silentLog } from '#base/log.ts';
import { InProcessTransport } from '#client/transport/in-process.ts';
import type { UserInfo } from '#client/transport.ts';
import { ApiServerFlags } from '#cmd/control-plane/api-server-flags.ts';
import { openClusterStorage } from '#cmd/control-plane/cluster-storage.ts';
import { type Managers, startManagers } from '#cmd/control-plane/managers.ts';
import { keepKubernetesService } from '#cmd/control-plane/shared-kubernetes-service.ts';
import { systemClock, systemRandom } from '#cmd/system-clock.ts';
import { deploymentController } from '#control-plane/controllers/deployment/deployment.ts';
import { replicaSetController } from '#control-plane/controllers/replica-set.ts';
import { deployment } from '#testing/cluster.ts';
import { MortalTransport } from '#testing/mortal-transport.ts';
import { podsThatRun } from '#testing/pods-that-run.ts';
import { eventually } from './extension-server.ts';
import { type HttpsApiServer, startHttpsApiServer } from './https-api-server.ts';
import { type EtcdServer, etcdIsInstalled, startEtcd } from './storage/etcd-server.ts';

const PATIENT = { forMs: 120_000 };

interface ControlPlane {
  server: HttpsApiServer;
  managers: Managers;
  kubernetesService: Awaited<ReturnType<typeof keepKubernetesService>>;
  /** Its controllers and its scheduler are heard no more; what they hold stays theirs until it runs out. */
  dies(): void;
}

let etcd: EtcdServer;
let first: ControlPlane;
let second: ControlPlane;

async function startControlPlane(): Promise<ControlPlane> {
  const flags = new ApiServerFlags({
    'etcd-servers': etcd.endpoint,
    'leader-elect-lease-duration': '12s',
    'leader-elect-renew-deadline': '10s',
    'leader-elect-retry-period': '200ms',
  });
  const unused = { directory: '', log: silentLog, onFailure: () => undefined };
  const { storage, isShared } = await openClusterStorage({ flags, ...unused });
  const server = await startHttpsApiServer({ storage });
  const death = new AbortController();
  // Those that are elected ask as themselves; of controllers the Roles are another test's matter.
  const groupsOf = ({ name, groups }: UserInfo) =>
    name.startsWith('system:serviceaccount:') ? ['system:masters'] : groups;
  const managers = startManagers({
    ...{ flags, isShared, controllers: () => [deploymentController, replicaSetController, podsThatRun()] },
    transportFor: (user) =>
      new MortalTransport(
        new InProcessTransport(server.api.pipeline, { name: user.name, groups: groupsOf(user) }),
        death.signal,
      ),
    ...{ kinds: server.api.kinds, clock: systemClock, random: systemRandom, log: silentLog },
    breathe: () => new Promise((resolve) => setImmediate(resolve)),
  });
  const kubernetesService = await keepKubernetesService({
    ...{ client: server.api.loopback.client, storage, clock: systemClock, log: silentLog },
    own: { ip: '192.0.2.1', port: server.port },
    clusterIps: ['10.96.0.1'],
  });
  return { server, managers, kubernetesService, dies: () => death.abort() };
}

beforeAll(async () => {
  if (!etcdIsInstalled) return;
  etcd = await startEtcd();
  first = await startControlPlane();
});

afterAll(async () => {
  await second?.kubernetesService.stop();
  await first?.kubernetesService.stop();
  await second?.managers.stop();
  await first?.server[Symbol.asyncDispose]();
  await second?.server[Symbol.asyncDispose]();
  await etcd?.stop();
});

const client = () => second.server.api.loopback.client;
const holders = async (of: ControlPlane) => {
  const { items } = await of.server.api.loopback.client.list(Lease, { namespace: 'kube-system' });
  return new Map(items.map(({ metadata, spec }) => [metadata.name, spec.holderIdentity]));
};
const running = async () =>
  (await client().list(Pod, { namespace: 'default' })).items.filter(
    ({ status, spec }) => status?.phase === 'Running' && spec.nodeName === 'node1',
  );

test('one leads; when it dies the other takes over, and no pod is made twice', async (context) => {
  if (!etcdIsInstalled) return context.skip('apt-get install --no-install-recommends etcd-server');
  await eventually(async () => expect((await holders(first)).size).toBe(2), PATIENT);
  const leader = await holders(first);
  second = await startControlPlane();
  const node = await client().create(Node, { metadata: { name: 'node1' } } as never);
  const allocatable = { cpu: '8', memory: '8Gi', pods: '110' };
  const conditions = [{ type: 'Ready', status: 'True' as const }];
  await client().updateStatus(Node, {
    ...node,
    status: { ...node.status, allocatable, capacity: allocatable, conditions },
  });
  await client().patch(Node, { name: 'node1' }, { type: 'merge', patch: { spec: { taints: null } } });
  await client().create(Deployment, deployment('web', { replicas: 3 }) as never);
  await eventually(async () => expect(await running()).toHaveLength(3), PATIENT);
  expect(await holders(second)).toEqual(leader);
  expect(second.managers.stats()).toEqual([]);
  const before = (await running()).map(({ metadata }) => metadata.uid);

  first.dies();
  // Whatever its controller has written meanwhile.
  const web = { name: 'web', namespace: 'default' };
  await client().patch(Deployment, web, { type: 'merge', patch: { spec: { replicas: 5 } } });
  await eventually(async () => expect(await running()).toHaveLength(5), PATIENT);
  expect((await client().list(Pod, { namespace: 'default' })).items).toHaveLength(5);
  const now = (await running()).map(({ metadata }) => metadata.uid);
  expect(now).toEqual(expect.arrayContaining(before));
  const taken = await holders(second);
  for (const [name, holder] of leader) expect(taken.get(name)).not.toBe(holder);
});

test('the Service kubernetes leads to both API servers, and no more to one that ends', async (context) => {
  if (!etcdIsInstalled) return context.skip('apt-get install --no-install-recommends etcd-server');
  const ports = async () => {
    const { subsets = [] } = await client().get(Endpoints, { namespace: 'default', name: 'kubernetes' });
    return subsets.map((subset) => subset.ports?.[0]?.port);
  };
  const both = [first.server.port, second.server.port].sort((a, b) => a - b);
  await eventually(async () => expect(await ports()).toEqual(both), PATIENT);
  await first.kubernetesService.stop();
  await eventually(async () => expect(await ports()).toEqual([second.server.port]), PATIENT);
});
