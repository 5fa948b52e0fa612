/**
 * Looks through an image archive before a node gets it: is it one that containerd takes (an OCI layout or what
 * `docker save` writes), which images are in it, and are its blobs what their names say.
 */
import { createHash } from 'node:crypto';
import { pipeline } from 'node:stream/promises';
import tar from 'tar-stream';

export interface ArchiveContent {
  format: 'oci' | 'docker';
  /** Whole names with tags, in the archive's order. */
  names: string[];
}

export class BadArchive extends Error {
  readonly code = 'BadArchive';
}

// An index names manifests; 4 MiB is more than any registry would take for one.
const SMALL_FILE_BYTES = 4 << 20;
const SMALL_FILES = new Set(['index.json', 'manifest.json', 'oci-layout']);

/** Reads the stream to its end. Throws BadArchive. */
export async function checkArchive(archive: AsyncIterable<Uint8Array>): Promise<ArchiveContent> {
  const small = new Map<string, string>();
  const extract = tar.extract();
  extract.on('entry', (header, stream, next) => {
    readEntry(header, stream, small).then(() => next(), next);
  });
  try {
    await pipeline(archive, extract);
  } catch (error) {
    throw error instanceof BadArchive
      ? error
      : new BadArchive(`not a readable tar archive: ${(error as Error).message}`);
  }
  return contentOf(small);
}

async function readEntry(
  header: tar.Header,
  stream: AsyncIterable<unknown>,
  small: Map<string, string>,
): Promise<void> {
  const name = header.name.replace(/^\.\//, '');
  if (name.startsWith('/') || name.split('/').includes('..'))
    throw new BadArchive(`it holds the path "${header.name}"`);
  if (SMALL_FILES.has(name)) {
    if ((header.size ?? 0) > SMALL_FILE_BYTES) throw new BadArchive(`${name} is larger than ${SMALL_FILE_BYTES} bytes`);
    const chunks: Buffer[] = [];
    for await (const chunk of stream) chunks.push(chunk as Buffer);
    small.set(name, Buffer.concat(chunks).toString('utf8'));
    return;
  }
  const [, digest] = /^blobs\/sha256\/([0-9a-f]{64})$/.exec(name) ?? [];
  const hash = createHash('sha256');
  for await (const chunk of stream) if (digest) hash.update(chunk as Buffer);
  if (digest && header.type === 'file' && hash.digest('hex') !== digest) throw new BadArchive(`${name} is damaged`);
}

function contentOf(small: Map<string, string>): ArchiveContent {
  const docker = parsed(small, 'manifest.json');
  if (Array.isArray(docker)) {
    return { format: 'docker', names: named(docker.flatMap((image) => image?.RepoTags ?? []).map(withRegistry)) };
  }
  const index = parsed(small, 'index.json') as { manifests?: { annotations?: Record<string, string> }[] } | undefined;
  if (!index || !small.has('oci-layout')) {
    throw new BadArchive('it is neither an OCI layout (index.json, oci-layout) nor from `docker save` (manifest.json)');
  }
  const names = (index.manifests ?? []).flatMap(({ annotations }) => annotations?.['io.containerd.image.name'] ?? []);
  return { format: 'oci', names: named(names) };
}

function named(names: unknown[]): string[] {
  const texts = names.filter((name) => typeof name === 'string');
  if (texts.length > 0) return texts;
  throw new BadArchive('no image in it has a name; save it by name and tag, as in `docker save web:1`');
}

function parsed(small: Map<string, string>, name: string): unknown {
  const text = small.get(name);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new BadArchive(`${name} is not JSON`, { cause });
  }
}

/** Docker saves `busybox:1` for what everybody else calls `docker.io/library/busybox:1`. */
function withRegistry(name: unknown): unknown {
  if (typeof name !== 'string') return name;
  const [first = '', ...rest] = name.split('/');
  if (rest.length === 0) return `docker.io/library/${name}`;
  return /[.:]|^localhost$/.test(first) ? name : `docker.io/${name}`;
}
