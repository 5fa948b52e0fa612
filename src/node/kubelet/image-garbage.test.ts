import { expect, test } from 'vitest';
import { silentLog } from '#base/log.ts';
import { ManualClock } from '#base/manual-clock.ts';
import { SimulatedRuntime } from '#node/runtime/simulated/simulated-runtime.ts';
import { ImageGarbage } from './image-garbage.ts';

interface Ground {
  garbage: ImageGarbage;
  runtime: SimulatedRuntime;
  clock: ManualClock;
  told: string[];
  left(): Promise<string[]>;
}

/** Three unused images of a megabyte each on a disk of ten, `kept` aside. */
function ground(usedPercent: number, configuration: object = {}): Ground {
  const clock = new ManualClock();
  const runtime = new SimulatedRuntime({ clock, images: ['one', 'two', 'three', 'kept'] });
  const told: string[] = [];
  const garbage = new ImageGarbage({
    runtime,
    clock,
    log: silentLog,
    events: { normal: () => undefined, warning: (_about, reason, message) => told.push(`${reason} ${message}`) },
    nodeName: 'node-1',
    signal: new AbortController().signal,
    configuration: {
      imageMinimumGCAge: '2m0s',
      imageMaximumGCAge: '0s',
      imageGCHighThresholdPercent: 85,
      imageGCLowThresholdPercent: 80,
      ...configuration,
    },
    keep: ['kept'],
    disk: async () => ({ capacityBytes: 10_000_000, availableBytes: 10_000_000 - usedPercent * 100_000 }),
    onChange: () => undefined,
  });
  const left = async () => (await runtime.listImages()).flatMap(({ repoTags }) => repoTags);
  return { garbage, runtime, clock, told, left };
}

test('below the high mark nothing is removed', async () => {
  const { garbage, clock, left } = ground(84);
  await garbage.collect();
  clock.advance(600_000);
  await garbage.collect();
  expect(await left()).toHaveLength(4);
});

test('from the high mark on, unused images are removed until the low mark is reached, and no more', async () => {
  const { garbage, clock, left } = ground(95);
  await garbage.collect();
  clock.advance(180_000);
  await garbage.collect();
  expect(await left()).toEqual(['three', 'kept']); // 1.5 MB were to be freed
});

test('what is younger than the minimum age stays, and that too little was freed is told', async () => {
  const { garbage, clock, left, told } = ground(95);
  await garbage.collect();
  clock.advance(60_000);
  await garbage.collect();
  expect(await left()).toHaveLength(4);
  expect(told).toContain(
    'FreeDiskSpaceFailed Failed to garbage collect required amount of images. Attempted to free 1500000 bytes, but only found 0 bytes eligible to free.',
  );
});

test('images of containers stay, dead ones included', async () => {
  const { garbage, clock, runtime, left } = ground(99);
  runtime.listContainers = async () => [{ image: 'two', imageRef: '' }] as never;
  await garbage.collect();
  clock.advance(180_000);
  await garbage.deleteUnused();
  expect(await left()).toEqual(['two', 'kept']);
});

test('what was not used for too long goes, however empty the disk is', async () => {
  const { garbage, clock, runtime, left } = ground(10, { imageMaximumGCAge: '10m0s' });
  runtime.listContainers = async () => [{ image: 'two', imageRef: '' }] as never;
  await garbage.collect();
  clock.advance(660_000);
  await garbage.collect();
  expect(await left()).toEqual(['two', 'kept']);
});

test('100 percent means never', async () => {
  const { garbage, clock, left } = ground(100, { imageGCHighThresholdPercent: 100 });
  await garbage.collect();
  clock.advance(600_000);
  await garbage.collect();
  expect(await left()).toHaveLength(4);
});
