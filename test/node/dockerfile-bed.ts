/** Builds of Dockerfiles in a folder of its own, on a base as small as a distribution can be; commands are only noted. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import tar from 'tar-stream';
import { afterEach, beforeEach } from 'vitest';
import { BlobStore } from '#node/images/blob-store.ts';
import { type BuildRequest, type Command, ImageBuild } from '#node/images/dockerfile/build.ts';
import { CommandEnded } from '#node/images/dockerfile/instructions.ts';
import { assembleImage, type Image } from '#node/images/image.ts';
import { ImageFiles } from '#node/images/image-files.ts';
import { makeLayer } from '#node/images/layer.ts';
import { directory, symlink, textFile } from '#node/images/tar-entry.ts';

export const configOf = ({ config }: Image) => JSON.parse(config.toString()).config;
export const filesOf = ({ layers }: Image) => ImageFiles.of(layers);
export async function pathsOf(image: Image): Promise<string[]> {
  return (await filesOf(image))
    .below('/')
    .map(({ path, type }) => (type === 'directory' ? `${path}/` : path))
    .sort();
}

export async function tarOf(files: Record<string, string>): Promise<Buffer> {
  const pack = tar.pack();
  for (const [name, text] of Object.entries(files)) pack.entry({ name }, text);
  pack.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of pack) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** New for each test of the file that calls this. */
export function dockerfileBed() {
  let folder = '';
  let store = new BlobStore('', Date);
  const notes: string[] = [];
  const commands: Command[] = [];
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'dockerfile-'));
    store = new BlobStore(join(folder, 'store'), Date);
    notes.length = 0;
    commands.length = 0;
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  /** Into the folder that is built. */
  function put(path: string, text: string | Buffer, mode = 0o644): void {
    const whole = join(folder, 'src', path);
    mkdirSync(dirname(whole), { recursive: true });
    writeFileSync(whole, text);
    chmodSync(whole, mode);
  }

  /** Commands here leave a file with what they were told, and remove another. */
  async function build(dockerfile: string, more: Partial<BuildRequest> = {}): Promise<Image> {
    put('Dockerfile', dockerfile);
    const request = {
      path: join(folder, 'src/Dockerfile'),
      file: 'Dockerfile',
      folder: join(folder, 'src'),
      tag: 'kedge.local/built:1',
      arguments: new Map<string, string>(),
      secrets: new Map<string, string>(),
      network: 'none' as const,
      useCache: true,
      ...more,
    };
    const made = await ImageBuild.open(request, {
      store,
      note: (line) => notes.push(line),
      baseImage: async (name) => (name === 'base:1' ? base(store) : undefined),
      async *run(_, command) {
        commands.push(command);
        if (command.argv.includes('false')) throw new CommandEnded(1);
        yield await tarOf({ 'ran/here': command.argv.join(' '), 'etc/.wh.removed': '' });
      },
    });
    return made.image();
  }

  return {
    get folder() {
      return folder;
    },
    get store() {
      return store;
    },
    /** What a user is told. */
    notes,
    commands,
    put,
    build,
    textIn: async (image: Image, path: string) => (await filesOf(image)).text(path, store),
  };
}

/** What a small distribution looks like: links for folders, a place that everybody may write to. */
async function base(store: BlobStore): Promise<Image> {
  const layer = await makeLayer(store, [
    symlink('/bin', 'usr/bin'),
    textFile('/usr/bin/sh', 'shell', 0o755),
    directory('/tmp', 0o1777),
    textFile('/etc/passwd', 'root:x:0:0::/:/bin/sh\napp:x:1000:1000::/:/bin/sh\n'),
    textFile('/etc/group', 'root:x:0:\napp:x:1000:\n'),
    textFile('/etc/removed', 'old'),
  ]);
  const config = { env: { LANG: 'C' }, cmd: ['sh'], workingDir: '/home', labels: { of: 'base' }, user: '5' };
  return assembleImage('docker.io/library/base:1', [layer], config);
}
