/** What `kedge image` does. */
import { createReadStream, createWriteStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { checkArchive } from '#node/images/archive-check.ts';
import type { BlobStore } from '#node/images/blob-store.ts';
import { debianEntries } from '#node/images/debian-packages.ts';
import { folderEntries } from '#node/images/folder.ts';
import { assembleImage, type Image, packImage } from '#node/images/image.ts';
import { makeLayer } from '#node/images/layer.ts';
import { NODE_PATH, nodeRuntimeEntries } from '#node/images/node-runtime.ts';
import type { TarEntry } from '#node/images/tar-entry.ts';
import { findRunning, type Selection } from './cluster-selection.ts';
import { type CliContext, UserError } from './context.ts';
import { withImageCache } from './image-cache.ts';
import type { DockerfileOptions } from './image-dockerfile.ts';
import { pushedIfOurs } from './image-push.ts';
import { type Archive, uploadImage } from './image-upload.ts';
import { localApi } from './local-api.ts';

export interface BuildOptions extends DockerfileOptions {
  debian: string[];
  withNode?: boolean;
  into: string;
  entrypoint: string[];
  cmd: string[];
  env: string[];
  workdir?: string;
  user?: string;
  output?: string;
}

export function buildImage(context: CliContext, folder: string | undefined, options: BuildOptions): Promise<void> {
  return withImageCache(context, (store) => build({ ...context, store }, folder, options));
}

/** With the store of what earlier builds have made. */
export type BuildContext = CliContext & { store: BlobStore };

async function build(context: BuildContext, folder: string | undefined, options: BuildOptions): Promise<void> {
  const image = await made(context, folder, options);
  if (options.output) {
    await pipeline(packImage(image), createWriteStream(options.output, { mode: 0o644 }));
    context.note(`${image.name} (${image.digest}) is in ${options.output}.`);
    return;
  }
  if (await pushedIfOurs(context, options, image)) return;
  const nodes = await upload(context, options, () => packImage(image));
  context.note(`${image.name} (${image.digest}) is on ${nodes.join(', ')}.`);
}

/** A Dockerfile is followed, unless what is asked for is said otherwise. */
async function made(context: BuildContext, folder: string | undefined, options: BuildOptions): Promise<Image> {
  const { file, debian, withNode, into, entrypoint, cmd } = options;
  const saidOtherwise = debian.length > 0 || withNode || into !== '/' || entrypoint.length > 0 || cmd.length > 0;
  const { dockerfileImage, dockerfileIn } = await import('./image-dockerfile.ts');
  const path = file ?? (folder && !saidOtherwise ? await dockerfileIn(folder) : undefined);
  if (path === undefined) return assembled(context, folder, options);
  if (saidOtherwise)
    throw new UserError(
      'A Dockerfile says all of the image: leave out --debian, --with-node, --into, --entrypoint and --cmd.',
    );
  const found = await stat(path).catch(() => undefined);
  if (!found?.isFile()) throw new UserError(`There is no file "${path}".`);
  const source = folder ?? '.';
  if (!(await stat(source).catch(() => undefined))?.isDirectory()) throw new UserError(`"${source}" is not a folder.`);
  return dockerfileImage(context, { path, folder: source }, options);
}

async function assembled({ store }: BuildContext, folder: string | undefined, options: BuildOptions): Promise<Image> {
  const parts: Promise<TarEntry[]>[] = [];
  if (options.debian.length > 0) parts.push(debianEntries(options.debian));
  if (options.withNode) parts.push(nodeRuntimeEntries());
  if (folder) parts.push(folderOf(folder, options.into));
  if (parts.length === 0) throw new UserError('Nothing to build from: give a folder, --debian PACKAGE or --with-node.');
  const layers = [];
  for (const entries of await Promise.all(parts)) layers.push(await makeLayer(store, entries));
  const { entrypoint, cmd, workdir, user } = options;
  const nodeEntrypoint = options.withNode && entrypoint.length === 0 ? [NODE_PATH] : entrypoint;
  return assembleImage(options.tag, layers, {
    entrypoint: nodeEntrypoint,
    cmd,
    env: environment(options.env),
    ...(workdir && { workingDir: workdir }),
    ...(user && { user }),
  });
}

async function folderOf(folder: string, into: string): Promise<TarEntry[]> {
  const found = await stat(folder).catch(() => undefined);
  if (!found?.isDirectory()) throw new UserError(`"${folder}" is not a folder.`);
  return folderEntries(folder, into);
}

function environment(pairs: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf('=');
      if (at < 1) throw new UserError(`"${pair}" is not NAME=value.`);
      return [pair.slice(0, at), pair.slice(at + 1)];
    }),
  );
}

export async function importArchive(context: CliContext, archive: string, selection: Selection): Promise<void> {
  const found = await stat(archive).catch(() => undefined);
  if (!found?.isFile()) throw new UserError(`There is no file "${archive}".`);
  const { names } = await checkArchive(createReadStream(archive));
  const nodes = await upload(context, selection, () => createReadStream(archive));
  context.note(`${names.join(', ')} ${names.length === 1 ? 'is' : 'are'} on ${nodes.join(', ')}.`);
}

export async function listNodeImages(context: CliContext, selection: Selection): Promise<void> {
  const { control } = await findRunning(context, selection);
  for (const { node, images } of await control.images()) {
    for (const { name, digest } of images) context.out(`${node}  ${name}  ${digest}`);
  }
}

async function upload(context: CliContext, selection: Selection, archive: Archive): Promise<string[]> {
  const { kubeconfig } = (await findRunning(context, selection)).paths;
  return uploadImage({ api: localApi(kubeconfig, context.clock), kubeconfig, archive });
}
