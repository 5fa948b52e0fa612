import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Endpoints } from '#api/core/v1/endpoints.ts';
import { Service } from '#api/core/v1/service.ts';
import { EndpointSlice } from '#api/discovery/v1/endpoint-slice.ts';
import { endpointSliceMirroringController } from '#control-plane/controllers/endpoints/mirroring.ts';
import { service } from '#testing/cluster.ts';
import { history, namedLike, runs, type Trouble, troubles, World } from './history.ts';

interface Subset {
  ready: number[];
  notReady: number[];
  port: number;
}

type Step =
  | { act: 'say'; subsets: Subset[] }
  | { act: 'endpoints go' | 'service comes' | 'service goes' | 'select' | 'do not select' | 'skip' | 'do not skip' }
  | { act: 'somebody spoils one' | 'somebody takes one away'; n: number };

const n = fc.nat(5);
const subset: fc.Arbitrary<Subset> = fc.record({
  ready: fc.uniqueArray(fc.nat(7), { maxLength: 4 }),
  notReady: fc.uniqueArray(fc.integer({ min: 8, max: 15 }), { maxLength: 2 }),
  port: fc.constantFrom(80, 443),
});
const says = fc.record({ act: fc.constant('say' as const), subsets: fc.array(subset, { maxLength: 2 }) });
const steps: fc.Arbitrary<Step> = fc.oneof(
  says,
  says,
  fc.record({
    act: fc.constantFrom(
      ...(['endpoints go', 'service comes', 'service goes', 'select', 'do not select', 'skip', 'do not skip'] as const),
    ),
  }),
  fc.record({ act: fc.constantFrom('somebody spoils one' as const, 'somebody takes one away' as const), n }),
);

/** Of both families. */
const addressOf = (number: number): string => (number % 2 === 0 ? `10.1.0.${number}` : `fd00::${number}`);
const addressed = (numbers: readonly number[]) => numbers.map((number) => ({ ip: addressOf(number) }));

const SKIP = 'endpointslice.kubernetes.io/skip-mirror';
const MANAGED_BY = 'endpointslice.kubernetes.io/managed-by';
const OURS = 'endpointslicemirroring-controller.k8s.io';
const NAME = { name: 'custom', namespace: 'default' };

const isMirrored = ({ metadata }: EndpointSlice): boolean => metadata.labels?.[MANAGED_BY] === OURS;

async function sayAll({ cluster }: World, subsets: readonly Subset[]): Promise<unknown> {
  const said = subsets
    .filter(({ ready, notReady }) => ready.length + notReady.length > 0)
    .map(({ ready, notReady, port }) => ({
      addresses: addressed(ready),
      notReadyAddresses: addressed(notReady),
      ports: [{ name: 'main', port, protocol: 'TCP' as const }],
    }));
  const { items } = await cluster.client.list(Endpoints, { namespace: 'default' });
  if (items.length > 0) return cluster.patch(Endpoints, NAME, { subsets: said });
  return cluster.create(Endpoints, { metadata: NAME, subsets: said });
}

const acting =
  (world: World) =>
  async (step: Step): Promise<unknown> => {
    const { cluster } = world;
    const nth = async (number: number) => {
      const { items } = await cluster.client.list(EndpointSlice, { namespace: 'default' });
      const mirrored = items.filter(isMirrored);
      return mirrored[number % mirrored.length];
    };
    switch (step.act) {
      case 'say':
        return sayAll(world, step.subsets);
      case 'endpoints go':
        return cluster.delete(Endpoints, NAME);
      case 'service comes':
        return cluster.create(Service, service('custom', { selector: {} }));
      case 'service goes':
        return cluster.delete(Service, NAME);
      case 'select':
      case 'do not select':
        return cluster.patch(Service, NAME, { spec: { selector: step.act === 'select' ? { app: 'a' } : null } });
      case 'skip':
      case 'do not skip':
        return cluster.patch(Endpoints, NAME, {
          metadata: { labels: { [SKIP]: step.act === 'skip' ? 'true' : null } },
        });
      case 'somebody spoils one': {
        const slice = await nth(step.n);
        return slice && cluster.patch(EndpointSlice, namedLike(slice), { endpoints: [] });
      }
      case 'somebody takes one away': {
        const slice = await nth(step.n);
        return slice && cluster.delete(EndpointSlice, namedLike(slice));
      }
    }
  };

/** Sorted, each once. */
const sorted = (lines: readonly string[]): string[] => [...new Set(lines)].sort();

/** What Endpoints say, as a line for each address and port. */
function said({ subsets = [] }: Endpoints): string[] {
  return subsets.flatMap(({ addresses = [], notReadyAddresses = [], ports = [] }) =>
    ports.flatMap(({ port }) => [
      ...addresses.map(({ ip }) => `${ip} ${port} true`),
      ...notReadyAddresses.map(({ ip }) => `${ip} ${port} false`),
    ]),
  );
}

const shown = ({ endpoints, ports }: EndpointSlice): string[] =>
  endpoints.flatMap(({ addresses, conditions }) =>
    (ports ?? []).flatMap(({ port }) => addresses.map((ip) => `${ip} ${port} ${conditions?.ready}`)),
  );

const ownSlice = (name: string, labels: Record<string, string>) => ({
  metadata: { name, namespace: 'default', labels: { 'kubernetes.io/service-name': 'custom', ...labels } },
  addressType: 'IPv4' as const,
  endpoints: [{ addresses: ['10.9.9.9'] }],
  ports: [{ name: 'main', port: 80, protocol: 'TCP' as const }],
});

test('slices say what the Endpoints of a Service without a selector say, as long as there are both, and nobody else’s are touched', async () => {
  await fc.assert(
    fc.asyncProperty(history<Step | Trouble>(steps, steps, troubles({ lostAnswers: true })), async (moments) => {
      await using world = await World.begin({ shaky: [endpointSliceMirroringController] });
      const { cluster } = world;
      await cluster.create(Service, service('custom', { selector: {} }));
      const others = [
        await cluster.create(EndpointSlice, ownSlice('by-hand', {})),
        await cluster.create(EndpointSlice, ownSlice('by-another', { [MANAGED_BY]: 'example.org' })),
      ];
      await world.lives(moments, acting(world));
      await world.comesToRest(60_000);
      const all = cluster.list(EndpointSlice);
      for (const other of others)
        expect(all.find(({ metadata }) => metadata.name === other.metadata.name)?.metadata.resourceVersion).toBe(
          other.metadata.resourceVersion,
        );
      const mirrored = all.filter(isMirrored);
      const target = cluster.get(Service, 'default/custom');
      const endpoints = cluster.get(Endpoints, 'default/custom');
      const isSelected = Object.keys(target?.spec.selector ?? {}).length > 0;
      if (!target || isSelected || !endpoints || endpoints.metadata.labels?.[SKIP]) {
        expect(mirrored).toEqual([]);
        return;
      }
      const lines = mirrored.flatMap(shown);
      expect(lines.sort()).toEqual(sorted(said(endpoints)));
      for (const { addressType, endpoints: listed } of mirrored)
        expect(listed.every(({ addresses }) => addresses[0]?.includes(':') === (addressType === 'IPv6'))).toBe(true);
    }),
    runs(15),
  );
});
