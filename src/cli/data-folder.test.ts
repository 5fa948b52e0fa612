import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { UserError } from './context.ts';
import { makeDataFolder } from './data-folder.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kedge-data-folder-'));
  onTestFinished(() => rm(folder, { recursive: true }));
});

test('it is made with what is above it, and nothing else is left in it', async () => {
  const path = join(folder, 'a/b/c');
  await makeDataFolder(path);
  await makeDataFolder(path);
  expect(await readdir(path)).toEqual([]);
});

test.skipIf(!existsSync('/proc/self'))(
  'where no folder can be made, that is said at once, with what to do',
  async () => {
    const made = makeDataFolder('/proc/x/y');
    await expect(made).rejects.toThrow(UserError);
    await expect(made).rejects.toThrow(
      /^Nothing can be written to \/proc\/x\/y: ENOENT.*\. Give a folder that can be written to with --data-dir/,
    );
  },
);

test.skipIf(!existsSync('/proc/self'))('a folder that is there and takes nothing is refused as well', async () => {
  await expect(makeDataFolder('/proc/self')).rejects.toThrow(/^Nothing can be written to \/proc\/self: /);
});

test('what was made on the way is taken back', async () => {
  await writeFile(join(folder, 'file'), '');
  await expect(makeDataFolder(join(folder, 'file/x'))).rejects.toThrow(/ENOTDIR/);
  await expect(makeDataFolder(join(folder, 'new', 'n'.repeat(300)))).rejects.toThrow(/ENAMETOOLONG/);
  expect(await readdir(folder)).toEqual(['file']);
});
