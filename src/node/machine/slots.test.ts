import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ManualClock } from '#base/manual-clock.ts';
import { planOf, takeSlot } from './slots.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kedge-slots-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const register = (portsInUse: number[]) => ({
  folder: join(folder, '.machine'),
  clock: new ManualClock(),
  rangesInUse: async () => [],
  isPortFree: async (port: number) => !portsInUse.includes(port),
});

test('a slot whose port is taken by somebody else is passed over by a new cluster, and kept by a known one', async () => {
  const owner = { name: 'dev', dataDir: folder };
  const taken = [planOf(0).apiServerPort, planOf(1).registryPort];
  expect((await takeSlot(register(taken), owner)).slot).toBe(2);
  expect((await takeSlot(register([...taken, planOf(2).apiServerPort]), owner)).slot).toBe(2);
});
