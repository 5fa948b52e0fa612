import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { silentLog } from '#base/log.ts';
import { ManualClock } from '#base/manual-clock.ts';
import { SimulatedRuntime } from '#node/runtime/simulated/simulated-runtime.ts';
import { Housekeeping } from './housekeeping.ts';
import type { PodEnd } from './pod-end.ts';
import { RuntimePods } from './runtime-pods.ts';
import type { PodVolumes } from './volumes/pod-volumes.ts';

test('a pod that nobody can remove holds up none of the others', async () => {
  const logRoot = mkdtempSync(join(tmpdir(), 'kedge-housekeeping-'));
  const clock = new ManualClock();
  const runtime = new SimulatedRuntime({ clock });
  const [removed, told]: [string[], unknown[]] = [[], []];
  const stopUnknown = async (uid: string) => {
    if (uid === 'stuck') throw Object.assign(new Error('EBUSY: resource busy'), { code: 'EBUSY' });
    removed.push(uid);
  };
  const housekeeping = new Housekeeping({
    runtime,
    runtimePods: new RuntimePods(runtime, clock),
    volumes: { known: async () => ['stuck', 'other'] } as unknown as PodVolumes,
    end: { stopUnknown } as unknown as PodEnd,
    clock,
    log: { ...silentLog, warn: (_, fields) => told.push(fields) },
    isKnown: () => false,
    cgroups: undefined,
    cgroupRoot: '/kubepods',
    logRoot,
  });
  try {
    mkdirSync(join(logRoot, 'default_web_logs-only'));
    const nothing = { sandboxes: [], containers: [] };
    await housekeeping.tidy(nothing);
    expect(removed).toEqual([]); // our copy of the API may be behind
    clock.advance(10_000);
    await housekeeping.tidy(nothing);
    expect(removed).toEqual(['other', 'logs-only']);
    expect(told).toEqual([expect.objectContaining({ uid: 'stuck', error: 'EBUSY: resource busy' })]);
  } finally {
    rmSync(logRoot, { recursive: true });
  }
});
