import { expect, test } from 'vitest';
import { Deployment } from '#api/apps/v1/deployment.ts';
import { Lease } from '#api/coordination/v1/lease.ts';
import { Event } from '#api/core/v1/event.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { firstOf } from '#base/plain-signal.ts';
import { Client } from '#client/client.ts';
import { type Transport, Unreachable, type UserInfo } from '#client/transport.ts';
import { type Electable, whileLeading } from '#client/while-leading.ts';
import { controllersFor } from '#control-plane/controllers/index.ts';
import { startControllers } from '#control-plane/controllers/start-controllers.ts';
import { startScheduler } from '#control-plane/scheduler/start-scheduler.ts';
import { deployment, startCluster, type TestCluster } from '#testing/cluster.ts';

/** The controllers and the scheduler of one server, each of which leads or waits. */
class ControlPlane {
  readonly #cluster: TestCluster;
  readonly #death = new AbortController();
  readonly #parts: { stop(): Promise<void> }[];

  constructor(cluster: TestCluster, identity: string) {
    this.#cluster = cluster;
    const services = { ...cluster.services, transportFor: (user: UserInfo) => this.#transportFor(user) };
    const elected = (component: string, start: () => Electable) => {
      const { clock, random } = services;
      const client = new Client(
        services.transportFor({ name: `system:${component}`, groups: ['system:authenticated'] }),
      );
      const lease = { name: component, namespace: 'kube-system' };
      return whileLeading({ client, clock, random, lease, identity, component }, start);
    };
    const onBug = (error: unknown) => this.#death.signal.aborted || cluster.fail(error);
    this.#parts = [
      elected('kube-controller-manager', () => startControllers({ controllers: controllersFor(), ...services, onBug })),
      elected('kube-scheduler', () => startScheduler({ ...services, breathe: turn, onBug })),
    ];
  }

  /** Without a word. */
  dies(): void {
    this.#death.abort(new Unreachable('the server is gone'));
  }

  async stops(): Promise<void> {
    const stopped = Promise.all(this.#parts.map((part) => part.stop()));
    await this.#cluster.passes('1s');
    await stopped;
  }

  #transportFor(user: UserInfo): Transport {
    const { signal } = this.#death;
    const inner = this.#cluster.transportFor(user);
    return {
      async request(request) {
        signal.throwIfAborted();
        return inner.request(request);
      },
      async *watch(request) {
        signal.throwIfAborted();
        yield* inner.watch({ ...request, signal: firstOf(request.signal, signal).signal });
        signal.throwIfAborted();
      },
    };
  }
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
const leaders = (cluster: TestCluster) =>
  cluster
    .list(Lease, { namespace: 'kube-system' })
    .map(({ metadata, spec }) => `${metadata.name}: ${spec.holderIdentity} (${spec.leaseTransitions})`);
const running = (cluster: TestCluster) =>
  cluster.list(Pod).filter(({ status, metadata }) => status?.phase === 'Running' && !metadata.deletionTimestamp).length;

test('of two control planes on one store one works; when it dies the other takes over, and no pod is made twice', async () => {
  await using cluster = await startCluster({ simulatedNodes: 2 });
  const first = new ControlPlane(cluster, 'a');
  await cluster.passes('1s');
  const second = new ControlPlane(cluster, 'b');
  await cluster.create(Deployment, deployment('web', { replicas: 3 }));
  await cluster.passes('20s');
  expect(running(cluster)).toBe(3);
  expect(leaders(cluster)).toEqual(['kube-controller-manager: a (0)', 'kube-scheduler: a (0)']);

  first.dies();
  await cluster.patch(Deployment, 'default/web', { spec: { replicas: 5 } });
  await cluster.passes('5s');
  expect(cluster.list(Pod)).toHaveLength(3);
  await cluster.passes('30s');
  expect(leaders(cluster)).toEqual(['kube-controller-manager: b (1)', 'kube-scheduler: b (1)']);
  expect([cluster.list(Pod).length, running(cluster)]).toEqual([5, 5]);

  // One that ends in order lets the next one begin at once.
  const third = new ControlPlane(cluster, 'c');
  await cluster.passes('5s');
  await second.stops();
  await cluster.patch(Deployment, 'default/web', { spec: { replicas: 6 } });
  await cluster.passes('6s');
  expect(leaders(cluster)).toEqual(['kube-controller-manager: c (2)', 'kube-scheduler: c (2)']);
  expect([cluster.list(Pod).length, running(cluster)]).toEqual([6, 6]);
  const told = cluster.list(Event).filter(({ reason }) => reason === 'LeaderElection');
  expect(told.map(({ involvedObject, message }) => `${involvedObject.name}: ${message}`).sort()).toEqual(
    ['kube-controller-manager', 'kube-scheduler'].flatMap((name) =>
      ['a became leader', 'b became leader', 'b stopped leading', 'c became leader'].map((text) => `${name}: ${text}`),
    ),
  );
  await third.stops();
});
