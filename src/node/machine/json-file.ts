/** Small JSON files that are whole or absent at any moment: written beside their place, made durable, renamed into it. */
import { randomUUID } from 'node:crypto';
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

/** undefined when there is no such file. Throws SyntaxError when it is not JSON. */
export async function readJsonFile(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

export const writeJsonFile = (path: string, value: unknown): Promise<void> =>
  writeWholeFile(path, `${JSON.stringify(value, null, 2)}\n`);

/** Only the owner may read it. */
export async function writeWholeFile(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const draft = `${path}.${randomUUID()}`;
  try {
    await using file = await open(draft, 'wx', 0o600);
    await file.writeFile(text);
    await file.datasync();
    await rename(draft, path);
  } finally {
    await rm(draft, { force: true });
  }
}
