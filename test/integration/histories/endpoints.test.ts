import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Endpoints } from '#api/core/v1/endpoints.ts';
import { Node } from '#api/core/v1/node.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { isReady, isTerminal } from '#api/core/v1/pod-conditions.ts';
import { Service } from '#api/core/v1/service.ts';
import { EndpointSlice } from '#api/discovery/v1/endpoint-slice.ts';
import { endpointSliceController } from '#control-plane/controllers/endpoints/endpoint-slice.ts';
import { endpointsController } from '#control-plane/controllers/endpoints/endpoints.ts';
import { node, pod, service } from '#testing/cluster.ts';
import { history, namedLike, runs, type Trouble, troubles, World } from './history.ts';

const PODS = 5;

type Step =
  | { act: 'come' | 'go' | 'end'; n: number }
  | { act: 'ready'; n: number; ready: boolean }
  | { act: 'be called'; n: number; app: string }
  | { act: 'select'; app: string }
  | { act: 'listen'; port: number }
  | { act: 'service goes' | 'service comes' | 'somebody spoils it' };

const n = fc.nat(PODS - 1);
const app = fc.constantFrom('web', 'shop');
const steps: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ act: fc.constantFrom('come' as const, 'come' as const, 'go' as const, 'end' as const), n }),
  fc.record({ act: fc.constant('ready' as const), n, ready: fc.boolean() }),
  fc.record({ act: fc.constant('be called' as const), n, app }),
  fc.record({ act: fc.constant('select' as const), app }),
  fc.record({ act: fc.constant('listen' as const), port: fc.constantFrom(8080, 9090) }),
  fc.record({ act: fc.constantFrom('service goes' as const, 'service comes' as const, 'somebody spoils it' as const) }),
);

const acting =
  (world: World) =>
  async (step: Step): Promise<unknown> => {
    const { cluster } = world;
    const status = (of: number, changed: object) =>
      cluster.patch(Pod, { name: `p${of}`, namespace: 'default', subresource: 'status' }, { status: changed });
    switch (step.act) {
      case 'come':
        await cluster.create(Pod, pod(`p${step.n}`, { nodeName: 'node1' }, { labels: { app: 'web' } }));
        return status(step.n, { phase: 'Running', podIP: `10.0.0.${step.n}`, podIPs: [{ ip: `10.0.0.${step.n}` }] });
      case 'go':
        return cluster.delete(Pod, `default/p${step.n}`, { gracePeriodSeconds: 0 });
      case 'end':
        return status(step.n, { phase: 'Succeeded' });
      case 'ready':
        return status(step.n, { conditions: [{ type: 'Ready', status: step.ready ? 'True' : 'False' }] });
      case 'be called':
        return cluster.patch(Pod, `default/p${step.n}`, { metadata: { labels: { app: step.app } } });
      case 'select':
        return cluster.patch(Service, 'default/web', { spec: { selector: { app: step.app } } });
      case 'listen':
        return cluster.patch(Service, 'default/web', { spec: { ports: [{ port: 80, targetPort: step.port }] } });
      case 'service goes':
        return cluster.delete(Service, 'default/web');
      case 'service comes':
        return cluster.create(Service, service('web'));
      case 'somebody spoils it': {
        const [slice] = (await cluster.client.list(EndpointSlice, { namespace: 'default' })).items;
        return slice && cluster.patch(EndpointSlice, namedLike(slice), { endpoints: [] });
      }
    }
  };

test('a Service leads to its ready pods, each once, in slices and in the older form', async () => {
  await fc.assert(
    fc.asyncProperty(history<Step | Trouble>(steps, steps, troubles()), async (moments) => {
      await using world = await World.begin({ shaky: [endpointSliceController, endpointsController] });
      const { cluster } = world;
      await cluster.create(Node, node('node1'));
      await cluster.create(Service, service('web'));
      await world.lives(moments, acting(world));
      await world.comesToRest(60_000);
      const web = cluster.get(Service, 'default/web');
      const slices = cluster.list(EndpointSlice);
      const endpoints = cluster.list(Endpoints);
      if (!web) {
        expect([slices, endpoints]).toEqual([[], []]);
        return;
      }
      const behind = cluster
        .list(Pod)
        .filter((each) => each.metadata.labels?.['app'] === web.spec.selector?.['app'] && !isTerminal(each))
        .filter(({ status }) => status?.podIP)
        .map((each) => ({ ip: each.status?.podIP, uid: each.metadata.uid, ready: isReady(each) }))
        .sort((a, b) => (`${a.ip}` < `${b.ip}` ? -1 : 1));
      const listed = slices
        .flatMap((slice) => slice.endpoints)
        .map(({ addresses, targetRef, conditions }) => ({
          ...{ ip: addresses[0], uid: targetRef?.uid, ready: conditions?.ready },
        }))
        .sort((a, b) => (`${a.ip}` < `${b.ip}` ? -1 : 1));
      expect(listed).toEqual(behind);
      const port = web.spec.ports?.[0]?.targetPort;
      for (const slice of slices)
        if (slice.endpoints.length > 0) expect(slice.ports?.map((each) => each.port)).toEqual([port]);
      const older = (endpoints[0]?.subsets ?? []).flatMap(({ addresses = [], notReadyAddresses = [] }) => [
        ...addresses.map(({ ip, targetRef }) => ({ ip, uid: targetRef?.uid, ready: true })),
        ...notReadyAddresses.map(({ ip, targetRef }) => ({ ip, uid: targetRef?.uid, ready: false })),
      ]);
      expect(older.sort((a, b) => (a.ip < b.ip ? -1 : 1))).toEqual(behind);
    }),
    runs(12),
  );
});
