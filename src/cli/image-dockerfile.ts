/** `kedge image build` of a Dockerfile. */
import { randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { access, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { BlobStore } from '#node/images/blob-store.ts';
import { type Builder, ImageBuild } from '#node/images/dockerfile/build.ts';
import { CommandEnded } from '#node/images/dockerfile/instructions.ts';
import { checkedName, type Image, packImage, wholeName } from '#node/images/image.ts';
import { readArchive } from '#node/images/read-archive.ts';
import { BuildCommandEnded, changesBy, pullForBuild } from '#node/machine/build-container.ts';
import type { BuildMount } from '#node/machine/build-mounts.ts';
import { onPath } from '#node/machine/detect.ts';
import { exportImage, listImages } from '#node/machine/node-images.ts';
import { type NodeLayout, nodeLayout } from '#node/machine/node-layout.ts';
import { CommandFailed, run } from '#node/machine/run-command.ts';
import { findCluster, type Selection } from './cluster-selection.ts';
import { type CliContext, UserError } from './context.ts';
import type { BuildContext } from './image-build.ts';

export interface DockerfileOptions extends Selection {
  tag: string;
  file?: string;
  buildArg: string[];
  secret: string[];
  target?: string;
  network?: string;
  cache: boolean;
  builder?: string;
}

const NAMES = ['Dockerfile', 'Containerfile'];

/** What a folder brings along. undefined: it has no Dockerfile. */
export async function dockerfileIn(folder: string): Promise<string | undefined> {
  for (const name of NAMES) {
    const path = join(folder, name);
    const isThere = await access(path).then(
      () => true,
      () => false,
    );
    if (isThere) return path;
  }
  return undefined;
}

export async function dockerfileImage(
  context: BuildContext,
  { path, folder }: { path: string; folder: string },
  options: DockerfileOptions,
): Promise<Image> {
  const { network = 'none', builder = 'kedge', tag, target, cache } = options;
  if (network !== 'none' && network !== 'node') throw new UserError(`--network "${network}" is not one of: none, node`);
  const given = new Map(options.buildArg.map(pairOf));
  const { store } = context;
  if (builder === 'buildah') return buildahImage(store, { path, folder, options });
  if (builder !== 'kedge') throw new UserError(`--builder "${builder}" is not one of: kedge, buildah`);
  const request = {
    path,
    file: basename(path),
    folder,
    tag: checkedName(tag),
    arguments: given,
    secrets: new Map(options.secret.map(secretOf)),
    ...(target !== undefined && { target }),
    network: network as 'none' | 'node',
    useCache: cache,
  };
  const build = await ImageBuild.open(request, builderOver(request.secrets, context, options));
  return build.image();
}

function pairOf(pair: string): [string, string] {
  const at = pair.indexOf('=');
  if (at < 1) throw new UserError(`--build-arg "${pair}" is not NAME=value.`);
  return [pair.slice(0, at), pair.slice(at + 1)];
}

/** `id=token,src=./token.txt`; without src a file of that name. */
function secretOf(said: string): [string, string] {
  const fields = new Map(
    said.split(',').map((part) => [part.split('=', 1)[0] ?? '', part.slice(part.indexOf('=') + 1)]),
  );
  const id = fields.get('id');
  const file = fields.get('src') ?? fields.get('source') ?? id;
  const odd = [...fields.keys()].find((key) => !['id', 'src', 'source', 'type'].includes(key));
  if (!id || !file || odd !== undefined || (fields.get('type') ?? 'file') !== 'file')
    throw new UserError(`--secret "${said}" is not id=NAME,src=FILE.`);
  return [id, file];
}

/** Files need no cluster; commands and images of other names need a node of one. */
function builderOver(secrets: ReadonlyMap<string, string>, context: BuildContext, selection: Selection): Builder {
  const { store } = context;
  return {
    store,
    note: (line) => context.note(line),
    async baseImage(name) {
      const whole = wholeName(name);
      const node = await nodeFor(context, selection, `FROM ${name}`);
      const present = await listImages(node);
      const isHere = present.some((image) => image.name === whole);
      try {
        const archive = isHere ? exportImage(node, whole) : pullForBuild(node, whole, context.clock);
        return (await readArchive(store, archive)).at(0);
      } catch (error) {
        if (!(error instanceof CommandFailed)) throw error;
        context.note(error.stderr.trim().split('\n').at(-1) ?? '');
        return undefined;
      }
    },
    async *run(base, { argv, env, network, mounts }) {
      const image = { ...base, name: `kedge.local/build:${randomUUID()}` };
      const node = await nodeFor(context, selection, 'RUN');
      const mounted = mounts.map(
        (mount): BuildMount => (mount.type === 'secret' ? { ...mount, source: secrets.get(mount.id) ?? '' } : mount),
      );
      const hasNetwork = network === 'node';
      const command = { archive: packImage(image), image: image.name, argv, env, mounts: mounted, hasNetwork };
      try {
        yield* changesBy(node, command, context.clock);
      } catch (error) {
        throw error instanceof BuildCommandEnded ? new CommandEnded(error.exitCode) : error;
      }
    },
  };
}

async function nodeFor(context: CliContext, selection: Selection, what: string): Promise<NodeLayout> {
  const { cluster, paths, control } = await findCluster(context, selection);
  const status = await control.statusIfRunning();
  const running = status?.nodes.find(({ state, isSimulated }) => state === 'running' && !isSimulated);
  if (running) return nodeLayout(cluster, paths, running.name);
  throw new UserError(`${what} needs a node with real containers, and cluster "${selection.name}" runs none here.`);
}

/** Hands over to what reads whole Dockerfiles. */
async function buildahImage(
  store: BlobStore,
  { path, folder, options }: { path: string; folder: string; options: DockerfileOptions },
): Promise<Image> {
  if (!(await onPath('buildah'))) throw new UserError('buildah is not installed; run: apt-get install buildah');
  const { tag, buildArg, target, cache } = options;
  const scratch = await mkdtemp(join(tmpdir(), 'kedge-buildah-'));
  const archive = join(scratch, 'image.tar');
  const local = `localhost/kedge-build:${randomUUID()}`;
  const more = [
    ...buildArg.flatMap((pair) => ['--build-arg', pair]),
    ...(target === undefined ? [] : ['--target', target]),
    ...options.secret.flatMap((said) => ['--secret', said]),
    ...(cache ? ['--layers'] : ['--no-cache']),
  ];
  try {
    await run(['buildah', 'build', '--file', path, '--tag', local, ...more, folder], { timeoutMs: 3_600_000 });
    await run(['buildah', 'push', local, `oci-archive:${archive}`], { timeoutMs: 600_000 });
    await run(['buildah', 'rmi', local]);
    const [image] = await readArchive(store, createReadStream(archive));
    if (!image) throw new UserError('buildah made no image for this machine');
    return { ...image, name: checkedName(tag) };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}
