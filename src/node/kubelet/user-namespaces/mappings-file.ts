/** Which users and groups a pod has, kept in its folder for the next kubelet. The form and the texts are upstream's. */
import { randomUUID } from 'node:crypto';
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { IDMapping } from '#node/runtime/security-context.ts';
import type { IdRange } from './id-range.ts';

const FILE = 'userns';

/** undefined: it has none of its own. Throws where what is written cannot be. */
export async function readMappings(podFolder: string): Promise<IdRange | undefined> {
  let text: string;
  try {
    text = await readFile(join(podFolder, FILE), 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR'))
      return undefined;
    throw error;
  }
  return text === '' ? undefined : rangeIn(text);
}

function rangeIn(text: string): IdRange {
  const { uidMappings = [], gidMappings = [] } = parsed(text);
  const [users, groups] = [uidMappings[0], gidMappings[0]];
  const invalid = 'invalid user namespace configuration:';
  if (!users || uidMappings.length !== 1) throw new Error(`${invalid} no more than one mapping allowed.`);
  if (!groups || gidMappings.length !== 1) throw new Error(`${invalid} GID and UID mappings should be identical.`);
  if ((['hostId', 'containerId', 'length'] as const).some((field) => users[field] !== groups[field]))
    throw new Error(`${invalid} GID and UID mapping should be identical`);
  if (users.containerId !== 0) throw new Error(`${invalid} UID 0 must be mapped`);
  return { first: users.hostId, length: users.length };
}

function parsed(text: string): { uidMappings?: IDMapping[]; gidMappings?: IDMapping[] } {
  try {
    return (JSON.parse(text) as object | null) ?? {};
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new Error(`invalid user namespace mappings file: ${error.message}`, { cause: error });
  }
}

export const mappingsOf = ({ first, length }: IdRange): IDMapping[] => [{ hostId: first, containerId: 0, length }];

/** When it resolves it is on the disk: after a loss of power nobody else gets what files of the pod may belong to. */
export async function writeMappings(podFolder: string, range: IdRange): Promise<void> {
  const mappings = mappingsOf(range);
  await mkdir(podFolder, { recursive: true, mode: 0o750 });
  const draft = join(podFolder, `${FILE}.${randomUUID()}`);
  try {
    const file = await open(draft, 'wx', 0o600);
    try {
      await file.writeFile(JSON.stringify({ uidMappings: mappings, gidMappings: mappings }));
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(draft, join(podFolder, FILE));
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
  const folder = await open(podFolder);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

export const removeMappings = (podFolder: string): Promise<void> => rm(join(podFolder, FILE), { force: true });
