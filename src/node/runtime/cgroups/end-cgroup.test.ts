import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { systemClock } from '../../../../test/node/system-clock.ts';
import { killAll } from './cgroup-files.ts';
import type { Cgroups } from './cgroups.ts';
import { cgroupsV1 } from './cgroups-v1.ts';
import { endCgroup } from './end-cgroup.ts';

test('what a killed runtime has left in one hierarchy alone is killed there', async () => {
  const root = mkdtempSync(join(tmpdir(), 'kedge-cgroups-'));
  const lost = spawn('sleep', ['1000'], { stdio: 'ignore' });
  const ended = once(lost, 'exit');
  try {
    for (const name of ['cpu', 'memory']) mkdirSync(join(root, name, 'pods/podX/container'), { recursive: true });
    writeFileSync(join(root, 'cpu/pods/podX/container/cgroup.procs'), `${lost.pid}\n`);
    const mounts = ['cpu', 'memory'].map((name): [string, string] => [name, join(root, name)]);
    await cgroupsV1(new Map(mounts)).kill('/pods/podX');
    expect((await ended)[1]).toBe('SIGKILL');
  } finally {
    lost.kill('SIGKILL');
    rmSync(root, { recursive: true });
  }
});

test('a process that is of another process namespace has no number here: 0 would be this one and all beside it', () => {
  const kill = vi.spyOn(process, 'kill').mockReturnValue(true);
  try {
    killAll([0, 4_194_305, Number.NaN]);
    expect(kill.mock.calls).toEqual([[4_194_305, 'SIGKILL']]);
  } finally {
    kill.mockRestore();
  }
});

test('a group that is busy is emptied and removed; one that stays busy is told', async () => {
  const busy = () => Object.assign(new Error('busy'), { code: 'EBUSY' });
  let holds = 2;
  let kills = 0;
  const group = {
    kill: async () => {
      kills++;
      holds--;
    },
    remove: async () => {
      if (holds > 0) throw busy();
    },
  } as unknown as Cgroups;
  await endCgroup(group, '/x', systemClock);
  expect(kills).toBe(2);
  holds = 100;
  await expect(endCgroup(group, '/x', systemClock)).rejects.toMatchObject({ code: 'EBUSY' });
});
