/**
 * An OCI image from layers, and its archive as `ctr images import` takes it.
 * Source: OCI image specification 1.1, "Image Configuration", "Image Manifest", "Image Layout".
 */
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import tar from 'tar-stream';
import { type Blob, sha256 } from './blob-store.ts';

export interface ImageConfig {
  entrypoint?: readonly string[];
  cmd?: readonly string[];
  env?: Readonly<Record<string, string>>;
  workingDir?: string;
  user?: string;
  exposedPorts?: readonly string[];
  labels?: Readonly<Record<string, string>>;
  stopSignal?: string;
  volumes?: readonly string[];
  /** What shell forms of later stages begin with. */
  shell?: readonly string[];
  /** Instructions for builds that begin with the image. */
  onBuild?: readonly string[];
}

/** A blob that is a part of a root filesystem. Without more it is a tar that was not compressed. */
export interface Layer extends Blob {
  mediaType?: string;
  /** Of the tar, where the blob is it in a compressed form. */
  diffId?: string;
}

/** One line of `docker history`. */
export interface HistoryEntry {
  created?: string;
  created_by?: string;
  empty_layer?: boolean;
}

export interface Image {
  /** With its tag: `kedge.local/hello:1`. */
  name: string;
  /** Digest of the manifest: what a node that has the image reports. */
  digest: string;
  config: Buffer;
  manifest: Buffer;
  layers: readonly Layer[];
}

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const TAR = 'application/vnd.oci.image.layer.v1.tar';

export const diffIdOf = ({ diffId, digest }: Layer): string => diffId ?? digest;

export function assembleImage(
  name: string,
  layers: readonly Layer[],
  config: ImageConfig,
  history: readonly HistoryEntry[] = layers.map(() => ({ created_by: 'kedge image build' })),
): Image {
  const configBytes = json({
    architecture: architecture(),
    os: 'linux',
    created: '1970-01-01T00:00:00Z',
    config: configOf(config),
    rootfs: { type: 'layers', diff_ids: layers.map(diffIdOf) },
    history: history.map((entry) => ({ created: '1970-01-01T00:00:00Z', ...entry })),
  });
  const manifest = json({
    schemaVersion: 2,
    mediaType: MANIFEST,
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', ...descriptor(configBytes) },
    layers: layers.map(({ digest, size, mediaType = TAR }) => ({ mediaType, digest, size })),
  });
  return { name: checkedName(name), digest: sha256(manifest), config: configBytes, manifest, layers };
}

/** The image as one tar. Nothing is read before the stream is. */
export const packImage = (image: Image): AsyncIterable<Uint8Array> => packImages([image]);

/** Several images in one archive; layers that they share are in it once. */
export function packImages(images: readonly Image[]): AsyncIterable<Uint8Array> {
  const pack = tar.pack();
  const layers = new Map(images.flatMap((image) => image.layers.map((layer) => [layer.digest, layer])));
  const writeAll = async () => {
    for (const [name, content] of smallFiles(images)) pack.entry({ name, mtime: new Date(0) }, content);
    for (const { digest, size, path } of layers.values()) {
      const sink = pack.entry({ name: blobPath(digest), size, mtime: new Date(0) });
      await pipeline(createReadStream(path), sink);
    }
    pack.finalize();
  };
  writeAll().catch((error: Error) => pack.destroy(error));
  return pack as AsyncIterable<Uint8Array>;
}

function smallFiles(images: readonly Image[]): Map<string, Buffer> {
  const files = new Map([['oci-layout', json({ imageLayoutVersion: '1.0.0' })]]);
  for (const { config, digest, manifest } of images) {
    files.set(blobPath(sha256(config)), config).set(blobPath(digest), manifest);
  }
  return files.set('index.json', json({ schemaVersion: 2, manifests: images.map(indexEntry) }));
}

function indexEntry({ name, manifest }: Image): object {
  const annotations = { 'io.containerd.image.name': name, 'org.opencontainers.image.ref.name': tagOf(name) };
  const platform = { architecture: architecture(), os: 'linux' };
  return { mediaType: MANIFEST, ...descriptor(manifest), annotations, platform };
}

const blobPath = (digest: string): string => `blobs/${digest.replace(':', '/')}`;

// A name as the OCI distribution specification 1.1 has it, with a registry and a tag in front and behind.
const NAME = /^[a-z0-9]+([.-][a-z0-9]+)*(:[0-9]+)?(\/[a-z0-9]+([._-]+[a-z0-9]+)*)+:[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;

/** Throws BadImageName unless the name is whole: registry, path and tag. Nothing is guessed. */
export function checkedName(name: string): string {
  if (NAME.test(name)) return name;
  throw new BadImageName(
    `"${name}" is not a whole image name; write it with registry and tag, as in kedge.local/web:1`,
  );
}

/** As a registry has it: `busybox` → `docker.io/library/busybox:latest`. */
export function wholeName(name: string): string {
  const [first = '', ...rest] = name.split('/');
  const hasHost = rest.length > 0 && /[.:]|^localhost$/.test(first);
  const path = hasHost ? name : rest.length > 0 ? `docker.io/${name}` : `docker.io/library/${name}`;
  return path.includes('@') || /:[^/]*$/.test(path) ? path : `${path}:latest`;
}

export class BadImageName extends Error {
  readonly code = 'BadImageName';
}

const tagOf = (name: string): string => name.slice(name.lastIndexOf(':') + 1);
const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
const descriptor = (bytes: Buffer) => ({ digest: sha256(bytes), size: bytes.length });

/** This machine's architecture in Go's words, which images use. */
export function architecture(): string {
  const words: Partial<Record<NodeJS.Architecture, string>> = { x64: 'amd64', ia32: '386' };
  return words[process.arch] ?? process.arch;
}

const configOf = ({
  entrypoint,
  cmd,
  env,
  workingDir,
  user,
  exposedPorts,
  labels,
  stopSignal,
  volumes,
  shell,
  onBuild,
}: ImageConfig) => ({
  ...(user && { User: user }),
  ...(exposedPorts?.length && { ExposedPorts: Object.fromEntries(exposedPorts.map((port) => [port, {}])) }),
  Env: Object.entries({ PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', ...env }).map(
    ([key, value]) => `${key}=${value}`,
  ),
  ...(entrypoint?.length && { Entrypoint: entrypoint }),
  ...(cmd?.length && { Cmd: cmd }),
  ...(workingDir && { WorkingDir: workingDir }),
  ...(labels && { Labels: labels }),
  ...(stopSignal && { StopSignal: stopSignal }),
  ...(volumes?.length && { Volumes: Object.fromEntries(volumes.map((volume) => [volume, {}])) }),
  ...(shell && { Shell: shell }),
  ...(onBuild?.length && { OnBuild: onBuild }),
});
