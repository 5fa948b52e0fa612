import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ConfigMap } from '#api/core/v1/config-map.ts';
import type { OwnerReference } from '#api/machinery/object.ts';
import { garbageCollector } from '#control-plane/controllers/garbage-collector/garbage-collector.ts';
import { history, runs, type Trouble, troubles, World } from './history.ts';

const NAMES = 6;

type Step =
  | { act: 'make'; name: number; owners: number[]; blocks: boolean }
  | { act: 'own'; name: number; owners: number[]; blocks: boolean }
  | { act: 'delete'; name: number; how: 'Background' | 'Foreground' | 'Orphan' };

const name = fc.nat(NAMES - 1);
const owners = fc.uniqueArray(name, { maxLength: 2 });
const steps: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ act: fc.constantFrom('make' as const, 'own' as const), name, owners, blocks: fc.boolean() }),
  fc.record({ act: fc.constant('make' as const), name, owners, blocks: fc.boolean() }),
  fc.record({
    act: fc.constant('delete' as const),
    name,
    how: fc.constantFrom('Background' as const, 'Foreground' as const, 'Orphan' as const),
  }),
);

/** By uid, of those that somebody asked to delete. */
type Deleted = Set<string>;

const acting =
  ({ cluster }: World, deleted: Deleted) =>
  async (step: Step): Promise<unknown> => {
    const { items } = await cluster.client.list(ConfigMap, { namespace: 'default' });
    const named = (n: number) => items.find(({ metadata }) => metadata.name === `o${n}`);
    if (step.act === 'delete') {
      const object = named(step.name);
      if (object) deleted.add(object.metadata.uid);
      return object && cluster.delete(ConfigMap, `default/o${step.name}`, { propagationPolicy: step.how });
    }
    const ownerReferences = step.owners.flatMap((n): OwnerReference[] => {
      const owner = named(n);
      if (!owner || n === step.name) return [];
      const { uid } = owner.metadata;
      return [{ apiVersion: 'v1', kind: 'ConfigMap', name: `o${n}`, uid, blockOwnerDeletion: step.blocks }];
    });
    if (step.act === 'own') return cluster.patch(ConfigMap, `default/o${step.name}`, { metadata: { ownerReferences } });
    return cluster.create(ConfigMap, { metadata: { name: `o${step.name}`, namespace: 'default', ownerReferences } });
  };

test('nothing is left that has lost its owners, nothing goes that has one, and every deletion comes to its end', async () => {
  await fc.assert(
    fc.asyncProperty(history<Step | Trouble>(steps, steps, troubles({ lostAnswers: true })), async (moments) => {
      await using world = await World.begin({ shaky: [garbageCollector] });
      const { cluster } = world;
      const seen = world.follow(ConfigMap);
      const deleted: Deleted = new Set();
      await world.lives(moments, acting(world, deleted));
      await world.comesToRest(60_000);
      const left = cluster.list(ConfigMap);
      const living = new Set(left.map(({ metadata }) => metadata.uid));
      expect(left.filter(({ metadata }) => metadata.deletionTimestamp)).toEqual([]);
      for (const { metadata } of left)
        expect(metadata.ownerReferences?.filter(({ uid }) => !living.has(uid)) ?? []).toEqual([]);
      // What nobody deleted, and whose last owners live, or that has none, is there.
      const last = new Map(seen.map(({ object }) => [object.metadata.uid, object.metadata]));
      for (const [uid, { ownerReferences = [], name: of }] of last) {
        const isOwned = ownerReferences.length === 0 || ownerReferences.some((owner) => living.has(owner.uid));
        if (!deleted.has(uid) && isOwned) expect([of, living.has(uid)]).toEqual([of, true]);
      }
    }),
    runs(15),
  );
});
