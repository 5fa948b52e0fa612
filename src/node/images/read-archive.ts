/** Reads an OCI archive into a store of blobs, and finds the images in it. Source: OCI image specification 1.1, "Image Layout". */
import { readFile } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import tar from 'tar-stream';
import { BadArchive } from './archive-check.ts';
import { type Blob, type BlobStore, isDigest } from './blob-store.ts';
import { architecture, type HistoryEntry, type Image, type Layer } from './image.ts';

interface Descriptor {
  mediaType?: string;
  digest: string;
  size: number;
  platform?: { architecture?: string; os?: string };
  annotations?: Record<string, string>;
}

/** As an image's configuration has it. */
export interface ReadConfig {
  config?: {
    User?: string;
    Env?: string[];
    Entrypoint?: string[];
    Cmd?: string[];
    WorkingDir?: string;
    Labels?: Record<string, string>;
    ExposedPorts?: Record<string, object>;
    Volumes?: Record<string, object>;
    StopSignal?: string;
    Shell?: string[];
    OnBuild?: string[];
  };
  rootfs?: { diff_ids?: string[] };
  history?: HistoryEntry[];
}

const SMALL_BYTES = 4 << 20;

/** All images of this machine's platform. Throws BadArchive, BadBlob. */
export async function readArchive(store: BlobStore, archive: AsyncIterable<Uint8Array>): Promise<Image[]> {
  let index: string | undefined;
  const extract = tar.extract();
  extract.on('entry', (header, stream, next) => {
    const [, hex] = /^(?:\.\/)?blobs\/sha256\/([0-9a-f]{64})$/.exec(header.name) ?? [];
    const read = async () => {
      if (hex && header.type === 'file') await store.keep(stream as AsyncIterable<Uint8Array>, `sha256:${hex}`);
      else if (/^(\.\/)?index\.json$/.test(header.name)) index = await small(stream, header.size ?? 0);
      else stream.resume();
    };
    read().then(() => next(), next);
  });
  try {
    await pipeline(archive, extract);
  } catch (error) {
    if (error instanceof Error && 'code' in error) throw error;
    throw new BadArchive(`not a readable tar archive: ${(error as Error).message}`);
  }
  if (index === undefined) throw new BadArchive('it is no OCI layout: it has no index.json');
  const { manifests } = parsed<{ manifests?: Descriptor[] }>(index, 'index.json');
  if (!Array.isArray(manifests)) throw new BadArchive('its index.json lists no manifests');
  const images = await Promise.all(manifests.map((entry) => imageOf(store, entry, nameOf(entry))));
  return images.filter((image) => image !== undefined);
}

async function small(stream: AsyncIterable<unknown>, size: number): Promise<string> {
  if (size > SMALL_BYTES) throw new BadArchive(`index.json is larger than ${SMALL_BYTES} bytes`);
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

const nameOf = ({ annotations }: Descriptor): string =>
  annotations?.['io.containerd.image.name'] ?? annotations?.['org.opencontainers.image.ref.name'] ?? '';

/** Through an index to the manifest of this machine's platform. undefined: another platform's. */
async function imageOf(store: BlobStore, { digest, mediaType }: Descriptor, name: string): Promise<Image | undefined> {
  const manifest = await read(store, digest);
  const content = parsed<{
    mediaType?: string;
    manifests?: Descriptor[];
    config?: Descriptor;
    layers?: Descriptor[];
  }>(manifest.toString('utf8'), digest);
  if (Array.isArray(content.manifests)) {
    const fitting = content.manifests.find(
      ({ platform: { architecture: of, os = 'linux' } = {} }) => of === architecture() && os === 'linux',
    );
    return fitting && imageOf(store, fitting, name);
  }
  if (!content.config || !Array.isArray(content.layers))
    throw new BadArchive(`${digest} (${mediaType ?? 'no type'}) is no image`);
  const config = await read(store, content.config.digest);
  const { rootfs } = parsed<ReadConfig>(config.toString('utf8'), content.config.digest);
  const layers: Layer[] = [];
  for (const [position, layer] of content.layers.entries()) {
    const blob = await find(store, layer?.digest);
    if (!blob) throw new BadArchive(`its layer ${layer.digest} is missing`);
    const diffId = rootfs?.diff_ids?.[position];
    layers.push({ ...blob, ...(layer.mediaType && { mediaType: layer.mediaType }), ...(diffId && { diffId }) });
  }
  return { name, digest, config, manifest, layers };
}

async function read(store: BlobStore, digest: string): Promise<Buffer> {
  const blob = await find(store, digest);
  if (!blob) throw new BadArchive(`it lacks ${digest}`);
  if (blob.size > SMALL_BYTES) throw new BadArchive(`${digest} is larger than ${SMALL_BYTES} bytes`);
  return readFile(blob.path);
}

/** What an archive calls a digest may be anything. */
async function find(store: BlobStore, digest: unknown): Promise<Blob | undefined> {
  if (!isDigest(digest)) throw new BadArchive(`${JSON.stringify(digest)} is not a sha256 digest`);
  return store.find(digest);
}

/** An object of JSON. */
function parsed<T extends object>(text: string, what: string): T {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null) return value as T;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw new BadArchive(`${what} is no JSON object`);
}
