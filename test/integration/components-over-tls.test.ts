/** Controllers and the scheduler as processes of their own would run them: over TLS, each under its own user, in real time. */
import { expect, test, vi } from 'vitest';
import { Deployment } from '#api/apps/v1/deployment.ts';
import { bodies, catalog } from '#api/catalog.ts';
import { Event } from '#api/core/v1/event.ts';
import { Namespace } from '#api/core/v1/namespace.ts';
import { Node } from '#api/core/v1/node.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { Service } from '#api/core/v1/service.ts';
import { EndpointSlice } from '#api/discovery/v1/endpoint-slice.ts';
import { createKindRegistry } from '#api/machinery/kind-registry.ts';
import { silentLog } from '#base/log.ts';
import type { Draft } from '#client/client.ts';
import { Client } from '#client/client.ts';
import { systemClock, systemRandom } from '#cmd/system-clock.ts';
import { ensureBootstrapObjects } from '#control-plane/apiserver/authorization/ensure-bootstrap-objects.ts';
import { rulesOf } from '#control-plane/controllers/controller-roles.ts';
import { controllersFor } from '#control-plane/controllers/index.ts';
import { startControllers } from '#control-plane/controllers/start-controllers.ts';
import { startScheduler } from '#control-plane/scheduler/start-scheduler.ts';
import { deployment, namespace, node, service } from '#testing/cluster.ts';
import { podsThatRun } from '#testing/pods-that-run.ts';
import { startHttpsApiServer } from './https-api-server.ts';

const eventually = (check: () => Promise<void>) => vi.waitFor(check, { timeout: 60_000, interval: 50 });

test('a Deployment comes up, is rolled over and goes, with every component on the other side of a connection', async () => {
  await using server = await startHttpsApiServer();
  const client = new Client(server.transportFor({ name: 'admin', groups: ['system:masters'] }));
  const controllers = [...controllersFor({ rootCa: server.pki.caCertificate }), podsThatRun()];
  const derived = controllers.map((each) => ({ controller: each.serviceAccount, rules: rulesOf(each) }));
  await ensureBootstrapObjects(client, derived);
  const services = {
    transportFor: server.transportFor,
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
    breathe: () => new Promise<void>((resolve) => setImmediate(resolve)),
  };
  const running = startControllers({ controllers, kinds: createKindRegistry(catalog, bodies), ...services });
  const scheduler = startScheduler(services);
  try {
    for (const name of ['node1', 'node2']) await client.create(Node, node(name) as Draft<Node>);
    await client.create(Namespace, namespace('shop') as Draft<Namespace>);
    const here = { namespace: 'shop' };
    await eventually(async () => void (await client.get(Namespace, { name: 'shop' })));
    await client.create(Service, service('web', {}, here) as Draft<Service>);
    await eventually(async () => {
      await client.create(Deployment, deployment('web', { replicas: 4 }, here) as unknown as Draft<Deployment>);
    });
    await eventually(async () => {
      const { status } = await client.get(Deployment, { name: 'web', ...here });
      expect(status).toMatchObject({ replicas: 4, availableReplicas: 4, updatedReplicas: 4 });
    });
    const placed = (await client.list(Pod, here)).items.map(({ spec }) => spec.nodeName);
    expect(new Set(placed)).toEqual(new Set(['node1', 'node2']));
    const slices = async () => (await client.list(EndpointSlice, here)).items.flatMap(({ endpoints }) => endpoints);
    await eventually(async () => expect(await slices()).toHaveLength(4));

    const image = { spec: { template: { spec: { containers: [{ name: 'main', image: 'example/main:2' }] } } } };
    await client.patch(Deployment, { name: 'web', ...here }, { type: 'strategic', patch: image });
    await eventually(async () => {
      const { items } = await client.list(Pod, here);
      expect(items.map(({ spec }) => spec.containers[0]?.image)).toEqual(Array(4).fill('example/main:2'));
    });
    await eventually(async () => {
      const { items: events } = await client.list(Event, here);
      expect(new Set(events.map(({ reason }) => reason))).toEqual(
        new Set(['ScalingReplicaSet', 'SuccessfulCreate', 'SuccessfulDelete', 'Scheduled']),
      );
    });
    await client.delete(Namespace, { name: 'shop' });
    await eventually(async () => {
      await expect(client.get(Namespace, { name: 'shop' })).rejects.toThrow('namespaces "shop" not found');
    });
    for (const { name, failed, longBarrierWaits } of running.stats()) {
      expect({ name, longBarrierWaits }).toEqual({ name, longBarrierWaits: 0 });
      expect(failed, name).toBeLessThan(20);
    }
  } finally {
    scheduler.stop();
    running.stop();
  }
});
