import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { endEarlierWriters } from './earlier-writers.ts';
import { systemClock } from './system-clock.ts';

const MARK = 'KEDGE_WRITES_FOR';
let folder: string;
const started: ChildProcess[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kedge-writers-'));
});
afterEach(() => {
  for (const child of started.splice(0)) child.kill('SIGKILL');
  rmSync(folder, { recursive: true });
  delete process.env[MARK];
});

/** Something that runs under that name for long. */
async function running(name: string, env: NodeJS.ProcessEnv = process.env) {
  const path = join(folder, name);
  const sleep = execFileSync('sh', ['-c', 'command -v sleep'], { encoding: 'utf8' }).trim();
  if (!existsSync(path)) symlinkSync(sleep, path);
  const child = spawn(path, ['600'], { env, stdio: 'ignore' });
  started.push(child);
  await new Promise((resolve) => child.once('spawn', resolve));
  const ended = new Promise((resolve) => child.once('exit', (_, signal) => resolve(signal)));
  return { child, ended };
}

test('what an earlier process left that writes rules is ended; whoever writes for others, or does something else, goes on', async () => {
  const path = `${folder}/node1.json`;
  const leftBy = (what: string) => ({ ...process.env, [MARK]: what });
  const writers = ['nft', 'iptables-restore', 'sh', 'timeout'];
  const left = await Promise.all(writers.map((name) => running(name, leftBy(path))));
  const others = [
    await running('nft'),
    await running('nft', leftBy(`${path}2`)),
    await running('worker', leftBy(path)),
  ];
  await endEarlierWriters(path, systemClock);
  expect(await Promise.all(left.map(({ ended }) => ended))).toEqual(writers.map(() => 'SIGKILL'));
  expect(others.map(({ child }) => child.exitCode ?? child.signalCode)).toEqual([null, null, null]);
});

test('what this process starts is known to the next', async () => {
  const path = `${folder}/node2.json`;
  await endEarlierWriters(path, systemClock);
  const { ended } = await running('nft');
  await endEarlierWriters(path, systemClock);
  expect(await ended).toBe('SIGKILL');
});
