/** The Node.js that runs Kedge, as image content: whatever machine Kedge works on, it can run JavaScript in a container. */
import { fileEntry } from './folder.ts';
import { sharedLibrariesOf } from './shared-libraries.ts';
import { baseEntries, type TarEntry, usrMerged } from './tar-entry.ts';

export const NODE_PATH = '/usr/local/bin/node';

export async function nodeRuntimeEntries(program = process.execPath): Promise<TarEntry[]> {
  const [node, libraries] = await Promise.all([fileEntry(NODE_PATH, program), sharedLibrariesOf([program])]);
  return usrMerged([...baseEntries(), ...libraries, node]);
}
