import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Clock } from '#base/clock.ts';
import { deferred } from '#base/deferred.ts';
import { silentLog } from '#base/log.ts';
import { systemClock } from '#cmd/system-clock.ts';
import { clusterPaths } from '#node/machine/cluster-dir.ts';
import { recordOf, signalled } from '#node/machine/process-record.ts';
import { KeptProcess } from './kept-process.ts';

let folder: string;
const pids: number[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kedge-kept-'));
});
afterEach(async () => {
  for (const pid of pids.splice(0)) if (recordOf(pid)) signalled(pid, 'SIGKILL');
  await rm(folder, { recursive: true, force: true });
});

/** Runs `script`; `told` hears of every process that was started and of every change of state. */
function kept(
  script: string,
  told: { started?: (pid: number) => void; changed?: () => void },
  clock: Clock = systemClock,
): KeptProcess {
  const info = (message: string, fields: { pid?: number } = {}) => {
    if (message !== 'started a process' || !fields.pid) return;
    pids.push(fields.pid);
    told.started?.(fields.pid);
  };
  return new KeptProcess({
    name: 'tried',
    argv: ['/bin/sh', '-c', script],
    logFile: join(folder, 'tried.log'),
    paths: clusterPaths('tried', folder, false),
    clock,
    log: { ...silentLog, info: info as typeof silentLog.info },
    onChange: () => told.changed?.(),
  });
}

test('a process that ends is started again, and ends for good when it is stopped', async () => {
  const second = deferred();
  const process = kept(`[ -e ${folder}/once ] && exec sleep 60; touch ${folder}/once`, {
    started: () => pids.length === 2 && second.resolve(),
  });
  await process.start();
  await second.promise;
  expect(process.status.restarts).toBe(1);
  await process.stop(1000);
  expect(process.status).toMatchObject({ state: 'stopped' });
  expect(pids.map(recordOf)).toEqual([undefined, undefined]);
});

test('a process that is just being started again when it is to stop does not outlive that', async () => {
  const second = deferred();
  let stopped: Promise<void> | undefined;
  const process = kept(`[ -e ${folder}/once ] && exec sleep 60; touch ${folder}/once`, {
    started: () => pids.length === 2 && second.resolve(),
    changed() {
      const { state, restarts } = process.status;
      if (state !== 'starting' || restarts !== 1) return;
      queueMicrotask(() => {
        stopped ??= process.stop(1000);
      });
    },
  });
  await process.start();
  await second.promise;
  await stopped;
  expect(pids.map(recordOf)).toEqual([undefined, undefined]);
  expect(process.status).toEqual({ name: 'tried', state: 'stopped', restarts: 1 });
});

test('who ends is started again at once, and who ends again and again after longer and longer', async () => {
  const waits: number[] = [];
  const fourth = deferred();
  const clock: Clock = {
    ...systemClock,
    timer(ms, due) {
      const isForRestart = process.status.state === 'backing off';
      if (isForRestart) waits.push(ms);
      return systemClock.timer(isForRestart ? 0 : ms, due);
    },
  };
  const process = kept('exit 1', { changed: () => waits.length === 4 && fourth.resolve() }, clock);
  await process.start();
  await fourth.promise;
  await process.stop(1000);
  expect(waits.slice(0, 4)).toEqual([0, 200, 400, 800]);
});
