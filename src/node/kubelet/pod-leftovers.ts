/** Pods of which this node has something, whatever the runtime knows: a kubelet may have been killed between two steps of their end. */
import { readdir } from 'node:fs/promises';
import type { Cgroups } from '#node/runtime/cgroups/cgroups.ts';

export interface LeftoverPlaces {
  cgroups: Cgroups | undefined;
  cgroupRoot: string;
  logRoot: string;
}

/** Where pods have their groups, by class. */
export const CGROUP_PARENTS = ['', '/burstable', '/besteffort'];

/** Their uids. */
export async function podsWithLeftovers({ cgroups, cgroupRoot, logRoot }: LeftoverPlaces): Promise<string[]> {
  const groups = await Promise.all(
    CGROUP_PARENTS.map(async (parent) => (await cgroups?.children(`${cgroupRoot}${parent}`)) ?? []),
  );
  const ofGroups = groups.flat().flatMap((name) => (name.startsWith('pod') ? [name.slice('pod'.length)] : []));
  return [...ofGroups, ...(await readdir(logRoot)).flatMap((name) => uidOf(name) ?? [])];
}

/** The folders of one pod's logs: its name and its namespace may be forgotten. */
export const logFoldersOf = async (logRoot: string, podUid: string): Promise<string[]> =>
  (await readdir(logRoot)).filter((name) => uidOf(name) === podUid);

/** Of a folder's name: `NAMESPACE_NAME_UID`. */
const uidOf = (folder: string): string | undefined => /^[^_]+_[^_]+_([^_]+)$/.exec(folder)?.[1];
