import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PersistentVolume } from '#api/core/v1/persistent-volume.ts';
import { PersistentVolumeClaim } from '#api/core/v1/persistent-volume-claim.ts';
import { claimProtection } from '#control-plane/controllers/storage-protection/claim-protection.ts';
import { volumeProtection } from '#control-plane/controllers/storage-protection/volume-protection.ts';
import { claimBinder } from '#control-plane/controllers/volumes/claim-binder.ts';
import { volumeReclaimer } from '#control-plane/controllers/volumes/volume-reclaimer.ts';
import { claim, volume } from '#testing/volumes-fixture.ts';
import { history, runs, type Trouble, troubles, World } from './history.ts';

const NAMES = 4;
type Step = { act: 'claim' | 'volume' | 'delete claim' | 'delete volume'; n: number; gigabytes: number };

const n = fc.nat(NAMES - 1);
const gigabytes = fc.constantFrom(1, 2);
const steps: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ act: fc.constantFrom('claim' as const, 'volume' as const), n, gigabytes }),
  fc.record({ act: fc.constantFrom('delete claim' as const, 'delete volume' as const), n, gigabytes }),
);

const acting =
  ({ cluster }: World) =>
  async ({ act, n: number, gigabytes: size }: Step): Promise<unknown> => {
    const storage = `${size}Gi`;
    switch (act) {
      case 'claim': {
        const spec = { storageClassName: '', resources: { requests: { storage } } };
        return cluster.create(PersistentVolumeClaim, claim(`c${number}`, spec));
      }
      case 'volume':
        return cluster.create(PersistentVolume, volume(`v${number}`, { capacity: { storage } }));
      case 'delete claim':
        return cluster.delete(PersistentVolumeClaim, `default/c${number}`);
      case 'delete volume':
        return cluster.delete(PersistentVolume, `v${number}`);
    }
  };

const CONTROLLERS = [claimBinder, volumeReclaimer, claimProtection, volumeProtection];

test('a volume belongs to one claim and a claim to one volume, both say so, and none waits for one that is free', async () => {
  await fc.assert(
    fc.asyncProperty(history<Step | Trouble>(steps, steps, troubles({ lostAnswers: true })), async (moments) => {
      await using world = await World.begin({ shaky: CONTROLLERS });
      const { cluster } = world;
      await world.lives(moments, acting(world));
      await world.comesToRest(120_000);
      const [claims, volumes] = [cluster.list(PersistentVolumeClaim), cluster.list(PersistentVolume)];
      const uidOf = ({ spec }: PersistentVolume) => spec.claimRef?.uid;
      const bound = claims.filter(({ status }) => status?.phase === 'Bound');
      const named = bound.map(({ spec }) => spec.volumeName);
      expect(new Set(named).size).toBe(named.length);
      for (const { metadata, spec } of bound) {
        const mine = volumes.find((each) => each.metadata.name === spec.volumeName);
        expect([mine?.status?.phase, mine && uidOf(mine)]).toEqual(['Bound', metadata.uid]);
      }
      const taken = volumes.filter(({ status }) => status?.phase === 'Bound').map(uidOf);
      expect(taken.sort()).toEqual(bound.map(({ metadata }) => metadata.uid).sort());
      // Of the others each says what it is: free for somebody, or left by one that has gone.
      for (const { metadata, status, spec } of volumes)
        if (status?.phase !== 'Bound')
          expect([metadata.name, status?.phase]).toEqual([metadata.name, spec.claimRef ? 'Released' : 'Available']);
      const free = volumes.filter(
        ({ status, metadata }) => status?.phase === 'Available' && !metadata.deletionTimestamp,
      );
      const waiting = claims.filter(({ status }) => status?.phase === 'Pending');
      const sizeOf = (amounts: Record<string, string> | undefined) => Number.parseInt(amounts?.['storage'] ?? '', 10);
      for (const { spec } of waiting)
        expect(free.filter((each) => sizeOf(each.spec.capacity) >= sizeOf(spec.resources?.requests))).toEqual([]);
    }),
    runs(8),
  );
});
