/**
 * What the commands of image builds have begun on a node is on record for as long as they run, in a folder that goes with the
 * node's run: what a build has left that was killed is known by that.
 */
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { readJsonFile, writeJsonFile } from './json-file.ts';
import type { NodeLayout } from './node-layout.ts';
import { isAlive, type ProcessRecord, processIds, readOrUndefined, recordOf } from './process-record.ts';

/** The namespace of containerd in which images are built. */
export const BUILD_NAMESPACE = 'kedge-build';

export interface BegunCommand {
  /** Of its container and of all that belongs to it. */
  id: string;
  /** What it stands on, imported for it alone. */
  image: string;
}

type Places = Pick<NodeLayout, 'runDir'>;

export const buildFolder = ({ runDir }: Places): string => join(runDir, 'build');

const recordFile = (places: Places, id: string): string => join(buildFolder(places), `${id}.json`);

export const rememberCommand = (places: Places, command: BegunCommand): Promise<void> =>
  writeJsonFile(recordFile(places, command.id), { ...command, owner: recordOf(process.pid) });

export const forgetCommand = (places: Places, id: string): Promise<void> => rm(recordFile(places, id), { force: true });

/** Those whose build runs no more. */
export async function commandsOfKilledBuilds(places: Places): Promise<BegunCommand[]> {
  const names = await namesIn(buildFolder(places));
  const files = names.filter((name) => /^build-[0-9a-f-]{36}\.json$/.test(name));
  const records = await Promise.all(files.map((name) => readJsonFile(join(buildFolder(places), name))));
  return (records as ((BegunCommand & { owner: ProcessRecord }) | undefined)[]).flatMap((record) =>
    record && !isAlive(record.owner) ? [{ id: record.id, image: record.image }] : [],
  );
}

/** Pipes and secrets of a command, and at last its record. */
export async function removeCommandFiles(places: Places, id: string): Promise<void> {
  const folder = buildFolder(places);
  for (const name of await namesIn(folder)) {
    const isItsOwn = name.startsWith('secret-') && name.includes(id);
    const hasItsPipes = (await namesIn(join(folder, name))).some((pipe) => pipe.startsWith(id));
    if (isItsOwn || hasItsPipes) await rm(join(folder, name), { recursive: true, force: true });
  }
  await forgetCommand(places, id);
}

/** The processes of a program that serve a command: containerd's tool outlives the build that began it. */
export const processesOfCommand =
  ({ containerdSocket }: Pick<NodeLayout, 'containerdSocket'>, id: string) =>
  (program: 'ctr' | 'containerd-shim-runc-v2'): number[] =>
    processIds().filter((pid) => {
      const [path = '', ...args] = (readOrUndefined(`/proc/${pid}/cmdline`) ?? '').split('\0');
      return path.split('/').at(-1) === program && [containerdSocket, id].every((word) => args.includes(word));
    });

const namesIn = (folder: string): Promise<string[]> =>
  readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return [];
    throw error;
  });
