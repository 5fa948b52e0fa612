/** The end of a group, with whatever still lives in it: a runtime that was killed in the middle of a step has lost it. */
import { type Clock, sleep } from '#base/clock.ts';
import { hasErrorCode } from './cgroup-files.ts';
import type { Cgroups } from './cgroups.ts';

/** As often as upstream; a process that was killed needs a moment to be gone. */
const TRIES = 5;
const BETWEEN_MS = 20;

/** Not an error when there is none. @throws EBUSY when something cannot be killed */
export async function endCgroup(cgroups: Cgroups, path: string, clock: Clock): Promise<void> {
  for (let left = TRIES; ; left--) {
    try {
      return await cgroups.remove(path);
    } catch (error) {
      if (!hasErrorCode(error, 'EBUSY') || left === 0) throw error;
    }
    await cgroups.kill(path);
    await sleep(clock, BETWEEN_MS);
  }
}
