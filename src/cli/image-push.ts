/** `kedge image push`: into the registry of a cluster. */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { checkedName, type Image } from '#node/images/image.ts';
import { pushImage, pushTarget } from '#node/images/push-image.ts';
import { readArchive } from '#node/images/read-archive.ts';
import { planOf } from '#node/machine/slots.ts';
import { findCluster, findRunning, type Selection } from './cluster-selection.ts';
import { type CliContext, UserError } from './context.ts';
import { withImageCache } from './image-cache.ts';

export interface PushOptions extends Selection {
  as?: string;
}

export async function pushArchive(context: CliContext, archive: string, options: PushOptions): Promise<void> {
  const found = await stat(archive).catch(() => undefined);
  if (!found?.isFile()) throw new UserError(`There is no file "${archive}".`);
  const host = registryOf((await findRunning(context, options)).cluster.slot);
  await withImageCache(context, async (store) => {
    await pushAll(context, await readArchive(store, createReadStream(archive)), { archive, host, options });
  });
}

async function pushAll(
  context: CliContext,
  images: readonly Image[],
  { archive, host, options }: { archive: string; host: string; options: PushOptions },
): Promise<void> {
  if (images.length === 0) throw new UserError(`"${archive}" holds no image for this machine.`);
  if (options.as && images.length > 1)
    throw new UserError(`"${archive}" holds ${images.length} images; --as names one.`);
  for (const image of images) {
    const name = checkedName(options.as ?? image.name);
    if (pushTarget(name).host !== host) {
      throw new UserError(
        `"${name}" is not a name in the cluster's registry; give one with --as ${host}/${name.slice(name.indexOf('/') + 1)}`,
      );
    }
    await push(context, { ...image, name });
  }
}

/** When its name says so. Another name is no failure: the image is for nodes then. */
export async function pushedIfOurs(context: CliContext, selection: Selection, image: Image): Promise<boolean> {
  const { cluster } = await findCluster(context, selection);
  if (pushTarget(image.name).host !== registryOf(cluster.slot)) return false;
  await push(context, image);
  return true;
}

async function push(context: CliContext, image: Image): Promise<void> {
  const digest = await pushImage(image, pushTarget(image.name));
  context.note(`${image.name} (${digest}) is in the cluster's registry.`);
}

const registryOf = (slot: number): string => `localhost:${planOf(slot).registryPort}`;
