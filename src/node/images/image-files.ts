/**
 * The files of an image, as its layers lie over one another. Nothing is written to where a tar says: contents go to the
 * store under their digests. Source: OCI image specification 1.1, "Image Layer Filesystem Changeset".
 */
import { createReadStream } from 'node:fs';
import { posix } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import tar from 'tar-stream';
import type { Blob, BlobStore } from './blob-store.ts';
import type { Layer } from './image.ts';
import type { TarEntry } from './tar-entry.ts';

export interface ImageFile {
  path: string;
  type: 'file' | 'directory' | 'symlink' | 'other';
  mode: number;
  uid: number;
  gid: number;
  target: string;
  /** Where its content is: which layer, and under which name there. */
  layer: number;
  name: string;
}

type Visit = (header: tar.Header, stream: AsyncIterable<Uint8Array>) => Promise<void> | void;

const WHITEOUT = '.wh.';
const OPAQUE = '.wh..wh..opq';
const MOST_LINKS = 40; // as the kernel, path_resolution(7)

const normal = (name: string): string => posix.normalize(`/${name}`).replace(/(.)\/$/, '$1');

export class UnreadableLayer extends Error {
  readonly code = 'UnreadableLayer';
}

export class ImageFiles {
  readonly #layers: readonly Layer[];
  readonly #files = new Map<string, ImageFile>();
  /** Whatever has, or had, something in it: to look through all files for each one would take the square of their number. */
  readonly #folders = new Set<string>(['/']);

  private constructor(layers: readonly Layer[]) {
    this.#layers = layers;
  }

