import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { systemClock } from '#cmd/system-clock.ts';
import { isAlive, recordOf } from '#node/machine/process-record.ts';
import type { CliContext } from './context.ts';
import { takeClusterDown } from './take-down.ts';

test('a supervisor that has only been started, and is on no record yet, does not go on unseen', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'kedge-take-down-'));
  onTestFinished(() => rm(dataDir, { recursive: true }));
  const child = spawn('sleep', ['60'], { stdio: 'ignore' });
  onTestFinished(() => void child.kill('SIGKILL'));
  await once(child, 'spawn');
  const starting = recordOf(child.pid ?? 0);
  expect(isAlive(starting)).toBe(true);

  const context = { clock: systemClock, env: {} } as CliContext;
  await takeClusterDown(context, { name: 'only-started', dataDir }, starting);
  expect(isAlive(starting)).toBe(false);
});
