/** One layer of an image: an uncompressed tar that depends on its entries only (no times, no owners of this machine). */
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import tar from 'tar-stream';
import { type Blob, type BlobStore, sha256 } from './blob-store.ts';
import { inTarOrder, type TarEntry } from './tar-entry.ts';

/** Written once for the same entries; then taken from the store. `isThere`: of directories that lower layers have. */
export function makeLayer(
  store: BlobStore,
  entries: readonly TarEntry[],
  isThere: (directory: string) => boolean = () => false,
): Promise<Blob> {
  const ordered = inTarOrder(entries, isThere);
  return store.remember(`layer 1\n${ordered.map(fingerprint).join('\n')}`, () => packEntries(ordered));
}

function fingerprint(entry: TarEntry): string {
  const owner = entry.uid || entry.gid ? ` ${entry.uid ?? 0}:${entry.gid ?? 0}` : '';
  const head = `${entry.type} ${entry.mode.toString(8)}${owner} ${JSON.stringify(entry.path)}`;
  if (entry.type === 'symlink') return `${head} -> ${JSON.stringify(entry.target)}`;
  if (entry.type === 'directory') return head;
  return 'content' in entry
    ? `${head} ${sha256(entry.content)}`
    : `${head} ${entry.source} ${entry.size} ${entry.stamp}`;
}

function packEntries(entries: readonly TarEntry[]): AsyncIterable<Uint8Array> {
  const pack = tar.pack();
  const writeAll = async () => {
    for (const entry of entries) await writeEntry(pack, entry);
    pack.finalize();
  };
  writeAll().catch((error: Error) => pack.destroy(error));
  return pack as AsyncIterable<Uint8Array>;
}

async function writeEntry(pack: tar.Pack, entry: TarEntry): Promise<void> {
  const name = entry.path.slice(1);
  const header = {
    mode: entry.mode,
    mtime: new Date(0),
    uid: entry.uid ?? 0,
    gid: entry.gid ?? 0,
    uname: '',
    gname: '',
  };
  if (entry.type === 'directory') return written(pack, { ...header, name: `${name}/`, type: 'directory' });
  if (entry.type === 'symlink') return written(pack, { ...header, name, type: 'symlink', linkname: entry.target });
  if ('content' in entry) return written(pack, { ...header, name, type: 'file' }, Buffer.from(entry.content));
  const sink = pack.entry({ ...header, name, type: 'file', size: entry.size });
  await pipeline(createReadStream(entry.source), sink);
}

const written = (pack: tar.Pack, header: Partial<tar.Header> & { name: string }, content?: Buffer): Promise<void> =>
  new Promise((resolve, reject) => {
    pack.entry(header, content ?? '', (error) => (error ? reject(error) : resolve()));
  });
