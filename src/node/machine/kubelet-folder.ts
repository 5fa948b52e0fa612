/** The folder by which everybody knows a kubelet's: in each node of this machine its own is mounted there. */
import { access, mkdir, readdir, rm, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '#base/clock.ts';
import { withFileLock } from './file-lock.ts';

/** Manifests of CSI drivers and hostPath volumes name it. */
export const KUBELET_FOLDER = '/var/lib/kubelet';

/** Folders of what runs here: a folder for each cluster. */
export const RUN_FOLDERS = ['/run/kedge', '/run/kedge-agent'];

export interface SharedFolder {
  folder: string;
  runFolders: readonly string[];
}
const SHARED: SharedFolder = { folder: KUBELET_FOLDER, runFolders: RUN_FOLDERS };

/** Runs `act` with the folder there; it is not taken away meanwhile. Somebody else's is left as it is, now and later. */
export function withKubeletFolder(clock: Clock, act: () => Promise<void>, shared = SHARED): Promise<void> {
  return withFileLock({ path: lockIn(shared), clock }, async () => {
    const made = await mkdir(shared.folder, { recursive: true, mode: 0o750 });
    if (made) await writeFile(markIn(shared), '', { mode: 0o600 });
    await act();
  });
}

/** The last node of this machine has gone: what was made for them, and nothing else, goes too. */
export function dropKubeletFolder(clock: Clock, shared = SHARED): Promise<void> {
  return withFileLock({ path: lockIn(shared), clock }, async () => {
    const isOurs = await access(markIn(shared)).then(
      () => true,
      () => false,
    );
    if (!isOurs || (await isSomebodyHere(shared))) return;
    await rmdir(shared.folder).catch((error: NodeJS.ErrnoException) => {
      if (!['ENOENT', 'ENOTEMPTY', 'EBUSY', 'EROFS'].includes(error.code ?? '')) throw error;
    });
    await rm(markIn(shared));
  });
}

async function isSomebodyHere({ runFolders }: SharedFolder): Promise<boolean> {
  const entries = await Promise.all(
    runFolders.map((folder) => readdir(folder, { withFileTypes: true }).catch(() => [])),
  );
  return entries.flat().some((entry) => entry.isDirectory());
}

const lockIn = ({ runFolders: [first = ''] }: SharedFolder): string => join(first, 'kubelet-folder.lock');
/** Says that the folder was not there before. */
const markIn = ({ runFolders: [first = ''] }: SharedFolder): string => join(first, 'kubelet-folder-made');
