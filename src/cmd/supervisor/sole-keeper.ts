/** A folder of running processes has one keeper at a time: the supervisor of a cluster, or the agent of a node. */
import { systemClock } from '#cmd/system-clock.ts';
import { type ClusterPaths, prepareRunDir } from '#node/machine/cluster-dir.ts';
import { withFileLock } from '#node/machine/file-lock.ts';
import { recordOf } from '#node/machine/process-record.ts';
import { findStarted, rememberStarted } from '#node/machine/started-processes.ts';

export class KeptAlready extends Error {
  readonly code = 'KeptAlready';
}

/** Puts this process on record under `role`. Throws KeptAlready while another lives; `what` is what it keeps. */
export async function becomeSoleKeeper(paths: ClusterPaths, role: string, what: string): Promise<void> {
  await prepareRunDir(paths);
  await withFileLock({ path: `${paths.runDir}/${role}.lock`, clock: systemClock }, async () => {
    const other = await findStarted(paths, role);
    if (other) throw new KeptAlready(`${what} has a process "${role}" already: process ${other.record.pid}`);
    const record = recordOf(process.pid);
    if (record) await rememberStarted(paths, role, { record, argv: [], build: '' });
  });
}
