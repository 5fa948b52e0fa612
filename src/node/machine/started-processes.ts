/**
 * What runs for a cluster on this machine, on record: so that a supervisor that was killed finds its processes again, and
 * `down` ends them even when nobody supervises.
 */
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, sleep } from '#base/clock.ts';
import type { ClusterPaths } from './cluster-dir.ts';
import { readJsonFile, writeJsonFile } from './json-file.ts';
import { isAlive, type ProcessRecord, signalled } from './process-record.ts';

export interface StartedProcess {
  record: ProcessRecord;
  /** How it was started; one started otherwise is replaced rather than adopted. */
  argv: readonly string[];
  /** Of the program when it was started: another build is another program. */
  build: string;
}

const fileOf = ({ runDir }: ClusterPaths, name: string): string =>
  join(runDir, 'processes', `${name.replaceAll('/', '_')}.json`);

export async function findStarted(paths: ClusterPaths, name: string): Promise<StartedProcess | undefined> {
  const started = (await readJsonFile(fileOf(paths, name))) as StartedProcess | undefined;
  return started && isAlive(started.record) ? started : undefined;
}

export const rememberStarted = (paths: ClusterPaths, name: string, started: StartedProcess): Promise<void> =>
  writeJsonFile(fileOf(paths, name), started);

export const forgetStarted = (paths: ClusterPaths, name: string): Promise<void> =>
  rm(fileOf(paths, name), { force: true });

/** Those that live, by name. */
export async function allStarted(paths: ClusterPaths): Promise<Map<string, StartedProcess>> {
  const names = await readdir(join(paths.runDir, 'processes')).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  const found = new Map<string, StartedProcess>();
  for (const file of names.filter((each) => each.endsWith('.json'))) {
    const name = file.slice(0, -'.json'.length);
    const started = await findStarted(paths, name);
    if (started) found.set(name.replaceAll('_', '/'), started);
  }
  return found;
}

/** TERM, and after `graceMs` KILL. Resolves when the process is gone. */
export async function endProcess(
  record: ProcessRecord,
  { clock, graceMs }: { clock: Clock; graceMs: number },
): Promise<void> {
  if (!isAlive(record)) return;
  signalled(record.pid, 'SIGTERM');
  for (const deadlineMs = clock.monotonicMs() + graceMs; isAlive(record); await sleep(clock, 10)) {
    if (clock.monotonicMs() > deadlineMs) signalled(record.pid, 'SIGKILL');
  }
}
