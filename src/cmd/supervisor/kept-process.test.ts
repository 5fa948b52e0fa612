import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
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
  const process = kept(`[ -e ${folder}/once ] && exec sleep 60; touch ${folder}/once; sleep 0.5`, {
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
  const process = kept(`[ -e ${folder}/once ] && exec sleep 60; touch ${folder}/once; sleep 0.5`, {
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

/** Listens at a port that it tells in a file, gives the socket away, and ends. */
const LISTENS = `
  const server = require('net').createServer().listen(0, '127.0.0.1', () => {
    require('fs').writeFileSync(process.env.TOLD, String(server.address().port));
    process.send({ keep: 'some' }, server._handle, undefined, () => process.exit(1));
  });`;

test('what it listened on is kept as long as the next one comes soon', async () => {
  const told = join(folder, 'port');
  process.env['TOLD'] = told;
  const answers: Promise<string>[] = [];
  const over = deferred();
  const clock: Clock = {
    ...systemClock,
    timer(ms, due) {
      if (kept.status.state !== 'backing off') return systemClock.timer(ms, due);
      const isLong = ms > 5_000;
      if (ms === 0 || isLong) answers.push(knocked(told));
      if (isLong) over.resolve();
      // Before the next one starts, so that it is not the one that answers.
      return systemClock.timer(0, () => void Promise.all(answers).then(() => !isLong && due()));
    },
  };
  const kept: KeptProcess = new KeptProcess({
    name: 'listens',
    argv: [process.execPath, '-e', LISTENS],
    keepsSockets: true,
    logFile: join(folder, 'log'),
    paths: { ...clusterPaths('kept', folder), runDir: folder },
    clock,
    log: silentLog,
    onChange: () => undefined,
  });
  await kept.start();
  await over.promise;
  expect(await Promise.all(answers)).toEqual(['waits', 'ECONNREFUSED']);
  await kept.stop(1000);
});

/** What becomes of a connection to the port that stands in the file. */
const knocked = (told: string): Promise<string> =>
  new Promise((resolve) => {
    const socket = connect(Number(readFileSync(told, 'utf8')), '127.0.0.1', () => {
      socket.destroy();
      resolve('waits');
    });
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''));
  });
