import { mkdtemp, rm, writeFile, mkdir, symlink as link, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tar from 'tar-stream';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { checkArchive } from './archive-check.ts';
import { BlobStore, sha256 } from './blob-store.ts';
import { folderEntries } from './folder.ts';
import { assembleImage, checkedName, packImage, packImages } from './image.ts';
import { makeLayer } from './layer.ts';
import { PAUSE_IMAGE, pauseImage, pauseProgram } from './pause-image.ts';
import { librariesInLddOutput } from './shared-libraries.ts';
import { inTarOrder, symlink, textFile, usrMerged } from './tar-entry.ts';

let folder: string;
let store: BlobStore;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kedge-images-'));
  store = new BlobStore(join(folder, 'cache'), Date);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function archiveOf(files: Record<string, string>): Promise<AsyncIterable<Uint8Array>> {
  const pack = tar.pack();
  for (const [name, content] of Object.entries(files)) pack.entry({ name }, content);
  pack.finalize();
  return pack as AsyncIterable<Uint8Array>;
}

test('entries stand after their directories, once each, in an order that does not depend on the input', () => {
  const entries = [textFile('/b/two', '2'), textFile('a', '1'), textFile('/b/two', 'newer'), symlink('/b/one/x', 'y')];
  expect(inTarOrder(entries).map(({ path, type }) => `${type} ${path}`)).toEqual([
    'file /a',
    'directory /b',
    'directory /b/one',
    'symlink /b/one/x',
    'file /b/two',
  ]);
  expect(inTarOrder([...entries].reverse()).map(({ path }) => path)).toEqual(
    inTarOrder(entries).map(({ path }) => path),
  );
});

test('bin and lib move under usr, and links stay in their places', () => {
  const paths = inTarOrder(usrMerged([textFile('/bin/sh', ''), textFile('/lib64/ld.so', ''), textFile('/etc/x', '')]));
  expect(paths.filter(({ type }) => type !== 'directory').map(({ path }) => path)).toEqual([
    '/bin',
    '/etc/x',
    '/lib64',
    '/usr/bin/sh',
    '/usr/lib64/ld.so',
  ]);
});

test('the same content gives the same digest, and is written once', async () => {
  const one = await makeLayer(store, [textFile('/a', 'x'), textFile('/b', 'y')]);
  const again = await makeLayer(new BlobStore(join(folder, 'other'), Date), [textFile('/b', 'y'), textFile('/a', 'x')]);
  expect(again.digest).toBe(one.digest);
  expect(sha256(await readFile(one.path))).toBe(one.digest);
  await writeFile(one.path, 'marked');
  expect((await makeLayer(store, [textFile('/a', 'x'), textFile('/b', 'y')])).size).toBe('marked'.length);
});

test('a folder becomes entries with its links, without .git', async () => {
  await mkdir(join(folder, 'src', '.git'), { recursive: true });
  await writeFile(join(folder, 'src', 'server.mjs'), 'x');
  await link('server.mjs', join(folder, 'src', 'main.mjs'));
  const entries = await folderEntries(join(folder, 'src'), '/app');
  expect(entries.map(({ path, type }) => `${type} ${path}`).sort()).toEqual([
    'file /app/server.mjs',
    'symlink /app/main.mjs',
  ]);
});

test('an archive that kedge wrote passes the check and names its image', async () => {
  const layer = await makeLayer(store, [textFile('/a', 'x')]);
  const image = assembleImage('kedge.local/web:1', [layer, layer], { entrypoint: ['/a'] });
  expect(await checkArchive(packImage(image))).toEqual({ format: 'oci', names: ['kedge.local/web:1'] });
});

test('two images that share a layer go into one archive', async () => {
  const layer = await makeLayer(store, [textFile('/a', 'x')]);
  const images = ['1', '2'].map((tag) => assembleImage(`kedge.local/web:${tag}`, [layer], { env: { VERSION: tag } }));
  expect(images[0]?.digest).not.toBe(images[1]?.digest);
  expect((await checkArchive(packImages(images))).names).toEqual(['kedge.local/web:1', 'kedge.local/web:2']);
});

test('what docker save writes is taken, with the names as the runtime will know them', async () => {
  const manifest = JSON.stringify([
    { Config: 'c.json', RepoTags: ['busybox:1', 'ghcr.io/a/b:2', 'me/web:3'], Layers: [] },
  ]);
  expect(await checkArchive(await archiveOf({ 'manifest.json': manifest }))).toEqual({
    format: 'docker',
    names: ['docker.io/library/busybox:1', 'ghcr.io/a/b:2', 'docker.io/me/web:3'],
  });
});

for (const { what, files, message } of [
  { what: 'something else', files: { readme: 'x' }, message: /neither an OCI layout/ },
  { what: 'a path that leaves the archive', files: { 'a/../../b': 'x' }, message: /holds the path/ },
  { what: 'a damaged blob', files: { [`blobs/sha256/${'0'.repeat(64)}`]: 'x' }, message: /damaged/ },
  { what: 'broken JSON', files: { 'manifest.json': '{' }, message: /not JSON/ },
  {
    what: 'no names',
    files: { 'oci-layout': '{}', 'index.json': '{"manifests":[{}]}' },
    message: /no image in it has/,
  },
]) {
  test(`an archive with ${what} is refused`, async () => {
    await expect(checkArchive(await archiveOf(files))).rejects.toThrow(message);
  });
}

for (const name of ['web', 'web:1', 'kedge.local/web', 'KEDGE/web:1', 'kedge.local/web:', 'kedge.local/../web:1']) {
  test(`the image name "${name}" is refused`, () => expect(() => checkedName(name)).toThrow(/whole image name/));
}

test('ldd output gives the files of the libraries, and a missing one is named', () => {
  const output =
    '\tlinux-vdso.so.1 (0x7f)\n\tlibm.so.6 => /lib/x/libm.so.6 (0x7f)\n\t/lib64/ld-linux-x86-64.so.2 (0x7f)\n';
  expect(librariesInLddOutput(output)).toEqual(['/lib/x/libm.so.6', '/lib64/ld-linux-x86-64.so.2']);
  expect(() => librariesInLddOutput('\tlibx.so => not found\n')).toThrow('library libx.so is not installed');
});

test.runIf(pauseProgram())('the pause image holds an ELF program of a few hundred bytes', async () => {
  const image = await pauseImage(store);
  expect(image.name).toBe(PAUSE_IMAGE);
  expect(pauseProgram()?.subarray(0, 4).toString('latin1')).toBe('\x7fELF');
  expect(pauseProgram()?.length).toBeLessThan(400);
});
