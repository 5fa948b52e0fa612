import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ManualClock } from '#base/manual-clock.ts';
import { BlobStore } from '#node/images/blob-store.ts';
import type { BuildContext } from './image-build.ts';
import { type DockerfileOptions, dockerfileImage, dockerfileIn } from './image-dockerfile.ts';

let folder: string;
let path: string | undefined;
const notes: string[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'image-'));
  path = process.env['PATH'];
  notes.length = 0;
});
afterEach(() => {
  process.env['PATH'] = path;
  rmSync(folder, { recursive: true, force: true });
});

const context = (): BuildContext =>
  ({
    clock: new ManualClock(),
    env: { XDG_CACHE_HOME: join(folder, 'cache'), XDG_DATA_HOME: join(folder, 'data') },
    note: (line: string) => notes.push(line),
    store: new BlobStore(join(folder, 'store'), Date),
  }) as unknown as BuildContext;

const options = (more: Partial<DockerfileOptions> = {}): DockerfileOptions => ({
  name: 'none-of-that-name',
  dataDir: join(folder, 'cluster'),
  tag: 'kedge.local/web:1',
  buildArg: [],
  secret: [],
  cache: true,
  ...more,
});

function source(dockerfile: string, name = 'Dockerfile'): { path: string; folder: string } {
  mkdirSync(join(folder, 'src'), { recursive: true });
  writeFileSync(join(folder, 'src', name), dockerfile);
  return { path: join(folder, 'src', name), folder: join(folder, 'src') };
}

test('a folder may bring a Dockerfile or a Containerfile', async () => {
  const { folder: at } = source('FROM scratch', 'Containerfile');
  expect(await dockerfileIn(at)).toBe(join(at, 'Containerfile'));
  expect(await dockerfileIn(folder)).toBeUndefined();
});

test('files need no cluster; commands and images do, and say so', async () => {
  const image = await dockerfileImage(
    context(),
    source('FROM scratch\nCOPY Dockerfile /\nARG A\nENV A=$A'),
    options({ buildArg: ['A=b=c'] }),
  );
  expect(JSON.parse(image.config.toString()).config.Env).toContain('A=b=c');
  await expect(dockerfileImage(context(), source('FROM busybox'), options())).rejects.toThrow(/There is no cluster/);
  await expect(dockerfileImage(context(), source('FROM scratch\nRUN ["x"]'), options())).rejects.toThrow(
    /There is no cluster/,
  );
});

test('options that mean nothing are refused', async () => {
  const build = (more: Partial<DockerfileOptions>) =>
    dockerfileImage(context(), source('FROM scratch\nENV A=1'), options(more));
  await expect(build({ network: 'host' })).rejects.toThrow('--network "host" is not one of: none, node');
  await expect(build({ builder: 'docker' })).rejects.toThrow('--builder "docker" is not one of: kedge, buildah');
  await expect(build({ buildArg: ['A'] })).rejects.toThrow('--build-arg "A" is not NAME=value.');
  await expect(build({ secret: ['token'] })).rejects.toThrow('--secret "token" is not id=NAME,src=FILE.');
  await expect(build({ tag: 'web' })).rejects.toThrow('"web" is not a whole image name');
});

/** Says what it was told, and gives what stands ready for it. */
const BUILDAH = `#!/bin/sh
echo "$*" >> FOLDER/told
case "$1" in push) cp FOLDER/ready.tar "\${3#oci-archive:}";; esac
`;

test('buildah is handed a Dockerfile with all that was said, and what it makes has the name that was asked for', async () => {
  const { packImage } = await import('#node/images/image.ts');
  const ready = await dockerfileImage(
    context(),
    source('FROM scratch\nCOPY Dockerfile /x'),
    options({ tag: 'localhost/other:1' }),
  );
  const chunks: Uint8Array[] = [];
  for await (const chunk of packImage(ready)) chunks.push(chunk);
  writeFileSync(join(folder, 'ready.tar'), Buffer.concat(chunks));
  writeFileSync(join(folder, 'buildah'), BUILDAH.replaceAll('FOLDER', folder));
  chmodSync(join(folder, 'buildah'), 0o755);
  process.env['PATH'] = `${folder}:${path}`;
  const given = { builder: 'buildah', buildArg: ['A=1'], target: 'last', cache: false };
  const image = await dockerfileImage(context(), source('FROM scratch\nONBUILD RUN x'), options(given));
  expect(image).toMatchObject({ name: 'kedge.local/web:1', digest: ready.digest });
  const told = readFileSync(join(folder, 'told'), 'utf8').trim().split('\n');
  expect(told[0]).toMatch(
    new RegExp(
      `^build --file ${folder}/src/Dockerfile --tag localhost/kedge-build:\\S+ --build-arg A=1 --target last --no-cache ${folder}/src$`,
    ),
  );
  expect(told.map((line) => line.split(' ')[0])).toEqual(['build', 'push', 'rmi']);
});

test('where buildah is not, it is said how to get it', async () => {
  process.env['PATH'] = folder;
  await expect(dockerfileImage(context(), source('FROM scratch'), options({ builder: 'buildah' }))).rejects.toThrow(
    'buildah is not installed; run: apt-get install buildah',
  );
});