  static async of(layers: readonly Layer[]): Promise<ImageFiles> {
    const files = new ImageFiles(layers);
    for (const [index, layer] of layers.entries()) {
      const own = new Set<string>();
      await readLayer(layer, (header) => files.#apply(header, index, own));
    }
    return files;
  }

  #apply(header: tar.Header, layer: number, own: Set<string>): void {
    const path = normal(header.name);
    const name = posix.basename(path);
    const folder = posix.dirname(path);
    if (name.startsWith(WHITEOUT)) {
      const hidden = posix.join(folder, name.slice(WHITEOUT.length));
      if (name === OPAQUE) this.#remove(folder, (each) => !own.has(each));
      else if (this.#files.delete(hidden)) this.#remove(hidden, () => true);
      return;
    }
    own.add(path);
    const type = typeOf(header.type);
    if (type !== 'directory') this.#remove(path, () => true);
    const { mode = 0o644, uid = 0, gid = 0, linkname } = header;
    const original = header.type === 'link' ? this.#files.get(normal(linkname ?? '')) : undefined;
    const place = original ? { layer: original.layer, name: original.name } : { layer, name: path };
    for (let at = folder; !this.#folders.has(at); at = posix.dirname(at)) this.#folders.add(at);
    this.#files.set(path, { path, type, mode: mode & 0o7777, uid, gid, target: linkname ?? '', ...place });
  }

  /** What is below the path. */
  #remove(path: string, which: (path: string) => boolean): void {
    if (!this.#folders.has(path)) return;
    const prefix = path === '/' ? '/' : `${path}/`;
    for (const each of this.#files.keys()) if (each.startsWith(prefix) && which(each)) this.#files.delete(each);
  }

  /** Follows links, none of which leads out of the image. undefined: there is nothing. */
  resolve(path: string, links = 0): ImageFile | undefined {
    const parts = normal(path).split('/').filter(Boolean);
    let at = '/';
    for (const [index, part] of parts.entries()) {
      at = posix.join(at, part);
      const file = this.#files.get(at);
      if (file?.type !== 'symlink') continue;
      if (links > MOST_LINKS) return undefined;
      return this.resolve(
        posix.join(posix.resolve(posix.dirname(at), file.target), ...parts.slice(index + 1)),
        links + 1,
      );
    }
    if (at === '/')
      return { path: '/', type: 'directory', mode: 0o755, uid: 0, gid: 0, target: '', layer: 0, name: '/' };
    return this.#files.get(at) ?? this.#implied(at);
  }

  /** Where a path leads whose last parts need not be there yet. */
  place(path: string): string {
    const wanted = normal(path);
    const there = this.resolve(wanted);
    if (there) return there.path;
    return wanted === '/' ? '/' : posix.join(this.place(posix.dirname(wanted)), posix.basename(wanted));
  }

  /** A folder that no layer mentions, though one has something in it. */
  #implied(path: string): ImageFile | undefined {
    if (!this.#folders.has(path)) return undefined;
    for (const each of this.#files.keys()) {
      if (each.startsWith(`${path}/`))
        return { path, type: 'directory', mode: 0o755, uid: 0, gid: 0, target: '', layer: 0, name: path };
    }
    return undefined;
  }

  /** Not itself. */
  below(path: string): ImageFile[] {
    const prefix = path === '/' ? '/' : `${path}/`;
    return [...this.#files.values()].filter((file) => file.path.startsWith(prefix));
  }

  /** With their contents, under the paths that `rename` gives; devices and sockets are left out. */
  async entries(
    files: readonly ImageFile[],
    { store, rename }: { store: BlobStore; rename: (path: string) => string },
  ): Promise<TarEntry[]> {
    const contents = await this.#contents(
      files.filter(({ type }) => type === 'file'),
      store,
    );
    return files.flatMap(({ path, type, mode, uid, gid, target, layer, name }): TarEntry[] => {
      const common = { path: rename(path), mode, uid, gid };
      if (type === 'directory') return [{ ...common, type }];
      if (type === 'symlink') return [{ ...common, type, target }];
      const blob = contents.get(`${layer} ${name}`);
      return blob ? [{ ...common, type: 'file', source: blob.path, size: blob.size, stamp: blob.digest }] : [];
    });
  }

  async #contents(files: readonly ImageFile[], store: BlobStore): Promise<Map<string, Blob>> {
    const wanted = new Set(files.map(({ layer, name }) => `${layer} ${name}`));
    const found = new Map<string, Blob>();
    for (const [index, layer] of this.#layers.entries()) {
      if (![...wanted].some((each) => each.startsWith(`${index} `))) continue;
      await readLayer(layer, async (header, stream) => {
        const id = `${index} ${normal(header.name)}`;
        if (wanted.has(id) && typeOf(header.type) === 'file') found.set(id, await store.keep(stream));
      });
    }
    return found;
  }

  async text(path: string, store: BlobStore): Promise<string | undefined> {
    const file = this.resolve(path);
    if (file?.type !== 'file') return undefined;
    const [entry] = await this.entries([file], { store, rename: (same) => same });
    if (entry?.type !== 'file' || !('source' in entry)) return undefined;
    const chunks: Buffer[] = [];
    for await (const chunk of createReadStream(entry.source, { end: MOST_TEXT_BYTES })) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks).toString('utf8');
  }
}

const MOST_TEXT_BYTES = 1 << 20;

function typeOf(type: string | null | undefined): ImageFile['type'] {
  if (type === 'file' || type === 'contiguous-file' || type === 'link' || !type) return 'file';
  return type === 'directory' || type === 'symlink' ? type : 'other';
}

async function readLayer({ path, mediaType = '', digest }: Layer, visit: Visit): Promise<void> {
  if (/zstd/.test(mediaType))
    throw new UnreadableLayer(`layer ${digest} is compressed with zstd, which is not read here`);
  await readTar(createReadStream(path), { gzip: /gzip/.test(mediaType), visit });
}

export async function readTar(
  content: AsyncIterable<Uint8Array>,
  { gzip, visit }: { gzip: boolean; visit: Visit },
): Promise<void> {
  const extract = tar.extract();
  extract.on('entry', (header, stream, next) => {
    Promise.resolve(visit(header, stream as AsyncIterable<Uint8Array>)).then(() => {
      stream.resume(); // what nobody has read
      next();
    }, next);
  });
  if (gzip) await pipeline(content, createGunzip(), extract);
  else await pipeline(content, extract);
}
