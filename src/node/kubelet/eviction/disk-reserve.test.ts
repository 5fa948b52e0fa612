import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Pod } from '#api/core/v1/pod.ts';
import { DEFAULT_CONFIGURATION } from '#api/kubelet-config/kubelet-configuration.ts';
import { silentLog } from '#base/log.ts';
import { ManualClock } from '#base/manual-clock.ts';
import { DiskReserve } from './disk-reserve.ts';
import { Evictions } from './evictions.ts';
import type { Observation, Signal } from './usage.ts';

const MI = 1024 ** 2;

test('room is kept as a file, and given back', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'kedge-reserve-'));
  const path = join(folder, 'reserve');
  try {
    const reserve = new DiskReserve(path, 100 * MI);
    await reserve.keep();
    expect(statSync(path).size).toBe(2 * MI);
    await reserve.release();
    expect(existsSync(path)).toBe(false);
    await reserve.keep();
    expect(statSync(path).size).toBe(2 * MI);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('where there is little room none is taken, and none is missed', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'kedge-reserve-'));
  const path = join(folder, 'reserve');
  let freeBytes = 3 * MI;
  try {
    const reserve = new DiskReserve(path, 100 * MI, async () => freeBytes);
    await reserve.keep();
    expect(existsSync(path)).toBe(false);
    freeBytes = 100 * MI;
    await reserve.keep();
    expect(statSync(path).size).toBe(2 * MI);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('who cannot be helped by room that is kept, or given back, is ended nevertheless', async () => {
  const full = async () => {
    throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
  };
  const greedy = { metadata: { uid: 'u', name: 'greedy' }, spec: { containers: [{ name: 'main' }] } } as Pod;
  for (const [signal, threshold] of [
    ['memory.available', '100Mi'],
    ['nodefs.available', '10%'],
  ] as const) {
    const ended: string[] = [];
    const evictions = new Evictions({
      configuration: { ...DEFAULT_CONFIGURATION, evictionHard: { [signal]: threshold } },
      usage: {
        node: async () => new Map<Signal, Observation>([[signal, { available: MI, capacity: 1000 * MI }]]),
        pods: async () => new Map(),
      },
      clock: new ManualClock(),
      log: silentLog,
      events: { normal: () => undefined, warning: () => undefined },
      nodeName: 'node-1',
      pods: () => [greedy],
      isReleased: () => false,
      end: ({ metadata }) => ended.push(metadata.name),
      reclaimDisk: full,
      onConditions: () => undefined,
      reserve: { bytes: 20 * MI, keep: full, release: full },
    });
    await evictions.look();
    expect(ended, signal).toEqual(['greedy']);
  }
});

test('it is given back only to who was told to leave a disk that is full, and kept anew when there is room', async () => {
  const calls: string[] = [];
  const note = (call: string) => async () => void calls.push(call);
  const greedy = { metadata: { uid: 'u', name: 'greedy' }, spec: { containers: [{ name: 'main' }] } } as Pod;
  let [availableBytes, left] = [400 * MI, [greedy]];
  const clock = new ManualClock();
  const evictions = new Evictions({
    configuration: { ...DEFAULT_CONFIGURATION, evictionHard: { 'nodefs.available': '10%' } },
    usage: {
      node: async () =>
        new Map<Signal, Observation>([['nodefs.available', { available: availableBytes, capacity: 1000 * MI }]]),
      pods: async () => new Map(),
    },
    clock,
    log: silentLog,
    events: { normal: () => undefined, warning: () => undefined },
    nodeName: 'node-1',
    pods: () => left,
    isReleased: () => false,
    end: () => {
      calls.push('end');
      left = [];
    },
    reclaimDisk: async () => undefined,
    onConditions: () => undefined,
    reserve: { bytes: 20 * MI, keep: note('keep'), release: note('release') },
  });
  await evictions.look();
  availableBytes = 50 * MI; // little, and enough for the runtime
  await evictions.look();
  availableBytes = 0;
  clock.advance(10_000);
  await evictions.look();
  availableBytes = 400 * MI;
  clock.advance(400_000);
  await evictions.look();
  expect(calls).toEqual(['keep', 'end', 'release', 'keep']);
});
